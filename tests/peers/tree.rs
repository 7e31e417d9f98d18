//! Trees of files: made from a seed, and compared by what a person would see.

use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Which part of a file's metadata must agree.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Metadata {
    /// Names, bytes and link targets alone.
    Ignored,
    /// Permissions and modification times, to the nanosecond, too.
    Kept,
}

/// Bytes that look random and are the same on every machine.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Files and folders that every packer keeps: no links, nothing empty but one file.
pub(crate) fn plain(root: &Path) {
    let file = |path: &str, bytes: &[u8]| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("a path below the root")).expect("create folder");
        fs::write(path, bytes).expect("write file");
    };
    file("readme.txt", b"A token, its picture and what belongs to it.\n");
    file("name with spaces/ünï-cødé 🦀 名前.txt", "grüße\n".as_bytes());
    file("a/b/c/d/deep.bin", &noise(1, 1000));
    file("a/percent%20and #hash?.json", b"{\"name\":\"%20\"}");
    file("empty", b"");
    file("three-mebibytes.bin", &noise(2, 3 << 20));
    for number in 0..5000 {
        file(&format!("many/{number:04}-of-a-collection-that-is-too-large-for-one-block.txt"), number.to_string().as_bytes());
    }
}

/// Everything that UnixFS holds: `plain`, an empty folder, links, a large file, permissions and times.
pub(crate) fn full(root: &Path) {
    plain(root);
    fs::create_dir(root.join("empty folder")).expect("create folder");
    fs::write(root.join("forty-mebibytes.bin"), noise(3, 40 << 20)).expect("write file");
    symlink("../readme.txt", root.join("a/link to readme")).expect("link");
    symlink("nowhere", root.join("dangling")).expect("link");
    for (path, mode, seconds) in
        [("readme.txt", 0o640, 981_173_106), ("a/b/c/d/deep.bin", 0o755, 1), ("a/b/c", 0o750, 1_700_000_000)]
    {
        let path = root.join(path);
        let time = SystemTime::UNIX_EPOCH + Duration::new(seconds, 500_000_000);
        fs::File::open(&path).and_then(|file| file.set_modified(time)).expect("set time");
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set mode");
    }
}

/// The digest in lower-case hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What stands at each path below a root.
pub(crate) fn read(root: &Path, metadata: Metadata) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("directory entry").path();
            let stat = fs::symlink_metadata(&path).expect("stat");
            let mut seen = if stat.is_symlink() {
                format!("link to {}", fs::read_link(&path).expect("read link").display())
            } else if stat.is_dir() {
                folders.push(path.clone());
                "folder".to_owned()
            } else {
                format!("{} bytes, SHA-256 {}", stat.len(), sha256(&fs::read(&path).expect("read file")))
            };
            if metadata == Metadata::Kept && !stat.is_symlink() {
                seen += &format!(" mode {:o} mtime {}.{:09}", stat.mode() & 0o7777, stat.mtime(), stat.mtime_nsec());
            }
            found.insert(path.strip_prefix(root).expect("a path below the root").to_owned(), seen);
        }
    }
    found
}

/// Demands that two trees hold the same, and names the first differences.
pub(crate) fn assert_same(expected: &Path, actual: &Path, metadata: Metadata) {
    let (expected, actual) = (read(expected, metadata), read(actual, metadata));
    assert!(!expected.is_empty(), "nothing to compare");
    let paths = expected.keys().chain(actual.keys()).collect::<std::collections::BTreeSet<_>>();
    let differences = paths
        .into_iter()
        .filter(|path| expected.get(*path) != actual.get(*path))
        .map(|path| format!("{}: expected {:?}, found {:?}", path.display(), expected.get(path), actual.get(path)));
    let first = differences.take(5).collect::<Vec<_>>();
    assert!(first.is_empty(), "the trees differ:\n{}", first.join("\n"));
}
