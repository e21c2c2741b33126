//! Reading and writing safetensors containers whose contents are not trusted.

mod reader;
mod writer;

pub use reader::TensorReader;
pub use writer::TensorWriter;
