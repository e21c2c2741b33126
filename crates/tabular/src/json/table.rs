//! JSON rows with all their values, one after another.

use std::collections::HashMap;
use std::io::Read;

use super::super::error::TabularError;
use super::super::format::Kind;
use super::super::table_rows::{Draft, TableRows};
use super::lines::Lines;
use super::tokens::{Flaw, Token, Tokens};
use super::values::value;
use super::{BUFFER, Cell, keep, open, whole};

/// A line holds several values; beyond this many times the limit of one, it is skipped unread.
const VALUES_PER_LINE: usize = 8;

/// Memory for an object of columns, which is complete only when its last column has been read.
const MAX_HELD: usize = 256 << 20;

/// Memory that a value takes in addition to its text, with its share of the row.
const CELL_BYTES: usize = 64;

const TOO_LARGE_FOR_COLUMNS: &str =
    "an object of columns this large would have to be held in memory; send one record a line and name the file .jsonl";

/// Reads JSON of either kind.
pub(in super::super) fn read(source: &mut (dyn Read + Send), kind: Kind, rows: &mut TableRows<'_>) -> Result<(), TabularError> {
    let mut opened = open(source, kind)?;
    rows.report.notes = opened.notes;
    if opened.in_lines { read_lines(&mut opened.reader, rows) } else { read_text(&mut opened.reader, rows) }
}

fn read_text(source: &mut dyn Read, rows: &mut TableRows<'_>) -> Result<(), TabularError> {
    let mut tokens = Tokens::new(source, BUFFER, rows.options.max_cell_bytes);
    tokens.begin()?;
    match tokens.required()? {
        Token::ArrayStart => read_records(&mut tokens, rows)?,
        Token::ObjectStart => read_columns(&mut tokens, rows)?,
        _ => return Err(tokens.error("expected an array of records or an object of columns")),
    }
    match tokens.next() {
        Ok(None) => Ok(()),
        _ => Err(tokens.error("more text after the end; if each line holds one record, name the file .jsonl")),
    }
}

/// Reads a record from each line.
fn read_lines(source: &mut dyn Read, rows: &mut TableRows<'_>) -> Result<(), TabularError> {
    let mut lines = Lines::new(source, rows.options.max_cell_bytes.saturating_mul(VALUES_PER_LINE));
    while let Some(complete) = lines.advance()? {
        let raw = || String::from_utf8_lossy(lines.text()).into_owned();
        if !complete {
            let limit = rows.options.max_cell_bytes;
            rows.reject(lines.number, format!("larger than {limit} bytes"), raw);
            continue;
        }
        match read_line(lines.text(), rows) {
            Ok(draft) => rows.offer(lines.number, draft)?,
            Err(TabularError::BadJson { reason, .. }) => rows.reject(lines.number, reason, raw),
            Err(TabularError::Truncated) => rows.reject(lines.number, "not one complete JSON object".to_owned(), raw),
            Err(error) => return Err(error),
        }
    }
    if lines.number == 0 { Err(TabularError::Empty) } else { Ok(()) }
}

fn read_line(line: &[u8], rows: &mut TableRows<'_>) -> Result<Draft, TabularError> {
    let mut source = line;
    let mut tokens = Tokens::new(&mut source, line.len(), rows.options.max_cell_bytes);
    if tokens.required()? != Token::ObjectStart {
        return Err(tokens.error("not an object"));
    }
    let draft = read_record(&mut tokens, rows)?;
    match tokens.next()? {
        None => Ok(draft),
        Some(_) => Err(tokens.error("not one complete JSON object")),
    }
}

fn read_records(tokens: &mut Tokens<'_>, rows: &mut TableRows<'_>) -> Result<(), TabularError> {
    loop {
        let number = rows.report.rows_total + 1;
        match tokens.required()? {
            Token::ArrayEnd if rows.report.rows_total == 0 => return Err(TabularError::Empty),
            Token::ArrayEnd => return Ok(()),
            Token::ObjectStart => {
                let draft = read_record(tokens, rows)?;
                rows.offer(number, draft)?;
            }
            other => {
                tokens.skip(other)?;
                rows.reject(number, "not an object".to_owned(), String::new);
            }
        }
    }
}

