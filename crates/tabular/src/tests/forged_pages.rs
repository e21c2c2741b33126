//! Parquet whose pages declare other sizes than they have: nothing is expanded beyond what was declared and allowed.

use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
use ::parquet::file::properties::{WriterProperties, WriterVersion};
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use arrow_array::{ArrayRef, RecordBatch, StringArray};

use super::*;

/// Returns a file of three long texts in pages without a dictionary, and the offset of its first page.
fn written(codec: Compression, version: WriterVersion) -> (Vec<u8>, usize) {
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..3).map(|_| "x".repeat(1 << 20))));
    let batch = RecordBatch::try_from_iter([("user_id", Arc::clone(&texts)), ("item_id", texts)]).unwrap();
    let properties = WriterProperties::builder()
        .set_compression(codec)
        .set_writer_version(version)
        .set_dictionary_enabled(false)
        .set_statistics_enabled(::parquet::file::properties::EnabledStatistics::None)
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let footer = SerializedFileReader::new(::bytes::Bytes::from(bytes.clone())).unwrap();
    let page = footer.metadata().row_group(0).column(0).data_page_offset();
    (bytes, usize::try_from(page).unwrap())
}

/// Writes another expanded size into the header of a page: the second number in it, of four bytes.
fn declare(bytes: &mut [u8], page: usize, size: u32) {
    let place = &mut bytes[page + 3..][..4];
    assert_eq!((place[2] & 0x80, place[3] & 0x80), (0x80, 0), "the size takes four bytes");
    let zigzag = size << 1;
    for (at, byte) in place.iter_mut().enumerate() {
        *byte = u8::try_from((zigzag >> (7 * at)) & 0x7f).unwrap() | if at < 3 { 0x80 } else { 0 };
    }
}

fn refused(bytes: &[u8]) -> String {
    let shown =
        crate::preview_within(written_to_disk(bytes).path(), "x.parquet", 2, 64 << 20, &Stop::default()).unwrap_err().to_string();
    let Err(error) = read_with(bytes, "x.parquet", &ReadOptions { max_field_bytes: 2 << 20, ..options(false) }) else { panic!() };
    assert_eq!(error.to_string(), shown);
    shown
}

fn written_to_disk(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

#[test]
fn no_page_expands_to_more_than_its_header_declares() {
    for codec in [Compression::GZIP(GzipLevel::default()), Compression::BROTLI(BrotliLevel::default())] {
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            let (mut bytes, page) = written(codec, version);
            assert!(bytes.len() < 100_000, "it is a small file");
            let found =
                crate::preview_within(written_to_disk(&bytes).path(), "x.parquet", 2, 64 << 20, &Stop::default()).unwrap();
            assert_eq!(found.rows[1][0], json!("x".repeat(1 << 20)), "{codec:?}");
            declare(&mut bytes, page, 1000);
            let words = refused(&bytes);
            assert!(words.contains("a page expands to more than the 1000 bytes it declares"), "{codec:?}: {words}");
        }
    }
}

#[test]
fn no_page_declares_more_than_its_column_chunk_has() {
    for codec in [Compression::ZSTD(ZstdLevel::default()), Compression::SNAPPY, Compression::LZ4_RAW] {
        let (mut bytes, page) = written(codec, WriterVersion::PARQUET_1_0);
        declare(&mut bytes, page, 20_000_000);
        let words = refused(&bytes);
        assert!(words.contains("a page declares 20000000 bytes, and its whole column "), "{codec:?}: {words}");
    }
}

#[test]
fn lz4_frames_are_refused_for_what_they_are() {
    let (mut bytes, page) = written(Compression::LZ4, WriterVersion::PARQUET_1_0);
    let header = crate::parquet::length_of_header(&bytes[page..]);
    bytes[page + header..][..4].copy_from_slice(&[0x04, 0x22, 0x4d, 0x18]);
    assert!(refused(&bytes).contains("its pages are LZ4 frames, which Parquet does not have"), "{}", refused(&bytes));
}
