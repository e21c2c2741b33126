//! The lanes of x86-64: AVX2 and AVX-512.

use super::{Coefficient, Lanes};
use std::arch::x86_64::*;

/// AVX2 with FMA.
#[derive(Clone, Copy)]
pub struct Avx2;

impl Lanes for Avx2 {
    type V = __m256;
    const N: usize = 8;
    #[inline(always)]
    unsafe fn zero() -> Self::V {
        unsafe { _mm256_setzero_ps() }
    }
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::V {
        unsafe { _mm256_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::V {
        unsafe { _mm256_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: Self::V) {
        unsafe { _mm256_storeu_ps(to, v) }
    }
    #[inline(always)]
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sums(v: [Self::V; 4]) -> [f32; 4] {
        unsafe {
            let pairs = _mm256_hadd_ps(_mm256_hadd_ps(v[0], v[1]), _mm256_hadd_ps(v[2], v[3]));
            let sums = _mm_add_ps(_mm256_castps256_ps128(pairs), _mm256_extractf128_ps::<1>(pairs));
            std::mem::transmute(sums)
        }
    }
}

/// AVX-512.
#[derive(Clone, Copy)]
pub struct Avx512;

impl Lanes for Avx512 {
    type V = __m512;
    const N: usize = 16;
    #[inline(always)]
    unsafe fn zero() -> Self::V {
        unsafe { _mm512_setzero_ps() }
    }
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::V {
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::V {
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: Self::V) {
        unsafe { _mm512_storeu_ps(to, v) }
    }
    #[inline(always)]
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sums(v: [Self::V; 4]) -> [f32; 4] {
        unsafe {
            let half = |x: __m512| {
                let high = _mm512_castpd_ps(_mm512_shuffle_f64x2::<0b01_00_11_10>(_mm512_castps_pd(x), _mm512_castps_pd(x)));
                _mm512_castps512_ps256(_mm512_add_ps(x, high))
            };
            Avx2::sums([half(v[0]), half(v[1]), half(v[2]), half(v[3])])
        }
    }
}

/// # Safety
/// As [`super::rows_pass`].
#[target_feature(enable = "avx2,fma")]
pub unsafe fn rows_pass_avx2(rows: &[f32], weights: &[f32], p: &[f32], c: Coefficient, out: &mut [f32]) {
    unsafe { super::rows_pass::<Avx2>(rows, weights, p, c, out) }
}

/// # Safety
/// As [`super::rows_pass`].
#[target_feature(enable = "avx512f,avx2,fma")]
pub unsafe fn rows_pass_avx512(rows: &[f32], weights: &[f32], p: &[f32], c: Coefficient, out: &mut [f32]) {
    unsafe { super::rows_pass::<Avx512>(rows, weights, p, c, out) }
}

/// # Safety
/// As [`super::symmetric`].
#[target_feature(enable = "avx2,fma")]
pub unsafe fn symmetric_avx2(matrix: &[f32], p: &[f32], scale: f32, out: &mut [f32]) {
    unsafe { super::symmetric::<Avx2>(matrix, p, scale, out) }
}

/// # Safety
/// As [`super::symmetric`].
#[target_feature(enable = "avx512f,avx2,fma")]
pub unsafe fn symmetric_avx512(matrix: &[f32], p: &[f32], scale: f32, out: &mut [f32]) {
    unsafe { super::symmetric::<Avx512>(matrix, p, scale, out) }
}
