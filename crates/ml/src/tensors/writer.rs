//! Writing. The data are borrowed and written part by part: a dense model is gigabytes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Map, Value, json};

use crate::ids::Ids;
use crate::sparse::Csr;

/// Headers are padded with blanks to a multiple of this, and tensors of large elements come first: then every tensor starts at a
/// multiple of its elements' size.
const ALIGNMENT: usize = 8;

/// Gathers named tensors and metadata, then writes them in one go. The same content gives the same bytes.
#[derive(Default)]
pub struct TensorWriter<'a> {
    tensors: Vec<Tensor<'a>>,
    metadata: BTreeMap<String, String>,
}

struct Tensor<'a> {
    name: String,
    shape: Vec<usize>,
    data: Data<'a>,
}

enum Data<'a> {
    F32(Cow<'a, [f32]>),
    U32(Cow<'a, [u32]>),
    U64(Cow<'a, [u64]>),
    I64(Cow<'a, [i64]>),
    U8(Cow<'a, [u8]>),
}

impl Data<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Data::F32(data) => bytemuck::cast_slice(data),
            Data::U32(data) => bytemuck::cast_slice(data),
            Data::U64(data) => bytemuck::cast_slice(data),
            Data::I64(data) => bytemuck::cast_slice(data),
            Data::U8(data) => data,
        }
    }

    /// Returns the name of the type in the container, and the bytes of an element.
    fn element(&self) -> (&'static str, usize) {
        match self {
            Data::F32(_) => ("F32", 4),
            Data::U32(_) => ("U32", 4),
            Data::U64(_) => ("U64", 8),
            Data::I64(_) => ("I64", 8),
            Data::U8(_) => ("U8", 1),
        }
    }
}

impl<'a> TensorWriter<'a> {
    /// Adds a metadata entry.
    pub fn metadata(&mut self, key: &str, value: &str) {
        self.metadata.insert(key.to_owned(), value.to_owned());
    }

    fn push(&mut self, name: &str, shape: &[usize], data: Data<'a>) {
        self.tensors.push(Tensor { name: name.to_owned(), shape: shape.to_vec(), data });
    }

    /// Adds 32-bit floats.
    pub fn f32s(&mut self, name: &str, shape: &[usize], data: impl Into<Cow<'a, [f32]>>) {
        self.push(name, shape, Data::F32(data.into()));
    }

    /// Adds 32-bit numbers.
    pub fn u32s(&mut self, name: &str, shape: &[usize], data: impl Into<Cow<'a, [u32]>>) {
        self.push(name, shape, Data::U32(data.into()));
    }

    /// Adds 64-bit numbers.
    pub fn u64s(&mut self, name: &str, shape: &[usize], data: impl Into<Cow<'a, [u64]>>) {
        self.push(name, shape, Data::U64(data.into()));
    }

    /// Adds signed 64-bit numbers.
    pub fn i64s(&mut self, name: &str, shape: &[usize], data: impl Into<Cow<'a, [i64]>>) {
        self.push(name, shape, Data::I64(data.into()));
    }

    /// Adds a dictionary as `<name>.bytes` and `<name>.offsets`.
    pub fn ids(&mut self, name: &str, ids: &'a Ids) {
        self.first_ids(name, ids, ids.len());
    }

    /// Adds the first `n` ids of a dictionary as a dictionary.
    pub fn first_ids(&mut self, name: &str, ids: &'a Ids, n: usize) {
        let offsets = &ids.offsets()[..=n];
        let bytes = &ids.bytes()[..offsets[n] as usize];
        self.push(&format!("{name}.bytes"), &[bytes.len()], Data::U8(bytes.into()));
        self.u64s(&format!("{name}.offsets"), &[offsets.len()], offsets);
    }

    /// Adds a sparse matrix as `<name>.indptr`, `.indices` and `.values`.
    ///
    /// A matrix of ones is written without its values.
    pub fn csr(&mut self, name: &str, matrix: &'a Csr) {
        self.csr_of_width(name, matrix, matrix.n_cols);
    }

    /// Adds a sparse matrix whose columns from `n_cols` on are empty without these columns.
    pub fn csr_of_width(&mut self, name: &str, matrix: &'a Csr, n_cols: usize) {
        let indptr: Vec<u64> = matrix.indptr.iter().map(|&p| p as u64).collect();
        self.u64s(&format!("{name}.shape"), &[2], vec![matrix.n_rows as u64, n_cols as u64]);
        self.u64s(&format!("{name}.indptr"), &[indptr.len()], indptr);
        self.u32s(&format!("{name}.indices"), &[matrix.nnz()], &matrix.indices);
        if matrix.values.iter().any(|&v| v != 1.0) {
            self.f32s(&format!("{name}.values"), &[matrix.nnz()], &matrix.values);
        }
    }

    /// Writes the container; it holds only what was added.
    pub fn write_to(mut self, out: &mut impl Write) -> io::Result<()> {
        let header = self.header();
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(header.as_bytes())?;
        self.tensors.iter().try_for_each(|tensor| out.write_all(tensor.data.bytes()))
    }

    /// Returns the container as bytes.
    pub fn finish(self) -> Vec<u8> {
        /// Bytes of header for each tensor: more than enough for name, type, shape and offsets.
        const HEADER: usize = 256;
        let data: usize = self.tensors.iter().map(|tensor| tensor.data.bytes().len() + HEADER).sum();
        let metadata: usize = self.metadata.iter().map(|(key, value)| 2 * (key.len() + value.len()) + ALIGNMENT).sum();
        let mut bytes = Vec::with_capacity(data + metadata + HEADER);
        // Writing to memory cannot fail.
        let _ = self.write_to(&mut bytes);
        bytes
    }

    /// Puts the tensors into the order in which they are written, and describes them.
    fn header(&mut self) -> String {
        self.tensors.sort_by(|a, b| (b.data.element().1, &a.name).cmp(&(a.data.element().1, &b.name)));
        let mut fields = Map::new();
        fields.insert("__metadata__".to_owned(), json!(self.metadata));
        let mut start = 0;
        for Tensor { name, shape, data } in &self.tensors {
            let end = start + data.bytes().len();
            fields.insert(name.clone(), json!({ "dtype": data.element().0, "shape": shape, "data_offsets": [start, end] }));
            start = end;
        }
        let mut header = Value::Object(fields).to_string();
        header.push_str(&" ".repeat(header.len().next_multiple_of(ALIGNMENT) - header.len()));
        header
    }
}

#[cfg(test)]
mod tests {
    use super::super::TensorReader;
    use super::*;

    fn sample<'a>(floats: &'a [f32], numbers: &'a [u64]) -> TensorWriter<'a> {
        let mut out = TensorWriter::default();
        for key in ["b", "a \"quoted\" ü", "c"] {
            out.metadata(key, "value\n");
        }
        out.f32s("z", &[3, 1], floats);
        out.u64s("y", &[2], numbers);
        out.i64s("x", &[1], vec![-1]);
        out.u32s("w", &[0], vec![]);
        out
    }

    #[test]
    fn what_is_written_is_read_by_the_library() {
        let bytes = sample(&[1.0, 2.0, 3.0], &[4, 5]).finish();
        let input = TensorReader::open(&bytes).unwrap();
        assert_eq!(input.f32s("z").unwrap(), (vec![3, 1], vec![1.0, 2.0, 3.0]));
        assert_eq!((input.u64s("y").unwrap().1, input.i64s("x").unwrap().1), (vec![4, 5], vec![-1]));
        assert_eq!(input.u32s("w").unwrap(), (vec![0], vec![]));
        assert_eq!(input.metadata("a \"quoted\" ü").unwrap(), "value\n");
        assert_eq!(bytes, sample(&[1.0, 2.0, 3.0], &[4, 5]).finish());
    }

    #[test]
    fn large_tensors_are_handed_on_without_a_copy() {
        /// Addresses of the buffers that were written.
        struct Places(Vec<usize>);
        impl Write for Places {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.push(bytes.as_ptr() as usize);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let floats = vec![0.5f32; 3];
        let mut places = Places(Vec::new());
        sample(&floats, &[4, 5]).write_to(&mut places).unwrap();
        assert!(places.0.contains(&(floats.as_ptr() as usize)));
    }
}
