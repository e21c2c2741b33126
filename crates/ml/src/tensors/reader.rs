//! Reading: every name, type, shape and value is checked.

use std::collections::HashMap;

use safetensors::tensor::{Dtype, Metadata, SafeTensors};

use crate::error::{MlError, MlResult};
use crate::ids::Ids;
use crate::sparse::Csr;

/// A container opened for reading. Every getter checks type and shape.
pub struct TensorReader<'a> {
    tensors: SafeTensors<'a>,
    metadata: HashMap<String, String>,
}

impl<'a> TensorReader<'a> {
    /// Opens a container.
    pub fn open(bytes: &'a [u8]) -> MlResult<Self> {
        let bad = |e: safetensors::SafeTensorError| MlError::BadArtifact(e.to_string());
        let (_, header): (usize, Metadata) = SafeTensors::read_metadata(bytes).map_err(bad)?;
        let metadata = header.metadata().clone().unwrap_or_default();
        Ok(TensorReader { tensors: SafeTensors::deserialize(bytes).map_err(bad)?, metadata })
    }

    /// Returns all metadata.
    pub fn all_metadata(&self) -> &HashMap<String, String> {
        &self.metadata
    }

    /// Returns a metadata entry that must exist.
    pub fn metadata(&self, key: &str) -> MlResult<&str> {
        let value = self.metadata.get(key).map(String::as_str);
        value.ok_or_else(|| MlError::BadArtifact(format!("metadata {key:?} is missing")))
    }

    /// Fails unless the metadata entry has this value.
    pub fn require_metadata(&self, key: &str, value: &str) -> MlResult<()> {
        match self.metadata(key)? {
            found if found == value => Ok(()),
            found => Err(MlError::BadArtifact(format!("{key} is {found:?}, not {value:?}"))),
        }
    }

    /// Returns whether a tensor exists.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.tensor(name).is_ok()
    }

    fn get<T: bytemuck::AnyBitPattern>(&self, name: &str, dtype: Dtype) -> MlResult<(Vec<usize>, Vec<T>)> {
        let tensor = self.tensors.tensor(name);
        let tensor = tensor.map_err(|_| MlError::BadArtifact(format!("tensor {name:?} is missing")))?;
        if tensor.dtype() != dtype {
            return Err(MlError::BadArtifact(format!("tensor {name:?} is {:?}, not {dtype:?}", tensor.dtype())));
        }
        // The container does not guarantee alignment, so the bytes are copied rather than cast.
        let data = tensor.data().chunks_exact(size_of::<T>()).map(bytemuck::pod_read_unaligned).collect();
        Ok((tensor.shape().to_vec(), data))
    }

    /// Returns 32-bit floats, all finite, and their shape.
    pub fn f32s(&self, name: &str) -> MlResult<(Vec<usize>, Vec<f32>)> {
        let (shape, data) = self.get::<f32>(name, Dtype::F32)?;
        if data.iter().any(|v| !v.is_finite()) {
            return Err(MlError::BadArtifact(format!("tensor {name:?} holds values that are not finite")));
        }
        Ok((shape, data))
    }

    /// Returns 32-bit floats of exactly this shape.
    pub fn f32s_shaped(&self, name: &str, shape: &[usize]) -> MlResult<Vec<f32>> {
        let (found, data) = self.f32s(name)?;
        if found != shape {
            return Err(MlError::BadArtifact(format!("tensor {name:?} has shape {found:?}, not {shape:?}")));
        }
        Ok(data)
    }

    /// Returns 32-bit numbers and their shape.
    pub fn u32s(&self, name: &str) -> MlResult<(Vec<usize>, Vec<u32>)> {
        self.get(name, Dtype::U32)
    }

    /// Returns 64-bit numbers and their shape.
    pub fn u64s(&self, name: &str) -> MlResult<(Vec<usize>, Vec<u64>)> {
        self.get(name, Dtype::U64)
    }

    /// Returns signed 64-bit numbers and their shape.
    pub fn i64s(&self, name: &str) -> MlResult<(Vec<usize>, Vec<i64>)> {
        self.get(name, Dtype::I64)
    }

    /// Returns a dictionary.
    pub fn ids(&self, name: &str) -> MlResult<Ids> {
        let (_, bytes) = self.get::<u8>(&format!("{name}.bytes"), Dtype::U8)?;
        let (_, offsets) = self.u64s(&format!("{name}.offsets"))?;
        Ids::from_parts(&bytes, &offsets)
    }

    /// Returns a sparse matrix.
    pub fn csr(&self, name: &str) -> MlResult<Csr> {
        let (_, shape) = self.u64s(&format!("{name}.shape"))?;
        let (_, indptr) = self.u64s(&format!("{name}.indptr"))?;
        let (_, indices) = self.u32s(&format!("{name}.indices"))?;
        let values_name = format!("{name}.values");
        let values = if self.has(&values_name) { self.f32s(&values_name)?.1 } else { vec![1.0; indices.len()] };
        let &[n_rows, n_cols] = shape.as_slice() else {
            return Err(MlError::BadArtifact(format!("{name}.shape does not have two entries")));
        };
        let (n_rows, n_cols) = (n_rows as usize, n_cols as usize);
        if indptr.len().checked_sub(1) != Some(n_rows) || n_cols > u32::MAX as usize {
            return Err(MlError::BadArtifact(format!("{name} has a row table of the wrong size")));
        }
        let indptr = indptr.into_iter().map(|p| p as usize).collect();
        let matrix = Csr { n_rows, n_cols, indptr, indices, values };
        matrix.validate()?;
        Ok(matrix)
    }

    /// Returns a sparse matrix of exactly this shape.
    pub fn csr_shaped(&self, name: &str, n_rows: usize, n_cols: usize) -> MlResult<Csr> {
        let matrix = self.csr(name)?;
        if (matrix.n_rows, matrix.n_cols) != (n_rows, n_cols) {
            return Err(MlError::BadArtifact(format!("{name} does not have {n_rows} rows and {n_cols} columns")));
        }
        Ok(matrix)
    }
}
