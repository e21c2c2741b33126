//! JSON as a stream of tokens. Numbers keep their text, so that an id of twenty digits stays the same.

use std::io::Read;

use super::super::error::TabularError;
use super::super::source::stream_error;

const MAX_DEPTH: usize = 128;

/// One step through a JSON text. Text of strings, keys and numbers is in [`Tokens::text`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    ObjectStart,
    ObjectEnd,
    ArrayStart,
    ArrayEnd,
    Key,
    String,
    Number,
    True,
    False,
    Null,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    Value,
    /// Just after `[`: a value or `]`.
    ValueOrEnd,
    /// Just after `{`: a key or `}`.
    KeyOrEnd,
    /// After a value: a comma or the end of the enclosing array or object.
    CommaOrEnd,
    Nothing,
}

/// Why the text of a string, key or number differs from the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Flaw {
    /// Half of a surrogate pair, replaced by U+FFFD: a character that was cut in two.
    HalfPair,
    /// It was larger than the limit, and is cut off.
    TooLarge,
}

/// Reads tokens and checks the grammar meanwhile.
pub(super) struct Tokens<'r> {
    source: &'r mut dyn Read,
    buffer: Vec<u8>,
    at: usize,
    filled: usize,
    max_text: usize,
    /// `true` for each object, `false` for each array that is open.
    open: Vec<bool>,
    expect: Expect,
    /// Text of the last string, key or number.
    pub text: Vec<u8>,
    /// A flaw of a text since this was last taken: it is no error, since hardly any text is needed.
    pub flaw: Option<Flaw>,
    /// Line being read, from 1.
    pub line: u64,
}

impl<'r> Tokens<'r> {
    /// Reads `source` through a buffer of the given size; no text may be larger than `max_text`.
    pub fn new(source: &'r mut dyn Read, buffer_size: usize, max_text: usize) -> Self {
        Tokens {
            source,
            buffer: vec![0; buffer_size.max(1)],
            at: 0,
            filled: 0,
            max_text,
            open: Vec::new(),
            expect: Expect::Value,
            text: Vec::new(),
            flaw: None,
            line: 1,
        }
    }

    /// Fails when the text is empty.
    pub fn begin(&mut self) -> Result<(), TabularError> {
        self.skip_space()?.map(|_| ()).ok_or(TabularError::Empty)
    }

    /// Returns how many arrays and objects are open.
    pub fn depth(&self) -> usize {
        self.open.len()
    }

    /// Returns the next token, or `None` at the end of the text.
    pub fn next(&mut self) -> Result<Option<Token>, TabularError> {
        loop {
            let Some(byte) = self.skip_space()? else {
                return if self.expect == Expect::Nothing { Ok(None) } else { Err(TabularError::Truncated) };
            };
            match (self.expect, byte) {
                (Expect::CommaOrEnd, b',') => {
                    self.at += 1;
                    self.expect = if self.in_object() { Expect::KeyOrEnd } else { Expect::Value };
                    if self.in_object() && self.skip_space()? == Some(b'}') {
                        return Err(self.unexpected(b'}'));
                    }
                }
                (Expect::CommaOrEnd | Expect::KeyOrEnd, b'}') if self.in_object() => return self.close(Token::ObjectEnd),
                (Expect::CommaOrEnd | Expect::ValueOrEnd, b']') if !self.in_object() => {
                    return self.close(Token::ArrayEnd);
                }
                (Expect::KeyOrEnd, b'"') => return self.key(),
                (Expect::Value | Expect::ValueOrEnd, _) => return self.value(byte),
                _ => return Err(self.unexpected(byte)),
            }
        }
    }

    /// Returns the next token where the text must continue.
    pub fn required(&mut self) -> Result<Token, TabularError> {
        self.next()?.ok_or(TabularError::Truncated)
    }

    /// Skips the value that `token` starts.
    pub fn skip(&mut self, token: Token) -> Result<(), TabularError> {
        if !matches!(token, Token::ObjectStart | Token::ArrayStart) {
            return Ok(());
        }
        let outside = self.depth() - 1;
        while self.depth() > outside {
            self.required()?;
        }
        Ok(())
    }

    /// Creates an error at this line.
    pub fn error(&self, reason: impl Into<String>) -> TabularError {
        TabularError::BadJson { line: self.line, reason: reason.into() }
    }

    fn in_object(&self) -> bool {
        self.open.last() == Some(&true)
    }

    fn unexpected(&self, byte: u8) -> TabularError {
        self.error(format!("unexpected {:?}", char::from(byte)))
    }

    fn close(&mut self, token: Token) -> Result<Option<Token>, TabularError> {
        self.at += 1;
        self.open.pop();
        self.after_value();
        Ok(Some(token))
    }

    fn after_value(&mut self) {
        self.expect = if self.open.is_empty() { Expect::Nothing } else { Expect::CommaOrEnd };
    }

    fn key(&mut self) -> Result<Option<Token>, TabularError> {
        self.at += 1;
        self.string()?;
        match self.skip_space()? {
            Some(b':') => self.at += 1,
            Some(byte) => return Err(self.unexpected(byte)),
            None => return Err(TabularError::Truncated),
        }
        self.expect = Expect::Value;
        Ok(Some(Token::Key))
    }

    fn value(&mut self, byte: u8) -> Result<Option<Token>, TabularError> {
        let token = match byte {
            b'{' => return self.start(true, Expect::KeyOrEnd, Token::ObjectStart),
            b'[' => return self.start(false, Expect::ValueOrEnd, Token::ArrayStart),
            b'"' => {
                self.at += 1;
                self.string()?;
                Token::String
            }
            b'-' | b'0'..=b'9' => self.number()?,
            b't' => self.word(b"true", Token::True)?,
            b'f' => self.word(b"false", Token::False)?,
            b'n' => self.word(b"null", Token::Null)?,
            // Not JSON, but what Python and pandas write for numbers that are NaN.
            b'N' => self.word(b"NaN", Token::Null)?,
            b'I' => self.word(b"Infinity", Token::Null)?,
            _ => return Err(self.unexpected(byte)),
        };
        self.after_value();
        Ok(Some(token))
    }

