//! JSON rows with all their values, for previews.

use std::collections::HashSet;
use std::io::Read;

use serde_json::{Map, Value};

use super::super::collector::MAX_COLUMNS;
use super::super::error::TabularError;
use super::super::first_rows::Preview;
use super::super::format::Kind;
use super::lines::Lines;
use super::tokens::{Token, Tokens};
use super::{BUFFER, open};

const MAX_TEXT: usize = 1 << 20;

/// Memory that all rows of a preview may take.
const MAX_HELD: usize = 64 << 20;

/// Memory that a value takes in addition to its text.
const VALUE_BYTES: usize = 32;

/// Reads the first records of JSON of either kind.
pub(in super::super) fn preview(source: &mut (dyn Read + Send), kind: Kind, n_rows: usize) -> Result<Preview, TabularError> {
    let mut opened = open(source, kind)?;
    if opened.in_lines { in_lines(&mut opened.reader, n_rows) } else { one_text(&mut opened.reader, n_rows) }
}

fn one_text(source: &mut dyn Read, n_rows: usize) -> Result<Preview, TabularError> {
    let mut tokens = Tokens::new(source, BUFFER, MAX_TEXT);
    tokens.begin()?;
    match tokens.required()? {
        Token::ArrayStart => records(&mut tokens, n_rows),
        Token::ObjectStart => columns(&mut tokens, n_rows),
        _ => Err(tokens.error("expected an array of records or an object of columns")),
    }
}

/// Reads the first records, skipping lines that hold no record.
fn in_lines(source: &mut dyn Read, n_rows: usize) -> Result<Preview, TabularError> {
    let mut lines = Lines::new(source, 4 * MAX_TEXT);
    let mut found = Vec::new();
    let mut more = false;
    let mut room = MAX_HELD;
    while let Some(complete) = lines.advance()? {
        if found.len() == n_rows {
            more = true;
            break;
        }
        if complete && let Some(record) = record_of(lines.text(), &mut room) {
            found.push(record);
        }
    }
    if lines.number == 0 {
        return Err(TabularError::Empty);
    }
    Ok(table(found, more))
}

fn record_of(mut line: &[u8], room: &mut usize) -> Option<Map<String, Value>> {
    let mut tokens = Tokens::new(&mut line, BUFFER, MAX_TEXT);
    let first = tokens.required().ok()?;
    let Value::Object(record) = value(first, &mut tokens, room).ok()? else { return None };
    tokens.next().ok()?.is_none().then_some(record)
}

fn records(tokens: &mut Tokens<'_>, n_rows: usize) -> Result<Preview, TabularError> {
    let mut found = Vec::new();
    let mut room = MAX_HELD;
    loop {
        let token = tokens.required()?;
        if token == Token::ArrayEnd {
            return Ok(table(found, false));
        }
        if found.len() == n_rows {
            return Ok(table(found, true));
        }
        if let Value::Object(record) = value(token, tokens, &mut room)? {
            found.push(record);
        }
    }
}

fn columns(tokens: &mut Tokens<'_>, n_rows: usize) -> Result<Preview, TabularError> {
    let mut preview = Preview::default();
    let mut room = MAX_HELD;
    while tokens.required()? == Token::Key {
        let column = preview.columns.len();
        preview.columns.push(String::from_utf8_lossy(&tokens.text).into_owned());
        let labelled = match tokens.required()? {
            Token::ObjectStart => true,
            Token::ArrayStart => false,
            _ => return Err(tokens.error("expected a column of values; if each line holds one record, name the file .jsonl")),
        };
        for row in 0.. {
            let mut token = tokens.required()?;
            if matches!(token, Token::ObjectEnd | Token::ArrayEnd) {
                break;
            }
            if labelled {
                token = tokens.required()?;
            }
            if row >= n_rows {
                preview.more = true;
                tokens.skip(token)?;
                continue;
            }
            if preview.rows.len() == row {
                preview.rows.push(Vec::new());
            }
            preview.rows[row].resize(column, Value::Null);
            let value = value(token, tokens, &mut room)?;
            preview.rows[row].push(value);
        }
    }
    let width = preview.columns.len();
    preview.rows.iter_mut().for_each(|row| row.resize(width, Value::Null));
    Ok(preview)
}

fn table(records: Vec<Map<String, Value>>, more: bool) -> Preview {
    let mut columns: Vec<String> = Vec::new();
    let mut known: HashSet<&str> = HashSet::new();
    for name in records.iter().flat_map(|record| record.keys()) {
        if columns.len() < MAX_COLUMNS && known.insert(name) {
            columns.push(name.clone());
        }
    }
    drop(known);
    let row = |mut record: Map<String, Value>| columns.iter().map(|c| record.remove(c).unwrap_or(Value::Null)).collect();
    let rows = records.into_iter().map(row).collect();
    Preview { columns, rows, more, first_skipped: None }
}

/// Reads the value that `token` starts. Its contents are deducted from `room`: a small text can hold very many values.
pub(super) fn value(token: Token, tokens: &mut Tokens<'_>, room: &mut usize) -> Result<Value, TabularError> {
    let taken = VALUE_BYTES + if matches!(token, Token::String | Token::Number) { tokens.text.len() } else { 0 };
    *room = room.checked_sub(taken).ok_or_else(|| tokens.error("a value is too large"))?;
    Ok(match token {
        Token::String => Value::from(String::from_utf8_lossy(&tokens.text).into_owned()),
        Token::Number => serde_json::from_slice(&tokens.text).unwrap_or(Value::Null),
        Token::True => Value::Bool(true),
        Token::False => Value::Bool(false),
        Token::ArrayStart => {
            let mut items = Vec::new();
            loop {
                match tokens.required()? {
                    Token::ArrayEnd => return Ok(Value::Array(items)),
                    item => items.push(value(item, tokens, room)?),
                }
            }
        }
        Token::ObjectStart => {
            let mut pairs = Map::new();
            while tokens.required()? == Token::Key {
                let key = String::from_utf8_lossy(&tokens.text).into_owned();
                let token = tokens.required()?;
                *room = room.saturating_sub(key.len());
                pairs.insert(key, value(token, tokens, room)?);
            }
            Value::Object(pairs)
        }
        Token::ObjectEnd | Token::ArrayEnd | Token::Key | Token::Null => Value::Null,
    })
}
