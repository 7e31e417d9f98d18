//! `cartool create` beside the importers of other programs: the same files, the same CID.

use crate::program::{Peer, Repository, cartool_exits};
use crate::tree::{self, Metadata, assert_same, noise};
use crate::{generated, temporary, words};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

/// A tree that every setting shows in: names in many scripts, thousands of entries, folders and files that are empty, links, what is
/// hidden, and a file of 200 MB.
fn large(root: &Path) {
    tree::full(root);
    for number in 0..2000u64 {
        let folder = root.join(format!("日本語 {}/Ünïcødé-{}", number % 7, number % 31));
        fs::create_dir_all(&folder).expect("create folder");
        fs::write(folder.join(format!("файл {number} 🦀")), noise(number, number as usize * 3)).expect("write file");
    }
    fs::create_dir_all(root.join("nothing/but/folders")).expect("create folder");
    fs::write(root.join(".hidden"), "hidden").expect("write file");
    fs::create_dir_all(root.join("a/.hidden folder")).expect("create folder");
    fs::write(root.join("a/.hidden folder/file"), "inside").expect("write file");
    fs::write(root.join("200 MB"), noise(9, 200_000_000)).expect("write file");
}

/// The root that `create` prints.
fn created(options: &[&str], paths: &[&Path]) -> String {
    let mut words = words!["create", "--only-hash"].to_vec();
    words.extend(options.iter().map(OsStr::new));
    words.extend(paths.iter().map(|path| path.as_os_str()));
    cartool_exits(0, &words).trim_end().to_owned()
}

/// Demands the same root of both for a folder, with options for each.
#[track_caller]
fn assert_agree(repository: &Repository<'_>, folder: &Path, cases: &[(&[&str], &[&str])]) {
    let mut roots = BTreeSet::new();
    for (theirs, ours) in cases {
        let expected = repository.add(folder, theirs);
        assert_eq!(created(ours, &[folder]), expected, "{theirs:?} {ours:?}");
        assert!(roots.insert(expected), "{theirs:?} changes nothing");
    }
}

#[test]
fn a_large_tree_has_the_root_of_ipfs_add() {
    let Some(ipfs) = Peer::ipfs() else { return };
    let folder = temporary();
    let source = folder.path().join("source");
    generated(&source, large);
    let repository = ipfs.repository(folder.path().join("repository"));
    let legacy = &["--profile", "kubo-cidv1-legacy"];
    assert_agree(
        &repository,
        &source,
        &[
            (&[], &["--profile", "unixfs-v0-2015"]),
            (&["--cid-version=1"], legacy),
            (&["--cid-version=1", "--raw-leaves=false"], &["--profile", "kubo-cidv1-noraw"]),
            (&["--cid-version=1", "--hidden"], &[&legacy[..], &["--hidden"]].concat()),
            (&["--raw-leaves"], &["--profile", "unixfs-v0-2015", "--raw-leaves"]),
        ],
    );
    repository.succeeds(words!["config", "profile", "apply", "unixfs-v1-2025"]);
    assert_agree(&repository, &source, &[(&[], &[]), (&["--wrap-with-directory"], &["--wrap"])]);
    repository.succeeds(words!["config", "profile", "apply", "unixfs-v0-2015"]);
    assert_agree(&repository, &source, &[(&[], &["--profile", "unixfs-v0-2015"])]);
}

