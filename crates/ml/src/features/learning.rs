//! What the rows of training items teach about the fields of a spec.

use super::dates::Numbers;
use super::derive::Step;
use super::faults::Faults;
use super::fitted::Fitted;
use super::source::Source;
use super::spec::{FeatureSpec, Field};
use super::table::FeatureTable;
use crate::context::Context;
use crate::error::{MlError, MlResult};

/// Bytes of a pattern in memory per byte of its size: it is held to be read in both directions, here and in the encoder.
const PATTERN_COPIES: u64 = 4;

/// What should be known of a field of a training: values that were left out, or that it says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldNote {
    /// Number of the field in the spec.
    pub field: usize,
    /// A sentence that names the column, without a full stop.
    pub text: String,
}

/// What the rows of a training taught.
pub(super) struct Learnt {
    /// One for each field of the spec: how its numbers are read, and the rest. A field that is empty in all rows has an error of its
    /// own.
    pub fields: Vec<MlResult<(Numbers, Fitted)>>,
    /// The moment against which ages are measured.
    pub now_micros: i64,
    pub notes: Vec<FieldNote>,
}

impl Learnt {
    /// Learns every field of a spec, and asks for the memory of each. Values that cannot be read are left out or refused.
    pub fn from(
        spec: &FeatureSpec,
        table: &FeatureTable,
        rows: &[Option<u32>],
        (now, leaves_out): (Option<i64>, bool),
        ctx: &Context,
    ) -> MlResult<Self> {
        spec.validate()?;
        spec.require_columns(table.columns())?;
        require_rows(table, rows)?;
        let steps = steps_of(spec)?;
        let mut held = steps.iter().flatten().map(Step::bytes).sum::<usize>() as u64 * PATTERN_COPIES;
        let now_micros = match now {
            Some(now) => now,
            None => latest_date(spec, &steps, table, rows, &ctx.beside(held))?,
        };
        let mut learnt = Learnt { fields: Vec::with_capacity(spec.fields.len()), now_micros, notes: Vec::new() };
        for (number, (field, steps)) in spec.fields.iter().zip(steps).enumerate() {
            let (beside, faults) = (ctx.beside(held), Faults::default());
            let source = Source::new(field, &steps, table, now_micros, &beside).deciding_by(rows);
            let source = source.leaving_out(leaves_out.then_some(&faults));
            let fitted = Fitted::fit(&source, rows, now_micros, &beside)?;
            let flaw = fitted.as_ref().and_then(|(_, flaw)| flaw.as_ref());
            let texts = faults.sentence().into_iter().chain(flaw.map(|flaw| source.flaw(flaw).to_string()));
            learnt.notes.extend(texts.map(|text| FieldNote { field: number, text }));
            let empty = || faults.first().map_or_else(|| Fitted::emptiness(&source), MlError::BadInput);
            held += fitted.as_ref().map_or(0, |(fitted, _)| fitted.heap_bytes());
            learnt.fields.push(fitted.map(|(fitted, _)| (source.numbers, fitted)).ok_or_else(empty));
        }
        Ok(learnt)
    }
}

/// Returns the latest date of the rows whose age is encoded: a moment that belongs to the data, so that the same data give the same
/// ages at any time.
fn latest_date(
    spec: &FeatureSpec,
    steps: &[Vec<Step>],
    table: &FeatureTable,
    rows: &[Option<u32>],
    ctx: &Context,
) -> MlResult<i64> {
    let mut latest = None;
    for (field, steps) in spec.fields.iter().zip(steps) {
        latest = latest.max(Source::new(field, steps, table, 0, ctx).deciding_by(rows).latest(rows)?);
    }
    Ok(latest.unwrap_or_default())
}

/// Prepares the derivations of each field.
pub(super) fn steps_of(spec: &FeatureSpec) -> MlResult<Vec<Vec<Step>>> {
    let of_field = |field: &Field| {
        let steps: Result<Vec<Step>, String> = field.derive.iter().map(Step::of).collect();
        steps.map_err(|what| MlError::BadInput(format!("column {:?}: {what}", field.column)))
    };
    spec.fields.iter().map(of_field).collect()
}

/// Refuses rows that a table does not have.
pub(super) fn require_rows(table: &FeatureTable, rows: &[Option<u32>]) -> MlResult<()> {
    match rows.iter().flatten().find(|row| **row as usize >= table.n_rows()) {
        Some(row) => Err(MlError::BadInput(format!("row {row} is outside a table of {} rows", table.n_rows()))),
        None => Ok(()),
    }
}
