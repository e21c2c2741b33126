//! A stream of bytes that are changed while they are read.

use std::io::{self, Read};

const CHUNK: usize = 64 << 10;

/// Reads what `convert` makes of `inner`.
pub(super) struct Converted<R, F> {
    inner: R,
    convert: F,
    /// Bytes read but not converted so far.
    raw: Vec<u8>,
    ended: bool,
    /// Bytes converted but not passed on so far, from `at`.
    out: Vec<u8>,
    at: usize,
}

impl<R: Read, F: FnMut(&[u8], bool, &mut Vec<u8>) -> usize> Converted<R, F> {
    pub fn new(inner: R, convert: F) -> Self {
        Converted { inner, convert, raw: Vec::new(), ended: false, out: Vec::new(), at: 0 }
    }

    fn fill(&mut self) -> io::Result<()> {
        let kept = self.raw.len();
        self.raw.resize(kept + CHUNK, 0);
        let read = self.inner.read(&mut self.raw[kept..]);
        self.raw.truncate(kept + read.as_ref().map_or(0, |n| *n));
        self.ended = read? == 0;
        self.out.clear();
        self.at = 0;
        let used = (self.convert)(&self.raw, self.ended, &mut self.out).min(self.raw.len());
        self.raw.drain(..used);
        Ok(())
    }
}

impl<R: Read, F: FnMut(&[u8], bool, &mut Vec<u8>) -> usize> Read for Converted<R, F> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at == self.out.len() && !self.ended {
            self.fill()?;
        }
        let n = out.len().min(self.out.len() - self.at);
        out[..n].copy_from_slice(&self.out[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}
