//! Encoders as tensors of a model.

use super::dates::Numbers;
use super::encoder::Encoder;
use super::fitted::Fitted;
use super::spec::{FeatureSpec, Field};
use crate::error::{MlError, MlResult};
use crate::tensors::{TensorReader, TensorWriter};

impl Encoder {
    /// Adds the encoder: the metadata `<prefix>.spec`, the tensor `<prefix>.now`, and what each field learnt as
    /// `<prefix>.<number of the field>.…`.
    pub fn save<'a>(&'a self, out: &mut TensorWriter<'a>, prefix: &str) {
        // A spec is made of texts and finite numbers, which always have a JSON form.
        let spec = serde_json::to_string(&self.spec).unwrap_or_default();
        out.metadata(&format!("{prefix}.spec"), &spec);
        out.i64s(&format!("{prefix}.now"), &[1], vec![self.now_micros]);
        for (at, block) in self.blocks.iter().enumerate() {
            block.fitted.save(out, &format!("{prefix}.{at}"));
            if let Some(word) = block.numbers.word() {
                out.metadata(&format!("{prefix}.{at}.numbers"), word);
            }
        }
    }

    /// Reads what [`Self::save`] wrote, and trusts none of it.
    pub fn load(input: &TensorReader<'_>, prefix: &str) -> MlResult<Encoder> {
        let bad = |why: String| MlError::BadArtifact(format!("{prefix}: {why}"));
        let spec = input.metadata(&format!("{prefix}.spec"))?;
        let spec: FeatureSpec = serde_json::from_str(spec).map_err(|error| bad(error.to_string()))?;
        spec.require_usable().map_err(|error| bad(error.to_string()))?;
        let [now_micros] = input.i64s(&format!("{prefix}.now"))?.1[..] else {
            return Err(bad("the moment of training is not one number".to_owned()));
        };
        let load = |(at, field): (usize, &Field)| -> MlResult<(Numbers, Fitted)> {
            let word = input.all_metadata().get(&format!("{prefix}.{at}.numbers")).map(String::as_str);
            let numbers = Numbers::of_word(word).ok_or_else(|| bad(format!("numbers are read as {word:?}, which is unknown")))?;
            Ok((numbers, Fitted::load(field, input, &format!("{prefix}.{at}"))?))
        };
        let fitted: Vec<(Numbers, Fitted)> = spec.fields.iter().enumerate().map(load).collect::<MlResult<_>>()?;
        Encoder::new(spec, now_micros, fitted).map_err(|error| bad(error.to_string()))
    }
}
