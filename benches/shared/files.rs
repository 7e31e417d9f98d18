//! Folders of many files.

use crate::noise::noise;
use std::fs;
use std::io::Result;
use std::path::Path;

/// Writes `count` files of `len` bytes into so many folders of a new directory.
pub(crate) fn write_many(dir: &Path, count: u64, len: usize, folders: u64) -> Result<()> {
    for number in 0..count {
        let folder = dir.join(format!("{:02}", number % folders));
        if number < folders {
            fs::create_dir_all(&folder)?;
        }
        fs::write(folder.join(number.to_string()), noise(number, len))?;
    }
    Ok(())
}
