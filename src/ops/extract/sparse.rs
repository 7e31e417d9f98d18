//! Files with holes: zeros that need not be written are not.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// The unit of holes on common file systems.
const PAGE: usize = 4096;

/// Writes a new file from its start to its end, leaving holes where whole pages are zero.
#[derive(Debug)]
pub(super) struct SparseWriter {
    file: File,
    at: u64,
    /// Where the bytes end that were written.
    written: u64,
}

impl SparseWriter {
    pub(super) fn new(file: File) -> SparseWriter {
        SparseWriter { file, at: 0, written: 0 }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let zeros = self.run(rest, true);
            let (hole, after) = rest.split_at(zeros);
            self.at = self.at.saturating_add(hole.len() as u64);
            let (data, after) = after.split_at(self.run(after, false));
            if !data.is_empty() {
                self.file.write_all_at(data, self.at)?;
                self.at = self.at.saturating_add(data.len() as u64);
                self.written = self.at;
            }
            rest = after;
        }
        Ok(())
    }

    /// How many bytes at the front belong together: pages of zeros, or anything else. Pieces of pages are never holes.
    fn run(&self, bytes: &[u8], zero: bool) -> usize {
        let mut len = 0usize;
        let mut rest = bytes;
        // Data first completes the page that it starts in.
        let mut next = PAGE.saturating_sub((self.at % PAGE as u64) as usize);
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(next.min(rest.len()));
            if (piece.len() == PAGE && is_zero(piece)) != zero {
                break;
            }
            len = len.saturating_add(piece.len());
            (rest, next) = (after, PAGE);
        }
        len
    }

    /// The file at its full length.
    pub(super) fn finish(self) -> io::Result<File> {
        if self.written < self.at {
            self.file.set_len(self.at)?;
        }
        Ok(self.file)
    }
}

fn is_zero(page: &[u8]) -> bool {
    let (words, tail) = page.as_chunks::<16>();
    words.iter().all(|word| u128::from_ne_bytes(*word) == 0) && tail.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek};

    #[test]
    fn what_is_read_is_what_was_written() {
        let zeros = vec![0u8; 20_000];
        let data: Vec<u8> = (0..9000u32).map(|n| (n % 255) as u8 + 1).collect();
        for parts in [
            &[&zeros[..], &data, &zeros][..],
            &[&data, &zeros[..5000], &data[..1], &zeros[..1], &zeros],
            &[&zeros[..4096]],
            &[&zeros[..4095]],
            &[&data[..4096], &zeros[..4096], &data[..7]],
            &[],
        ] {
            let mut writer = SparseWriter::new(tempfile::tempfile().unwrap());
            parts.iter().for_each(|part| writer.write(part).unwrap());
            let mut file = writer.finish().unwrap();
            let mut read = Vec::new();
            file.rewind().unwrap();
            file.read_to_end(&mut read).unwrap();
            assert!(read == parts.concat());
        }
    }

    #[test]
    fn zeros_take_no_room() {
        use std::os::unix::fs::MetadataExt;
        let mut writer = SparseWriter::new(tempfile::tempfile().unwrap());
        let zeros = vec![0u8; 1 << 20];
        for _ in 0..64 {
            writer.write(&zeros).unwrap();
        }
        let metadata = writer.finish().unwrap().metadata().unwrap();
        assert_eq!(metadata.len(), 64 << 20);
        assert!(metadata.blocks() * 512 < 1 << 20);
    }
}
