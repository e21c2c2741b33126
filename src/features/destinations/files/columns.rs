//! Lists as columns of Parquet: each block is a row group, encoded on the thread that computed it.

use std::io::Write;
use std::sync::Arc;

use arrow_array::types::UInt32Type;
use arrow_array::{ArrayRef, DictionaryArray, Float32Array, Int32Array, StringArray, UInt32Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, ArrowWriterOptions, compute_leaves};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::Result;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;

use super::{Naming, texts};
use crate::ml::artifact::ListBlock;

/// A row group, encoded.
pub type Columns = Vec<ArrowColumnChunk>;

/// Encodes blocks as row groups.
pub struct ColumnEncoder<'a> {
    naming: Naming<'a>,
    schema: SchemaRef,
    items: Arc<StringArray>,
    writers: ArrowRowGroupWriterFactory,
}

/// A file of row groups.
pub struct ColumnFile<W: Write + Send>(SerializedFileWriter<W>);

/// Starts a file, and returns it with the encoder of its row groups.
pub fn create<W: Write + Send>(naming: Naming<'_>, file: W) -> Result<(ColumnEncoder<'_>, ColumnFile<W>)> {
    let [subject, item] = naming.columns();
    let text = || DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8));
    let schema: SchemaRef = Arc::new(Schema::new(vec![
        Field::new(subject, text(), false),
        Field::new("rank", DataType::Int32, false),
        Field::new(item, text(), false),
        Field::new("score", DataType::Float32, false),
    ]));
    // Readers see plain texts: the schema of Arrow, in which they are numbered, is left out.
    let options = ArrowWriterOptions::new().with_properties(properties(naming)?).with_skip_arrow_metadata(true);
    let writer = ArrowWriter::try_new_with_options(file, Arc::clone(&schema), options)?;
    let (file, writers) = writer.into_serialized_writer()?;
    Ok((ColumnEncoder { naming, schema, items: texts(naming.items.iter()), writers }, ColumnFile(file)))
}

fn properties(naming: Naming<'_>) -> Result<WriterProperties> {
    let [subject, item] = naming.columns().map(ColumnPath::from);
    let score = ColumnPath::from("score");
    Ok(WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_created_by(concat!("recotem ", env!("CARGO_PKG_VERSION")).to_owned())
        // Bounds of a row group are of use for those that the lists are for only.
        .set_statistics_enabled(EnabledStatistics::None)
        .set_column_statistics_enabled(subject, EnabledStatistics::Chunk)
        .set_column_statistics_enabled(item, EnabledStatistics::None)
        .set_column_dictionary_enabled(score.clone(), false)
        .set_column_compression(score, Compression::UNCOMPRESSED)
        .build())
}

impl ColumnEncoder<'_> {
    pub fn encode(&self, block: &ListBlock<'_>) -> Result<Columns> {
        let rows = block.lists.iter().map(Vec::len).sum();
        let (mut subjects, mut ranks) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
        let (mut items, mut scores) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
        for (subject, list) in (0u32..).zip(&block.lists) {
            for (rank, &(item, score)) in (1i32..).zip(list) {
                subjects.push(subject);
                ranks.push(rank);
                items.push(item);
                scores.push(score);
            }
        }
        let (subjects, items) = (UInt32Array::from(subjects), UInt32Array::from(items));
        let names = texts(block.subjects.iter().map(|number| self.naming.subjects.get(*number)));
        let arrays: [ArrayRef; 4] = [
            Arc::new(DictionaryArray::<UInt32Type>::try_new(subjects, names)?),
            Arc::new(Int32Array::from(ranks)),
            Arc::new(DictionaryArray::<UInt32Type>::try_new(items, Arc::clone(&self.items) as ArrayRef)?),
            Arc::new(Float32Array::from(scores)),
        ];
        // The number of the row group matters to encryption only.
        let mut writers = self.writers.create_column_writers(0)?;
        for ((writer, array), field) in writers.iter_mut().zip(&arrays).zip(self.schema.fields()) {
            for leaf in compute_leaves(field, array)? {
                writer.write(&leaf)?;
            }
        }
        writers.into_iter().map(|writer| writer.close()).collect()
    }
}

impl<W: Write + Send> ColumnFile<W> {
    pub fn write(&mut self, columns: Columns) -> Result<()> {
        let mut group = self.0.next_row_group()?;
        for column in columns {
            column.append_to_row_group(&mut group)?;
        }
        group.close().map(drop)
    }

    /// Completes the file, and returns its bytes.
    pub fn finish(mut self) -> Result<u64> {
        self.0.finish()?;
        Ok(self.0.bytes_written() as u64)
    }
}