/// Reads the pairs after `{`.
fn read_record(tokens: &mut Tokens<'_>, rows: &mut TableRows<'_>) -> Result<Draft, TabularError> {
    let mut draft = Draft::default();
    while tokens.required()? == Token::Key {
        let name = String::from_utf8_lossy(&tokens.text).into_owned();
        let place = rows.place(&name)?;
        if place.is_none() && draft.key.is_some() {
            draft.problem = Some(Cell::Repeated.problem(&name, 0).unwrap_or_default());
        }
        // Flaws of the name are not flaws of the value.
        tokens.flaw = None;
        let token = tokens.required()?;
        read_cell(token, tokens, rows, &mut draft, place)?;
    }
    Ok(draft)
}

/// Reads one value, which starts with `token`, into a row, and returns the memory it takes. The flaws of the tokens are those of
/// the value only.
fn read_cell(
    token: Token,
    tokens: &mut Tokens<'_>,
    rows: &mut TableRows<'_>,
    draft: &mut Draft,
    place: Option<usize>,
) -> Result<usize, TabularError> {
    let limit = rows.options.max_cell_bytes;
    let Some(place) = place else {
        let mut text = Vec::new();
        let cell = keep(token, tokens, &mut text)?;
        if let Some(problem) = cell.problem(&rows.options.key_column, limit) {
            draft.problem = Some(problem);
        }
        if let Some((whole, written)) = whole(&text).filter(|_| cell == Cell::Number) {
            rows.keys.whole.add(written);
            draft.key = Some(whole.as_bytes().to_vec());
        } else {
            draft.key = cell.has_text().then_some(text);
        }
        return Ok(draft.key.as_ref().map_or(0, Vec::len));
    };
    // A nested value counts with its contents.
    let mut room = limit.saturating_mul(2);
    let before = room;
    let value = value(token, tokens, &mut room)?;
    let bytes = match &value {
        serde_json::Value::Array(_) | serde_json::Value::Object(_) => before - room,
        serde_json::Value::String(text) => text.len(),
        _ => 0,
    };
    let bytes = if tokens.flaw == Some(Flaw::TooLarge) { limit + 1 } else { bytes };
    rows.add(draft, place, value, bytes);
    Ok(before - room)
}

/// Reads the columns after `{` and builds rows from them, by their labels where they have some.
fn read_columns(tokens: &mut Tokens<'_>, rows: &mut TableRows<'_>) -> Result<(), TabularError> {
    let mut drafts: Vec<Draft> = Vec::new();
    let mut labels: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut room = MAX_HELD;
    while tokens.required()? == Token::Key {
        let name = String::from_utf8_lossy(&tokens.text).into_owned();
        let place = rows.place(&name)?;
        let labelled = match tokens.required()? {
            Token::ObjectStart => true,
            Token::ArrayStart => false,
            _ => return Err(tokens.error("expected a column of values; if each line holds one record, name the file .jsonl")),
        };
        for row in 0.. {
            tokens.flaw = None;
            let mut token = tokens.required()?;
            if matches!(token, Token::ObjectEnd | Token::ArrayEnd) {
                break;
            }
            let (mut row, mut taken) = (row, CELL_BYTES);
            if labelled {
                (row, taken) = (labels.len(), taken + tokens.text.len());
                row = *labels.entry(tokens.text.clone()).or_insert(row);
                tokens.flaw = None;
                token = tokens.required()?;
            }
            if drafts.len() <= row {
                drafts.resize_with(row + 1, Draft::default);
            }
            taken += read_cell(token, tokens, rows, &mut drafts[row], place)?;
            room = room.checked_sub(taken).ok_or_else(|| tokens.error(TOO_LARGE_FOR_COLUMNS))?;
        }
    }
    drafts.into_iter().enumerate().try_for_each(|(row, draft)| rows.offer(row as u64 + 1, draft))
}
