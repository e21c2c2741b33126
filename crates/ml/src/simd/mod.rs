//! Kernels over short rows of 32-bit floats, compiled for several instruction sets and chosen at run time.
//!
//! A portable x86-64 binary may use only SSE2 unless it detects more at run time; these loops are where that pays. Row lengths
//! are multiples of [`PAD`]; callers pad with zeros, which change no product. Each kernel is a type that implements `Kernel`
//! once, for any `Lanes`, and a safe method of [`Kernels`] that checks lengths and runs it.
//!
//! Loops count numbers: iterators over two slices, and `map` and `from_fn` of arrays, are often not inlined into functions that are
//! compiled for more instructions than the rest, and then cost more than the arithmetic.

#![allow(clippy::needless_range_loop, reason = "loops with constant bounds show what they compile to: registers")]

mod aligned;
mod bfloat_panels;
mod byte_panels;
mod byte_tiles;
mod coordinate_descent;
mod descent;
mod elementwise;
mod gram;
mod lanes;
mod normal_equations;
mod pairs;
mod products;
mod row_sums;
mod rows;
mod threshold;
mod weighted_rows;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use aligned::Aligned;
pub use bfloat_panels::{BfloatKernels, Words, round_to_bfloat};
pub use byte_panels::{BYTE_GROUP, BYTE_PANEL, BYTE_ZERO, ByteGroup, BytePanels, Near};
pub use byte_tiles::{BYTE_TILE, ByteTile, NearTile};
pub use coordinate_descent::Penalty;
pub use descent::Descent;
pub use elementwise::AdamStep;
pub use normal_equations::NormalEquations;
pub use pairs::{PairProducts, PairStep};
pub use rows::Rows;
pub use threshold::{PANEL, Reached, TILE_ROWS};
pub use weighted_rows::STRIP;

use lanes::{Lanes, Portable};

/// Makes a plain loop a method of [`Kernels`], compiled once for each instruction set.
macro_rules! dispatched {
    ($(#[$doc:meta])* $name:ident($($arg:ident: $kind:ty),*) $(-> $result:ty)?, $plain:ident) => {
        impl Kernels {
            $(#[$doc])*
            pub fn $name(self, $($arg: $kind),*) $(-> $result)? {
                #[cfg(target_arch = "x86_64")]
                {
                    #[target_feature(enable = "avx2,fma")]
                    fn avx2($($arg: $kind),*) $(-> $result)? {
                        $plain($($arg),*)
                    }
                    #[target_feature(enable = "avx512f,avx2,fma")]
                    fn avx512($($arg: $kind),*) $(-> $result)? {
                        $plain($($arg),*)
                    }
                    match self.0 {
                        Level::Portable => {}
                        // SAFETY: `Kernels::detect` makes this level only where it has found AVX2 and FMA.
                        Level::Avx2 => return unsafe { avx2($($arg),*) },
                        // SAFETY: `Kernels::detect` makes this level only where it has found AVX-512F, AVX2 and FMA.
                        Level::Avx512 => return unsafe { avx512($($arg),*) },
                    }
                }
                $plain($($arg),*)
            }
        }
    };
}

use dispatched;

/// Rows are padded to a multiple of this many floats.
pub const PAD: usize = 16;

/// Returns a length rounded up to a multiple of [`PAD`].
pub fn padded(len: usize) -> usize {
    len.next_multiple_of(PAD)
}

/// A loop over vectors, written once and compiled for every instruction set.
trait Kernel {
    /// Result of the kernel.
    type Output;
    /// Runs the loop with an instruction set.
    ///
    /// # Safety
    /// The processor must have the instruction set, and the lengths must be as the method of [`Kernels`] checks that creates the
    /// kernel.
    unsafe fn run<L: Lanes>(self) -> Self::Output;
}

/// An instruction set this processor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// The kernels for one instruction set.
#[derive(Debug, Clone, Copy)]
pub struct Kernels(Level);

impl Kernels {
    /// Returns the best kernels for this processor.
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            let wide = is_x86_feature_detected!("avx512f");
            return Kernels(if wide { Level::Avx512 } else { Level::Avx2 });
        }
        Kernels(Level::Portable)
    }

    /// Runs a kernel with the instruction set of these kernels.
    ///
    /// # Safety
    /// The lengths that the kernel relies on must hold.
    #[inline]
    unsafe fn run<K: Kernel>(self, kernel: K) -> K::Output {
        // SAFETY: `Kernels::detect` makes a level only where it has found its instructions; the caller guarantees the lengths.
        unsafe {
            match self.0 {
                Level::Portable => kernel.run::<Portable>(),
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 => x86::run_avx2(kernel),
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 => x86::run_avx512(kernel),
            }
        }
    }

    /// Returns every set that this processor has, for tests.
    #[cfg(test)]
    pub fn all() -> Vec<Self> {
        let mut levels = vec![Kernels(Level::Portable)];
        #[cfg(target_arch = "x86_64")]
        {
            let best = Kernels::detect().0;
            if best != Level::Portable {
                levels.push(Kernels(Level::Avx2));
            }
            if best == Level::Avx512 {
                levels.push(Kernels(Level::Avx512));
            }
        }
        levels
    }
}
