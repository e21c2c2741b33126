//! The lanes of x86-64: AVX2 and AVX-512.

use super::Kernel;
use super::lanes::Lanes;
use std::arch::x86_64::*;

/// Writes the methods of [`Lanes`] that are one instruction each.
macro_rules! instructions {
    ($($method:ident($($arg:ident: $kind:ty),*) $(-> $result:ty)? = $instruction:ident;)*) => {$(
        #[inline(always)]
        unsafe fn $method($($arg: $kind),*) $(-> $result)? {
            // SAFETY: the caller of a method of `Lanes` guarantees that the processor has the instruction set, and behind a
            // pointer the floats of one vector, which the instruction reaches at any alignment.
            unsafe { $instruction($($arg),*) }
        }
    )*};
}

/// AVX2 with FMA.
#[derive(Clone, Copy)]
pub(super) struct Avx2;

impl Lanes for Avx2 {
    type V = __m256;
    const N: usize = 8;
    const MANY_REGISTERS: bool = false;
    instructions! {
        zero() -> Self::V = _mm256_setzero_ps;
        splat(x: f32) -> Self::V = _mm256_set1_ps;
        load(from: *const f32) -> Self::V = _mm256_loadu_ps;
        store(to: *mut f32, v: Self::V) = _mm256_storeu_ps;
        fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V = _mm256_fmadd_ps;
        add(a: Self::V, b: Self::V) -> Self::V = _mm256_add_ps;
        mul(a: Self::V, b: Self::V) -> Self::V = _mm256_mul_ps;
    }
    #[inline(always)]
    unsafe fn sums(v: [Self::V; 4]) -> [f32; 4] {
        // SAFETY: the caller guarantees AVX2; `__m128` and four floats are 16 bytes of any value.
        unsafe {
            let first = _mm256_add_ps(_mm256_unpacklo_ps(v[0], v[1]), _mm256_unpackhi_ps(v[0], v[1]));
            let second = _mm256_add_ps(_mm256_unpacklo_ps(v[2], v[3]), _mm256_unpackhi_ps(v[2], v[3]));
            let low = _mm256_shuffle_ps::<0b01_00_01_00>(first, second);
            let high = _mm256_shuffle_ps::<0b11_10_11_10>(first, second);
            let quarters = _mm256_add_ps(low, high);
            let sums = _mm_add_ps(_mm256_castps256_ps128(quarters), _mm256_extractf128_ps::<1>(quarters));
            std::mem::transmute(sums)
        }
    }
}

/// AVX-512.
#[derive(Clone, Copy)]
pub(super) struct Avx512;

impl Lanes for Avx512 {
    type V = __m512;
    const N: usize = 16;
    const MANY_REGISTERS: bool = true;
    instructions! {
        zero() -> Self::V = _mm512_setzero_ps;
        splat(x: f32) -> Self::V = _mm512_set1_ps;
        load(from: *const f32) -> Self::V = _mm512_loadu_ps;
        store(to: *mut f32, v: Self::V) = _mm512_storeu_ps;
        fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V = _mm512_fmadd_ps;
        add(a: Self::V, b: Self::V) -> Self::V = _mm512_add_ps;
        mul(a: Self::V, b: Self::V) -> Self::V = _mm512_mul_ps;
    }
    #[inline(always)]
    unsafe fn sums(v: [Self::V; 4]) -> [f32; 4] {
        // SAFETY: the caller guarantees AVX-512F, and with it AVX2; `__m128` and four floats are 16 bytes of any value.
        unsafe {
            let first = _mm512_add_ps(_mm512_unpacklo_ps(v[0], v[1]), _mm512_unpackhi_ps(v[0], v[1]));
            let second = _mm512_add_ps(_mm512_unpacklo_ps(v[2], v[3]), _mm512_unpackhi_ps(v[2], v[3]));
            let low = _mm512_shuffle_ps::<0b01_00_01_00>(first, second);
            let high = _mm512_shuffle_ps::<0b11_10_11_10>(first, second);
            let eighths = _mm512_add_ps(low, high);
            let upper = _mm512_castpd_ps(_mm512_castpd256_pd512(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(eighths))));
            let quarters = _mm512_castps512_ps256(_mm512_add_ps(eighths, upper));
            let sums = _mm_add_ps(_mm256_castps256_ps128(quarters), _mm256_extractf128_ps::<1>(quarters));
            std::mem::transmute(sums)
        }
    }
}

/// Runs a kernel with AVX2.
///
/// # Safety
/// The processor must have AVX2 and FMA, and the conditions of the kernel must hold.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: this function may only be called where AVX2 and FMA exist; the lengths are guaranteed by its caller.
    unsafe { kernel.run::<Avx2>() }
}

/// Runs a kernel with AVX-512.
///
/// # Safety
/// The processor must have AVX-512F, AVX2 and FMA, and the conditions of the kernel must hold.
#[target_feature(enable = "avx512f,avx2,fma")]
pub(super) unsafe fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: this function may only be called where AVX-512F exists; the lengths are guaranteed by its caller.
    unsafe { kernel.run::<Avx512>() }
}
