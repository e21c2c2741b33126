//! What a kernel may require of an instruction set, and the set that every processor has.

/// One instruction set. Methods are unsafe because they may only run where it exists, and because `load` and `store` reach `N`
/// floats from the pointer on, which must be there, at any alignment.
pub(super) trait Lanes: Copy {
    /// A vector.
    type V: Copy;
    /// Number of floats in a vector.
    const N: usize;
    /// Whether there are enough registers (32) for kernels that keep whole rows in them.
    const MANY_REGISTERS: bool;
    unsafe fn zero() -> Self::V;
    unsafe fn splat(x: f32) -> Self::V;
    unsafe fn load(from: *const f32) -> Self::V;
    unsafe fn store(to: *mut f32, v: Self::V);
    /// Computes `a * b + c`.
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    /// Returns the sum of each of four vectors.
    unsafe fn sums(v: [Self::V; 4]) -> [f32; 4];
}

/// Plain arrays, for processors whose instruction sets are not detected.
#[derive(Clone, Copy)]
pub(super) struct Portable;

impl Lanes for Portable {
    type V = [f32; 4];
    const N: usize = 4;
    const MANY_REGISTERS: bool = false;
    #[inline(always)]
    unsafe fn zero() -> Self::V {
        [0.0; 4]
    }
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::V {
        [x; 4]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::V {
        // SAFETY: the caller guarantees four floats there; the read needs no alignment.
        unsafe { from.cast::<[f32; 4]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: Self::V) {
        // SAFETY: the caller guarantees room for four floats there; the write needs no alignment.
        unsafe { to.cast::<[f32; 4]>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] * b[i])
    }
    #[inline(always)]
    unsafe fn sums(v: [Self::V; 4]) -> [f32; 4] {
        v.map(|x| (x[0] + x[1]) + (x[2] + x[3]))
    }
}
