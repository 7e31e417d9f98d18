//! `readers READER FILE` reads a CARv1 to its end with one of the field's libraries, hashes every block, and says how many there
//! were. One mismatch is an error. Buffers are large enough that no reader waits for system calls.

use futures::StreamExt as _;
use futures::io::AllowStdIo;
use sha2::{Digest as _, Sha256};
use std::error::Error;
use std::fs::File;
use std::io::BufReader;

const USAGE: &str = "usage: readers iroh-car|rs-car|fvm_ipld_car FILE";
const BUFFER_LEN: usize = 1 << 20;

/// iroh-car hands out blocks as they are: they are hashed here, with `sha2`.
fn iroh_car(path: &str) -> Result<u64, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let file = tokio::fs::File::open(path).await?;
        let mut reader = iroh_car::CarReader::new(tokio::io::BufReader::with_capacity(BUFFER_LEN, file)).await?;
        let mut count = 0;
        while let Some((cid, data)) = reader.next_block().await? {
            if cid.hash().digest() != Sha256::digest(&data).as_slice() {
                return Err(format!("{cid}: the bytes do not match").into());
            }
            count += 1;
        }
        Ok(count)
    })
}

/// rs-car hashes each block when it is told to.
fn rs_car(path: &str) -> Result<u64, Box<dyn Error>> {
    let mut file = AllowStdIo::new(BufReader::with_capacity(BUFFER_LEN, File::open(path)?));
    futures::executor::block_on(async {
        let mut reader = rs_car::CarReader::new(&mut file, true).await?;
        let mut count = 0;
        while let Some(block) = reader.next().await {
            block?;
            count += 1;
        }
        Ok(count)
    })
}

/// fvm_ipld_car hashes each block that its iterator comes to.
fn fvm_ipld_car(path: &str) -> Result<u64, Box<dyn Error>> {
    let reader = fvm_ipld_car::CarReader::new(BufReader::with_capacity(BUFFER_LEN, File::open(path)?))?;
    let mut count = 0;
    for block in reader {
        block?;
        count += 1;
    }
    Ok(count)
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [reader, path] = words.as_slice() else { return Err(USAGE.into()) };
    let blocks = match reader.as_str() {
        "iroh-car" => iroh_car(path)?,
        "rs-car" => rs_car(path)?,
        "fvm_ipld_car" => fvm_ipld_car(path)?,
        _ => return Err(USAGE.into()),
    };
    println!("{blocks} blocks");
    Ok(())
}