    fn start(&mut self, object: bool, expect: Expect, token: Token) -> Result<Option<Token>, TabularError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(self.error("nested too deeply"));
        }
        self.at += 1;
        self.open.push(object);
        self.expect = expect;
        Ok(Some(token))
    }

    fn word(&mut self, word: &[u8], token: Token) -> Result<Token, TabularError> {
        for &letter in word {
            match self.peek()? {
                Some(byte) if byte == letter => self.at += 1,
                Some(byte) => return Err(self.unexpected(byte)),
                None => return Err(TabularError::Truncated),
            }
        }
        Ok(token)
    }

    fn number(&mut self) -> Result<Token, TabularError> {
        self.text.clear();
        while let Some(byte @ (b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')) = self.peek()? {
            self.keep(byte);
            self.at += 1;
        }
        if self.text == b"-" && self.peek()? == Some(b'I') {
            return self.word(b"Infinity", Token::Null);
        }
        if self.text.len() == self.max_text || is_number(&self.text) {
            Ok(Token::Number)
        } else {
            Err(self.error("a number is malformed"))
        }
    }

    /// Reads the rest of a string after its opening mark, with escapes resolved.
    fn string(&mut self) -> Result<(), TabularError> {
        self.text.clear();
        loop {
            match self.byte()? {
                b'"' => return Ok(()),
                b'\\' => self.escape()?,
                b'\n' | b'\r' => return Err(self.error("a string is not closed")),
                byte => self.keep(byte),
            }
        }
    }

    fn escape(&mut self) -> Result<(), TabularError> {
        let plain = match self.byte()? {
            byte @ (b'"' | b'\\' | b'/') => byte,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => return self.unicode(),
            _ => return Err(self.error("an unknown escape in a string")),
        };
        self.keep(plain);
        Ok(())
    }

    fn unicode(&mut self) -> Result<(), TabularError> {
        let mut code = self.hex()?;
        // A first half without a second one is invalid; the text after it is read on its own.
        while (0xd800..0xdc00).contains(&code) && self.peek()? == Some(b'\\') {
            self.at += 1;
            if self.peek()? != Some(b'u') {
                self.keep_letter(code);
                return self.escape();
            }
            self.at += 1;
            let low = self.hex()?;
            if (0xdc00..0xe000).contains(&low) {
                code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            } else {
                self.keep_letter(code);
                code = low;
            }
        }
        self.keep_letter(code);
        Ok(())
    }

    fn keep_letter(&mut self, code: u32) {
        let letter = char::from_u32(code).unwrap_or_else(|| {
            self.flaw.get_or_insert(Flaw::HalfPair);
            char::REPLACEMENT_CHARACTER
        });
        letter.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| self.keep(byte));
    }

    fn hex(&mut self) -> Result<u32, TabularError> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = char::from(self.byte()?).to_digit(16);
            code = code * 16 + digit.ok_or_else(|| self.error("a malformed escape in a string"))?;
        }
        Ok(code)
    }

    fn keep(&mut self, byte: u8) {
        if self.text.len() < self.max_text {
            self.text.push(byte);
        } else {
            self.flaw = Some(Flaw::TooLarge);
        }
    }

    fn byte(&mut self) -> Result<u8, TabularError> {
        let byte = self.peek()?.ok_or(TabularError::Truncated)?;
        self.at += 1;
        Ok(byte)
    }

    fn skip_space(&mut self) -> Result<Option<u8>, TabularError> {
        while let Some(byte @ (b' ' | b'\n' | b'\r' | b'\t')) = self.peek()? {
            self.line += u64::from(byte == b'\n');
            self.at += 1;
        }
        self.peek()
    }

    fn peek(&mut self) -> Result<Option<u8>, TabularError> {
        if self.at == self.filled {
            self.fill()?;
        }
        Ok((self.at < self.filled).then(|| self.buffer[self.at]))
    }

    fn fill(&mut self) -> Result<(), TabularError> {
        self.at = 0;
        self.filled = loop {
            match self.source.read(&mut self.buffer) {
                Ok(n) => break n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(stream_error(e)),
            }
        };
        Ok(())
    }
}

/// Returns whether a text is a number as JSON writes it, of any size.
fn is_number(text: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits(text);
    if whole == 0 || whole > 1 && text[0] == b'0' {
        return false;
    }
    let mut rest = &text[whole..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let n = digits(fraction);
        if n == 0 {
            return false;
        }
        rest = &fraction[n..];
    }
    let Some((b'e' | b'E', exponent)) = rest.split_first() else { return rest.is_empty() };
    let exponent = exponent.strip_prefix(b"-").or_else(|| exponent.strip_prefix(b"+")).unwrap_or(exponent);
    !exponent.is_empty() && digits(exponent) == exponent.len()
}

#[cfg(test)]
mod tests {
    use super::is_number;

    #[test]
    fn numbers_are_told_from_what_only_looks_like_them() {
        for text in ["0", "-1", "1.50", "1e999", "2E-7", "98765432109876543210"] {
            assert!(is_number(text.as_bytes()), "{text}");
        }
        for text in ["", "-", "01", "1.", ".5", "1e", "1e+", "1-2", "+1"] {
            assert!(!is_number(text.as_bytes()), "{text}");
        }
    }
}
