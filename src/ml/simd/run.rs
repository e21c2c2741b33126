//! Runs a loop that is written once with the instruction set that was chosen.

#[cfg(target_arch = "x86_64")]
use super::x86::{Avx2, Avx512};
use super::{Kernels, Lanes, Level, Portable};

/// A loop over vectors, written once and compiled for every instruction set.
pub(super) trait Kernel {
    /// What it gives back.
    type Output;
    /// # Safety
    /// The instruction set must exist, and the lengths that the kernel relies on must hold.
    unsafe fn run<L: Lanes>(self) -> Self::Output;
}

/// # Safety
/// The processor must have AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    unsafe { kernel.run::<Avx2>() }
}

/// # Safety
/// The processor must have AVX-512F, AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma")]
unsafe fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    unsafe { kernel.run::<Avx512>() }
}

impl Kernels {
    /// # Safety
    /// The lengths that the kernel relies on must hold.
    #[inline]
    pub(super) unsafe fn run<K: Kernel>(self, kernel: K) -> K::Output {
        // SAFETY: a level is made only where its instructions exist; the rest is the caller's promise.
        unsafe {
            match self.0 {
                Level::Portable => kernel.run::<Portable>(),
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 => run_avx2(kernel),
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 => run_avx512(kernel),
            }
        }
    }
}