#[test]
fn every_setting_has_the_root_of_ipfs_add() {
    let Some(ipfs) = Peer::ipfs() else { return };
    let folder = temporary();
    let source = folder.path().join("source");
    generated(&source, tree::full);
    let repository = ipfs.repository(folder.path().join("repository"));
    repository.succeeds(words!["config", "profile", "apply", "unixfs-v1-2025"]);
    let empty_at_front = source.join("Empty at front");
    fs::write(empty_at_front, b"").expect("write file");
    assert_agree(
        &repository,
        &source,
        &[
            (&["--chunker=rabin"], &["--chunker", "rabin"]),
            (&["--chunker=rabin-100000"], &["--chunker", "rabin-100000"]),
            (&["--chunker=buzhash"], &["--chunker", "buzhash"]),
            (&["--trickle"], &["--layout", "trickle"]),
            (&["--trickle", "--raw-leaves=false"], &["--layout", "trickle", "--raw-leaves=false"]),
            (&["--max-hamt-fanout=16"], &["--hamt-fanout", "16"]),
            (&["--max-hamt-fanout=1024"], &["--hamt-fanout", "1024"]),
            (&["--hash=sha2-512"], &["--hash", "sha2-512"]),
            (&["--hash=blake3"], &["--hash", "blake3"]),
            (&["--hash=blake2b-256"], &["--hash", "blake2b-256"]),
            (&["--hash=sha3-256"], &["--hash", "sha3-256"]),
            (&["--preserve-mode", "--raw-leaves=false"], &["--preserve-mode", "--raw-leaves=false"]),
            (&["--preserve-mtime", "--raw-leaves=false"], &["--preserve-mtime", "--raw-leaves=false"]),
            (
                &["--preserve-mode", "--preserve-mtime", "--raw-leaves=false", "--trickle"],
                &["--preserve-mode", "--preserve-mtime", "--raw-leaves=false", "--layout", "trickle"],
            ),
            (&["--ignore=*.bin"], &["--ignore", "*.bin"]),
            // Peers drop a folder without entries; one of nothing but such folders is a matter of taste.
            (&["--empty-dirs=false"], &["--empty-dirs=false"]),
        ],
    );
}

#[test]
fn small_chunks_have_the_root_of_ipfs_add() {
    let Some(ipfs) = Peer::ipfs() else { return };
    let folder = temporary();
    let source = folder.path().join("source");
    generated(&source, |root| {
        fs::write(root.join("noise"), noise(5, 300_000)).expect("write file");
        fs::write(root.join("zeros"), vec![0; 100_000]).expect("write file");
        fs::write(root.join("one"), "1").expect("write file");
    });
    let repository = ipfs.repository(folder.path().join("repository"));
    let with = |chunker: &'static str| ["--profile", "unixfs-v0-2015", "--chunker", chunker];
    assert_agree(
        &repository,
        &source,
        &[
            (&["--chunker=size-1000"], &with("size-1000")),
            (&["--chunker=rabin-16-300-5000"], &with("rabin-16-300-5000")),
            (&["--chunker=rabin-min:20-avg:100-max:101"], &with("rabin-min:20-avg:100-max:101")),
            (
                &["--trickle", "--chunker=size-300", "--max-file-links=3"],
                &[&with("size-300")[..], &["--layout", "trickle", "--max-links", "3"]].concat(),
            ),
            (&["--max-file-links=3", "--chunker=size-700"], &[&with("size-700")[..], &["--max-links", "3"]].concat()),
        ],
    );
}

#[test]
fn ipfs_imports_what_was_created_and_gives_the_same_blocks_back() {
    let Some(ipfs) = Peer::ipfs() else { return };
    let folder = temporary();
    let at = |name: &str| folder.path().join(name);
    let source = at("source");
    generated(&source, tree::full);
    for profile in ["unixfs-v1-2025", "unixfs-v0-2015", "ipfs-car"] {
        let (archive, export) = (at(&format!("{profile}.car")), at(&format!("{profile} export.car")));
        let root = cartool_exits(0, words!["create", source, "--profile", profile, "-o", archive]);
        let repository = ipfs.repository(at(&format!("{profile} repository")));
        repository.import(&archive);
        repository.export(root.trim_end(), &export);
        let blocks = |archive: &Path| {
            let listed = cartool_exits(0, words!["blocks", archive]);
            listed.lines().map(str::to_owned).collect::<BTreeSet<String>>()
        };
        assert!(blocks(&archive) == blocks(&export), "{profile}: other blocks than were created");
        if profile != "ipfs-car" {
            repository.get(root.trim_end(), &at(profile));
            assert_same(&source, &at(profile), Metadata::Ignored);
        }
        // Depth first from the root, as the peer writes it, after `build`.
        let ordered = at(&format!("{profile} ordered.car"));
        cartool_exits(0, words!["build", archive, "-o", ordered]);
        assert!(fs::read(&ordered).expect("the archive") == fs::read(&export).expect("the export"), "{profile}: another order");
    }
}

