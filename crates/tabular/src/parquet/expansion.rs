//! Expands the pages of codecs that the library expands beyond the size that their header declares. It stops at that size for
//! Snappy, Zstandard and raw LZ4, whose pages are expanded here only where their texts are counted first.

use std::io::{self, Read};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use parquet::basic::Compression;
use parquet::file::metadata::ColumnChunkMetaData;

use super::delta_texts;
use super::page_header::PageHeader;

/// How the pages of a column are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Gzip,
    Brotli,
    /// LZ4 in the framing of Hadoop, or raw; LZ4 frames under this name are of any size.
    Lz4,
    Snappy,
    Zstd,
    RawLz4,
    Unpacked,
    /// The library stops at the declared size, and refuses a page that is smaller.
    Other,
}

impl Packing {
    /// Returns the packing of a column.
    pub fn of(column: &ColumnChunkMetaData) -> Self {
        let is_counted = column.encodings().any(delta_texts::is_of_texts);
        match column.compression() {
            Compression::UNCOMPRESSED => Packing::Unpacked,
            Compression::GZIP(_) => Packing::Gzip,
            Compression::BROTLI(_) => Packing::Brotli,
            Compression::LZ4 => Packing::Lz4,
            Compression::SNAPPY if is_counted => Packing::Snappy,
            Compression::ZSTD(_) if is_counted => Packing::Zstd,
            Compression::LZ4_RAW if is_counted => Packing::RawLz4,
            _ => Packing::Other,
        }
    }

    /// Returns whether pages are expanded here rather than by the library.
    pub fn is_expanded_here(self) -> bool {
        !matches!(self, Packing::Lz4 | Packing::Unpacked | Packing::Other)
    }

    /// Returns the bytes that the library reads of a page that was passed through [`expand`].
    pub fn bytes_read(self, page: &Bytes, header: &PageHeader) -> u64 {
        match self {
            Packing::Lz4 | Packing::Other if header.is_packed => header.expanded,
            _ => page.len() as u64,
        }
    }
}

/// Buffer of the Brotli decoder.
const BUFFER: usize = 4096;
/// The first byte of Brotli with a window of up to 1 GiB, which the standard does not have.
const LARGE_WINDOW: u8 = 0x11;

/// Returns the page expanded to the size that its header declares, if it is expanded here; otherwise unchanged.
pub(super) fn expand(page: Bytes, packing: Packing, header: &PageHeader) -> io::Result<Bytes> {
    let levels = usize::try_from(header.levels).unwrap_or(usize::MAX);
    let Some((levels, packed)) = page.split_at_checked(levels) else { return Err(io::Error::other("a page is cut off")) };
    match packing {
        _ if !header.is_packed => Ok(page),
        Packing::Gzip => to_declared_size(levels, MultiGzDecoder::new(packed), header),
        Packing::Brotli if packed.first() == Some(&LARGE_WINDOW) => Err(io::Error::other("its Brotli is of no standard")),
        Packing::Brotli => to_declared_size(levels, brotli::Decompressor::new(packed, BUFFER), header),
        Packing::Zstd => to_declared_size(levels, zstd::Decoder::new(packed)?, header),
        Packing::Snappy => fill_declared_size(levels, header, |room| {
            snap::raw::Decoder::new().decompress(packed, room).map_err(io::Error::other)
        }),
        Packing::RawLz4 => {
            fill_declared_size(levels, header, |room| lz4_flex::block::decompress_into(packed, room).map_err(io::Error::other))
        }
        Packing::Lz4 if is_lz4_frame(packed) => {
            Err(io::Error::other("its pages are LZ4 frames, which Parquet does not have; write it with another codec"))
        }
        Packing::Lz4 | Packing::Unpacked | Packing::Other => Ok(page),
    }
}

fn to_declared_size(levels: &[u8], unpacked: impl Read, header: &PageHeader) -> io::Result<Bytes> {
    let declared = header.expanded;
    let mut expanded = levels.to_vec();
    // A page without values has no packed bytes either.
    if declared > header.levels {
        unpacked.take(declared - header.levels + 1).read_to_end(&mut expanded)?;
    }
    match expanded.len() as u64 {
        bytes if bytes > declared => {
            Err(io::Error::other(format!("a page expands to more than the {declared} bytes it declares")))
        }
        bytes if bytes < declared => Err(too_small(bytes, header)),
        _ => Ok(expanded.into()),
    }
}

