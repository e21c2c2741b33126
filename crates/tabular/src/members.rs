//! Packed data of several parts one after another, such as concatenated gzip files, and bytes that may follow them.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use super::format::Compression;

/// An xz file may demand gigabytes of memory from its reader; ordinary ones need at most 64 MiB.
const XZ_MEMORY: u64 = 256 << 20;

type Packed = BufReader<File>;

/// A way of packing.
pub(super) struct Method<D> {
    /// Starts to unpack a part.
    begin: fn(Packed) -> io::Result<D>,
    /// Returns the bytes after the part that was unpacked.
    end: fn(D) -> Packed,
    /// Returns whether these bytes begin a part.
    is_part: fn(&[u8]) -> bool,
}

pub(super) fn gzip() -> Method<flate2::bufread::GzDecoder<Packed>> {
    Method {
        begin: |packed| Ok(flate2::bufread::GzDecoder::new(packed)),
        end: flate2::bufread::GzDecoder::into_inner,
        is_part: |head| head.starts_with(b"\x1f\x8b"),
    }
}

pub(super) fn bzip2() -> Method<bzip2::bufread::BzDecoder<Packed>> {
    Method {
        begin: |packed| Ok(bzip2::bufread::BzDecoder::new(packed)),
        end: bzip2::bufread::BzDecoder::into_inner,
        is_part: |head| head.starts_with(b"BZh"),
    }
}

pub(super) fn xz() -> Method<liblzma::bufread::XzDecoder<Packed>> {
    Method {
        begin: |packed| {
            let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, 0)?;
            Ok(liblzma::bufread::XzDecoder::new_stream(packed, stream))
        },
        end: liblzma::bufread::XzDecoder::into_inner,
        is_part: |head| head.starts_with(b"\xfd7zXZ"),
    }
}

pub(super) fn zstd() -> Method<::zstd::stream::read::Decoder<'static, Packed>> {
    Method {
        begin: |packed| Ok(::zstd::stream::read::Decoder::with_buffer(packed)?.single_frame()),
        end: ::zstd::stream::read::Decoder::finish,
        // Frames of data, and frames to skip.
        is_part: |head| {
            head.starts_with(b"\x28\xb5\x2f\xfd") || head.len() >= 4 && head[0] >> 4 == 5 && head[1..4] == *b"\x2a\x4d\x18"
        },
    }
}

/// Marks an I/O error as ours: bytes that are not packed data follow it.
#[derive(Debug, thiserror::Error)]
#[error("something follows the {0} data")]
pub(super) struct TrailingBytes(pub &'static str);

enum State<D> {
    Between(Packed),
    Inside(D),
    Ended,
}

/// Reads the parts one after another. Zeros and line ends behind them, which tapes, disks and scripts add, are ignored.
pub(super) struct Members<D> {
    packing: Compression,
    method: Method<D>,
    state: State<D>,
}

impl<D: Read> Members<D> {
    /// Reads a file that starts with a part.
    pub fn new(packing: Compression, file: File, method: Method<D>) -> Self {
        Members { packing, method, state: State::Between(BufReader::with_capacity(64 << 10, file)) }
    }

    /// Moves to the next part, if there is one.
    fn next_part(&mut self, mut packed: Packed) -> io::Result<State<D>> {
        loop {
            let bytes = packed.fill_buf()?;
            if bytes.is_empty() {
                return Ok(State::Ended);
            }
            let padding = bytes.iter().take_while(|byte| matches!(byte, 0 | b'\n' | b'\r')).count();
            if padding == 0 {
                break;
            }
            packed.consume(padding);
        }
        let mut head = [0; 8];
        let n = peek(&mut packed, &mut head)?;
        if (self.method.is_part)(&head[..n]) {
            (self.method.begin)(packed).map(State::Inside)
        } else {
            Err(io::Error::other(TrailingBytes(self.packing.as_str())))
        }
    }
}

/// Returns the next bytes without consuming them.
fn peek(packed: &mut Packed, head: &mut [u8]) -> io::Result<usize> {
    let buffered = packed.fill_buf()?;
    if buffered.len() >= head.len() {
        head.copy_from_slice(&buffered[..head.len()]);
        return Ok(head.len());
    }
    let mut n = 0;
    while n < head.len() {
        match packed.read(&mut head[n..])? {
            0 => break,
            more => n += more,
        }
    }
    packed.seek_relative(-(n as i64))?;
    Ok(n)
}

impl<D: Read> Read for Members<D> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            self.state = match std::mem::replace(&mut self.state, State::Ended) {
                State::Ended => return Ok(0),
                State::Between(packed) => self.next_part(packed)?,
                State::Inside(mut part) => match part.read(out)? {
                    0 => State::Between((self.method.end)(part)),
                    n => {
                        self.state = State::Inside(part);
                        return Ok(n);
                    }
                },
            };
        }
    }
}
