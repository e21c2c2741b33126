//! Factors rounded to bytes, and the error of the rounding.

/// A rounded row: each byte times `scale` approximates the value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rounded {
    /// Value of a byte of one.
    pub scale: f32,
    /// Length of the difference between the row and its rounded values.
    pub off: f64,
}

/// The greatest byte.
const MOST: f32 = 127.0;

/// Sums are kept side by side, since a single one waits for its own result.
const LANES: usize = 8;

/// Added to a number of at most a few million and subtracted again, it leaves a whole one: faster than a rounding instruction.
const WHOLE: f32 = 12_582_912.0;

/// Rounds a row to bytes from −127 to 127.
pub(super) fn round(row: &[f32], bytes: &mut [i8]) -> Rounded {
    let greatest = row.iter().fold(0f32, |most, value| most.max(value.abs()));
    // Rows close to zero become zeros; the scale is a normal number, so that products with it lose no bits.
    let scale = (greatest / MOST).max(f32::MIN_POSITIVE);
    let inverse = 1.0 / scale;
    let mut squares = [0f64; LANES];
    for (bytes, values) in bytes.chunks_mut(LANES).zip(row.chunks(LANES)) {
        for ((byte, &value), square) in bytes.iter_mut().zip(values).zip(&mut squares) {
            // The error is measured for any result.
            *byte = (value * inverse + WHOLE - WHOLE).clamp(-MOST, MOST) as i8;
            let off = f64::from(value) - f64::from(scale) * f64::from(*byte);
            *square += off * off;
        }
    }
    Rounded { scale, off: squares.iter().sum::<f64>().sqrt() }
}

/// Returns the length of a row.
pub(super) fn length(row: &[f32]) -> f64 {
    let mut squares = [0f64; LANES];
    for values in row.chunks(LANES) {
        squares.iter_mut().zip(values).for_each(|(square, &value)| *square += f64::from(value) * f64::from(value));
    }
    squares.iter().sum::<f64>().sqrt()
}

/// Returns a 32-bit number greater than the 64-bit one, for any rounding error.
pub(super) fn round_up(value: f64) -> f32 {
    (value as f32).next_up()
}
