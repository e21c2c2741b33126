//! Parquet whose texts are written as differences: it is read like any other, unless its texts expand beyond all measure.

use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::{BrotliLevel, Compression, Encoding, GzipLevel, ZstdLevel};
use ::parquet::file::properties::{WriterProperties, WriterVersion};
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use arrow_array::builder::{ListBuilder, StringBuilder, StringViewBuilder};
use arrow_array::{ArrayRef, RecordBatch, StringArray};

use super::*;

const VERSIONS: [WriterVersion; 2] = [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0];

fn written(columns: Vec<(&str, ArrayRef)>, encoding: Encoding, codec: Compression, version: WriterVersion) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let properties = WriterProperties::builder()
        .set_compression(codec)
        .set_writer_version(version)
        .set_dictionary_enabled(false)
        .set_statistics_enabled(::parquet::file::properties::EnabledStatistics::None)
        .set_encoding(encoding)
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn refused(bytes: &[u8]) -> String {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    let shown = crate::preview_within(file.path(), "x.parquet", 2, 64 << 20, &Stop::default()).unwrap_err().to_string();
    let Err(error) = read(bytes, "x.parquet") else { panic!() };
    assert_eq!(error.to_string(), shown);
    shown
}

#[test]
fn every_codec_and_version_is_read() {
    let n = 10_000;
    let ids = |skip: usize| (0..n).map(move |row| (row % skip != 1).then(|| format!("https://example.com/items/{row}")));
    let columns = || -> Vec<(&str, ArrayRef)> {
        vec![("user_id", Arc::new(ids(7).collect::<StringArray>())), ("item_id", Arc::new(ids(n + 1).collect::<StringArray>()))]
    };
    let expected: Vec<(String, String)> = ids(7).zip(ids(n + 1)).filter_map(|(user, item)| Some((user?, item?))).collect();
    let codecs = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::BROTLI(BrotliLevel::default()),
        Compression::LZ4_RAW,
        Compression::ZSTD(ZstdLevel::default()),
    ];
    for codec in codecs {
        for version in VERSIONS {
            for encoding in [Encoding::DELTA_BYTE_ARRAY, Encoding::DELTA_LENGTH_BYTE_ARRAY] {
                let bytes = written(columns(), encoding, codec, version);
                let (kept, report) = read(&bytes, "x.parquet").unwrap_or_else(|error| panic!("{codec:?}, {encoding}: {error}"));
                let kept: Vec<_> = kept.into_iter().map(|(user, item, _)| (user, item)).collect();
                assert!(kept == expected, "{codec:?}, {encoding}: {} rows of {}", report.rows_kept, report.rows_total);
            }
        }
    }
}

#[test]
fn lists_of_texts_are_read() {
    let mut tags = ListBuilder::new(StringBuilder::new());
    tags.append_value([Some("War"), None, Some("Warfare")]);
    tags.append_null();
    let tags: ArrayRef = Arc::new(tags.finish());
    for version in VERSIONS {
        let bytes = written(vec![("tags", Arc::clone(&tags))], Encoding::DELTA_BYTE_ARRAY, Compression::SNAPPY, version);
        let found = preview_of(&bytes, "x.parquet", 2);
        assert_eq!(found.rows, [[json!(["War", null, "Warfare"])], [json!(null)]]);
    }
}

#[test]
fn texts_that_repeat_a_long_one_without_end_are_refused() {
    let mut long = StringViewBuilder::new().with_deduplicate_strings();
    (0..10_000).for_each(|_| long.append_value("x".repeat(10_000)));
    let long: ArrayRef = Arc::new(long.finish());
    for codec in [Compression::UNCOMPRESSED, Compression::ZSTD(ZstdLevel::default())] {
        for version in VERSIONS {
            let columns = vec![("user_id", Arc::clone(&long)), ("item_id", Arc::clone(&long))];
            let bytes = written(columns, Encoding::DELTA_BYTE_ARRAY, codec, version);
            assert!(bytes.len() < 100_000, "{codec:?}: {} bytes", bytes.len());
            let words = refused(&bytes);
            assert!(words.contains("its texts repeat more than 64 MiB of those before them"), "{codec:?}: {words}");
        }
    }
}

#[test]
fn a_page_declares_no_more_texts_than_it_has_values() {
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c"]));
    for encoding in [Encoding::DELTA_BYTE_ARRAY, Encoding::DELTA_LENGTH_BYTE_ARRAY] {
        let columns = vec![("user_id", Arc::clone(&texts)), ("item_id", Arc::clone(&texts))];
        let mut bytes = written(columns, encoding, Compression::UNCOMPRESSED, WriterVersion::PARQUET_1_0);
        let footer = SerializedFileReader::new(::bytes::Bytes::from(bytes.clone())).unwrap();
        let page = usize::try_from(footer.metadata().row_group(0).column(0).data_page_offset()).unwrap();
        let values = page + crate::parquet::length_of_header(&bytes[page..]);
        // The sizes of blocks and groups stand before it.
        assert_eq!(bytes[values + 3], 3, "{encoding}");
        bytes[values + 3] = 100;
        assert!(refused(&bytes).contains("a page of 3 values declares 100 texts"), "{}", refused(&bytes));
    }
}

#[test]
fn the_old_lz4_is_refused_for_what_it_is() {
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c"]));
    let columns = vec![("user_id", Arc::clone(&texts)), ("item_id", texts)];
    let bytes = written(columns, Encoding::DELTA_BYTE_ARRAY, Compression::LZ4, WriterVersion::PARQUET_1_0);
    let words = refused(&bytes);
    assert!(words.contains("its texts are written as differences in LZ4 of old; write it with another codec"), "{words}");
}