#[test]
fn a_file_and_several_paths_have_the_roots_of_ipfs_add() {
    let Some(ipfs) = Peer::ipfs() else { return };
    let folder = temporary();
    let at = |name: &str| folder.path().join(name);
    let (first, second) = (at("first"), at("second.bin"));
    generated(&first, |root| fs::write(root.join("one.txt"), "one\n").expect("write file"));
    fs::write(&second, noise(4, 3_000_000)).expect("write file");
    let repository = ipfs.repository(at("repository"));
    repository.succeeds(words!["config", "profile", "apply", "unixfs-v1-2025"]);
    assert_eq!(created(&[], &[&second]), repository.add(&second, &[]));
    assert_eq!(created(&["-w"], &[&second]), repository.add(&second, &["-w"]));
    let both = repository.succeeds(words!["add", "-r", "-Q", "-w", first, second]);
    assert_eq!(created(&[], &[&first, &second]), String::from_utf8_lossy(&both).trim_end());
}

#[test]
fn the_roots_and_bytes_of_ipfs_car() {
    let Some(ipfs_car) = Peer::ipfs_car() else { return };
    let folder = temporary();
    let at = |name: &str| folder.path().join(name);
    generated(&at("plain"), tree::plain);
    generated(&at("links"), |root| {
        tree::plain(root);
        std::os::unix::fs::symlink("readme.txt", root.join("link")).expect("link");
        fs::create_dir_all(root.join("hollow/folders")).expect("create folder");
        fs::write(root.join(".hidden"), "hidden").expect("write file");
        // Before and behind `a/`, by whole paths.
        fs::write(root.join("a-b"), "-").expect("write file");
        fs::write(root.join("a0"), "0").expect("write file");
    });
    generated(&at("deep"), |root| {
        fs::create_dir_all(root.join("one/two/three")).expect("create folder");
        fs::create_dir_all(root.join("one/empty")).expect("create folder");
        fs::write(root.join("one/two/a.txt"), "a").expect("write file");
        fs::write(root.join("one/two/three/b.txt"), "b").expect("write file");
    });
    for name in ["plain", "links", "deep"] {
        let (theirs, ours) = (at(&format!("{name} theirs.car")), at(&format!("{name} ours.car")));
        let root = ipfs_car.succeeds(words!["pack", at(name), "--output", theirs]);
        let found = cartool_exits(0, words!["create", "--profile", "ipfs-car", at(name), "-o", ours]);
        assert_eq!(found.trim_end(), root, "{name}");
        let (theirs, ours) = (fs::read(&theirs).expect("their archive"), fs::read(&ours).expect("our archive"));
        assert!(ours == theirs, "{name}: other bytes");
    }
}

/// From nothing but a CID and what a download left: the archive anew.
#[test]
fn match_finds_how_ipfs_added_a_folder() {
    let Some(ipfs) = Peer::ipfs() else { return };
    let folder = temporary();
    let at = |name: &str| folder.path().join(name);
    let source = at("source");
    generated(&source, tree::full);
    fs::write(source.join(".hidden"), "hidden").expect("write file");
    let repository = ipfs.repository(at("repository"));
    let ways: [&[&str]; 7] = [
        &[],
        &["--cid-version=1"],
        &["--hidden"],
        &["-w"],
        &["--cid-version=1", "--trickle"],
        &["--cid-version=1", "--chunker=size-1048576"],
        &["--cid-version=1", "--chunker=rabin"],
    ];
    for (number, options) in ways.into_iter().enumerate() {
        let root = repository.add(&source, options);
        let archive = at(&format!("{number}.car"));
        let found = cartool_exits(0, words!["create", "--match", root, source, "-o", archive]);
        assert_eq!(found.trim_end(), root, "{options:?}");
        cartool_exits(0, words!["verify", "--root", root, archive]);
    }
}
