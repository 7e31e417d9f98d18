//! Writes CARv1.

use super::header::Header;
use crate::cid::RawCid;
use crate::error::{Error, Result};
use crate::varint;
use std::io::Write;

/// Writes a CARv1: a header, then sections. Give it a buffered or a large-write `W`; it makes two writes a section.
#[derive(Debug)]
pub struct Writer<W> {
    output: W,
    head: Vec<u8>,
    written: u64,
}

impl<W: Write> Writer<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// When `output` fails.
    pub fn new(mut output: W, header: &Header) -> Result<Writer<W>> {
        let bytes = header.encode();
        output.write_all(&bytes).map_err(|e| Error::io(e, "cannot write the header"))?;
        Ok(Writer { output, head: Vec::new(), written: bytes.len() as u64 })
    }

    /// Writes one section. The bytes must have been hashed: this is the way out of the tool.
    ///
    /// # Errors
    /// When the output fails.
    pub fn write_section(&mut self, cid: RawCid<'_>, data: &[u8]) -> Result<()> {
        self.begin_section(cid, data.len() as u64)?;
        self.continue_section(data)
    }

    /// Writes the head of a section whose `data_len` bytes follow by [`Writer::continue_section`].
    ///
    /// # Errors
    /// When the output fails.
    pub fn begin_section(&mut self, cid: RawCid<'_>, data_len: u64) -> Result<()> {
        self.head.clear();
        varint::write(data_len.saturating_add(cid.bytes().len() as u64), &mut self.head);
        self.head.extend_from_slice(cid.bytes());
        self.written = self.written.saturating_add(self.head.len() as u64);
        self.output.write_all(&self.head).map_err(|e| Error::io(e, "cannot write"))
    }

    /// Writes the next piece of a section's data.
    ///
    /// # Errors
    /// When the output fails.
    pub fn continue_section(&mut self, data: &[u8]) -> Result<()> {
        self.written = self.written.saturating_add(data.len() as u64);
        self.output.write_all(data).map_err(|e| Error::io(e, "cannot write"))
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Flushes and gives the output back.
    ///
    /// # Errors
    /// When the output fails.
    pub fn finish(mut self) -> Result<W> {
        self.output.flush().map_err(|e| Error::io(e, "cannot write"))?;
        Ok(self.output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cid::parse_text;
    use crate::format::{Reader, Section};
    use crate::limits::Limits;

    #[test]
    fn reads_back_and_every_cut_but_between_sections_is_a_fault() {
        let cid = parse_text("bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy").unwrap();
        let bytes = cid.to_bytes();
        let raw = RawCid::parse(&bytes).unwrap();
        let header = Header::from_cids(&[cid]);
        let mut writer = Writer::new(Vec::new(), &header).unwrap();
        let mut ends = vec![writer.written() as usize];
        for data in [&b"first"[..], b"", b"third block"] {
            writer.write_section(raw, data).unwrap();
            ends.push(writer.written() as usize);
        }
        let car = writer.finish().unwrap();
        for cut in 0..=car.len() {
            let count = || -> Result<usize> {
                let mut reader = Reader::new(&car[..cut], Limits::default())?;
                let (mut section, mut count) = (Section::default(), 0);
                while reader.read_section(&mut section)? {
                    assert_eq!(section.cid, cid);
                    count += 1;
                }
                Ok(count)
            };
            match ends.iter().position(|end| *end == cut) {
                Some(sections) => assert_eq!(count().unwrap(), sections, "{cut}"),
                None => assert!(count().is_err(), "{cut}"),
            }
        }
    }
}