/// Expands a page with a decoder that stops at the end of the room.
fn fill_declared_size(
    levels: &[u8],
    header: &PageHeader,
    unpack: impl FnOnce(&mut [u8]) -> io::Result<usize>,
) -> io::Result<Bytes> {
    let mut expanded = levels.to_vec();
    expanded.resize(usize::try_from(header.expanded).map_err(io::Error::other)?, 0);
    let filled = match expanded.get_mut(levels.len()..) {
        // A page without values has no packed bytes either.
        Some(room) if !room.is_empty() => unpack(room)?,
        _ => 0,
    };
    let bytes = (levels.len() + filled) as u64;
    if bytes == header.expanded { Ok(expanded.into()) } else { Err(too_small(bytes, header)) }
}

fn too_small(bytes: u64, header: &PageHeader) -> io::Error {
    io::Error::other(format!("a page expands to {bytes} of the {} bytes it declares", header.expanded))
}

/// Returns whether bytes begin as an LZ4 frame does: of the present format, of the old one, or to be skipped.
fn is_lz4_frame(packed: &[u8]) -> bool {
    const TODAY: u32 = 0x184D_2204;
    const OLD: u32 = 0x184C_2102;
    const SKIPPED: u32 = 0x184D_2A50;
    let Some(magic) = packed.first_chunk().map(|bytes| u32::from_le_bytes(*bytes)) else { return false };
    magic == TODAY || magic == OLD || magic & !0xf == SKIPPED
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use bytes::Bytes;

    use super::{Packing, expand};
    use crate::parquet::page_header::PageHeader;

    fn header(expanded: u64, levels: u64) -> PageHeader {
        PageHeader { expanded, levels, is_packed: true, ..PageHeader::default() }
    }

    fn packed(packing: Packing, content: &[u8]) -> Vec<u8> {
        if packing == Packing::Gzip {
            let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            writer.write_all(content).unwrap();
            return writer.finish().unwrap();
        }
        let mut bytes = Vec::new();
        brotli::CompressorWriter::new(&mut bytes, 4096, 9, 22).write_all(content).unwrap();
        bytes
    }

    #[test]
    fn a_page_is_as_large_as_its_header_says_or_damaged() {
        for packing in [Packing::Gzip, Packing::Brotli] {
            let page = Bytes::from([&b"lev"[..], &packed(packing, &[b'x'; 1000])].concat());
            let expanded = expand(page.clone(), packing, &header(1003, 3)).unwrap();
            assert_eq!(expanded, [&b"lev"[..], &[b'x'; 1000]].concat(), "{packing:?}");
            let refused = |size| expand(page.clone(), packing, &header(size, 3)).unwrap_err().to_string();
            assert_eq!(refused(1002), "a page expands to more than the 1002 bytes it declares");
            assert_eq!(refused(1004), "a page expands to 1003 of the 1004 bytes it declares");
            let unpacked = PageHeader { is_packed: false, ..header(9, 3) };
            assert_eq!(expand(page.clone(), packing, &unpacked).unwrap(), page);
        }
        assert!(expand(Bytes::from_static(b"ab"), Packing::Other, &header(9, 3)).is_err());
    }

    #[test]
    fn formats_of_any_size_are_refused() {
        let window = Bytes::from_static(&[0x11, 0x1e, 0, 0]);
        assert!(expand(window, Packing::Brotli, &header(9, 0)).unwrap_err().to_string().contains("no standard"));
        for magic in [[0x04, 0x22, 0x4d, 0x18], [0x02, 0x21, 0x4c, 0x18], [0x53, 0x2a, 0x4d, 0x18]] {
            let refused = expand(Bytes::copy_from_slice(&magic), Packing::Lz4, &header(9, 0)).unwrap_err().to_string();
            assert!(refused.contains("LZ4 frames"), "{refused}");
        }
        assert!(expand(Bytes::from_static(&[0, 0, 0, 9, 0, 0, 0, 9]), Packing::Lz4, &header(9, 0)).is_ok());
    }
}
