//! cartool beside other implementations of the same formats: what they write is read, and what it writes they read.
//!
//! A peer that is not on the machine is skipped, and said so, unless `CARTOOL_REQUIRE_PEERS` is 1; `.ci/run` installs them.
#![cfg(unix)]

mod archive;
mod chain;
mod create;
mod program;
mod reshape;
mod tree;

use program::{Peer, Repository, cartool, cartool_exits, make_samples};
use serde_json::Value;
use std::fs;
use std::path::Path;
use tempfile::TempDir;
use tree::{Metadata, assert_same};

fn temporary() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn generated(root: &Path, make: fn(&Path)) {
    fs::create_dir(root).expect("create folder");
    make(root);
}

/// The report of `verify --json` on one archive, which must end with the given exit code.
fn verified(code: i32, archive: &Path) -> Value {
    let report = cartool_exits(code, words!["verify", "--json", archive]);
    serde_json::from_str(&report).unwrap_or_else(|error| panic!("{error}: {report}"))
}

/// The archive is found sound, complete, and made of exactly these blocks; its files come out as they went in.
fn assert_reads(archive: &Path, blocks: &[String], source: &Path, into: &Path, metadata: Metadata) {
    let report = verified(0, archive);
    assert_eq!(report["verdict"], "ok", "{report}");
    assert_eq!(report["unique_blocks"], blocks.len(), "{report}");
    let listed = cartool_exits(0, words!["blocks", archive]);
    let (mut listed, mut expected) = (listed.lines().collect::<Vec<_>>(), blocks.iter().map(String::as_str).collect::<Vec<_>>());
    listed.sort_unstable();
    listed.dedup();
    expected.sort_unstable();
    assert!(listed == expected, "{} lists other blocks than the peer", archive.display());
    cartool_exits(0, words!["extract", archive, "-o", into]);
    assert_same(source, into, metadata);
}

#[test]
fn every_export_of_ipfs_verifies_and_extracts() {
    let Some(ipfs) = Peer::ipfs() else { return };
    let folder = temporary();
    let at = |name: &str| folder.path().join(name);
    let source = at("source");
    generated(&source, tree::full);
    let repository = ipfs.repository(at("repository"));
    let layouts: [(_, &[_], _); 4] = [
        ("v0", &["--cid-version=0"], Metadata::Ignored),
        ("v1", &["--cid-version=1", "--raw-leaves"], Metadata::Ignored),
        ("trickle", &["--cid-version=1", "--trickle"], Metadata::Ignored),
        ("metadata", &["--cid-version=1", "--preserve-mode", "--preserve-mtime"], Metadata::Kept),
    ];
    for (layout, options, metadata) in layouts {
        let root = repository.add(&source, options);
        let archive = at(&format!("{layout}.car"));
        repository.export(&root, &archive);
        assert_reads(&archive, &repository.block_cids(&root), &source, &at(&format!("{layout} extracted")), metadata);
    }
}

#[test]
fn ipfs_imports_a_merged_bundle_and_gets_each_member() {
    let Some(ipfs) = Peer::ipfs() else { return };
    let folder = temporary();
    let at = |name: &str| folder.path().join(name);
    let (first, second) = (at("first"), at("second"));
    generated(&first, tree::full);
    generated(&second, tree::plain);
    let repository = ipfs.repository(at("repository"));
    let members = [(&first, vec!["--cid-version=1"]), (&second, vec!["--cid-version=0"])].map(|(source, options)| {
        let root = repository.add(source, &options);
        let archive = at(&format!("{root}.car"));
        repository.export(&root, &archive);
        (source, root, archive)
    });
    let bundle = at("bundle.car");
    cartool_exits(0, words!["merge", members[0].2, members[1].2, "-o", bundle]);
    let fresh = ipfs.repository(at("fresh"));
    fresh.import(&bundle);
    for (source, root, _) in &members {
        let into = at(&format!("{root} got"));
        fresh.get(root, &into);
        assert_same(source, &into, Metadata::Ignored);
    }
}

/// The members of a directory node, by the peer's own word: the CIDs one step below the root.
fn children(repository: &Repository<'_>, root: &str) -> Vec<String> {
    let direct = repository.succeeds(words!["refs", "-u", root]);
    String::from_utf8(direct).expect("refs prints text").lines().map(str::to_owned).collect()
}

#[test]
fn partial_exports_and_a_saved_block_build_the_whole() {
    let Some(ipfs) = Peer::ipfs() else { return };
    let folder = temporary();
    let at = |name: &str| folder.path().join(name);
    let source = at("source");
    generated(&source, tree::full);
    let repository = ipfs.repository(at("repository"));
    let root = repository.add(&source, &["--cid-version=1"]);
    let children = children(&repository, &root);
    assert!(children.len() > 5, "the root has members: {children:?}");
    let mut parts = vec![at("root.block")];
    fs::write(&parts[0], repository.block(&root)).expect("write the block");
    for child in &children {
        let part = at(&format!("{child}.car"));
        repository.export(child, &part);
        parts.push(part);
    }
    let whole = at("whole.car");
    let mut command = words!["build", "--expect", root, "-o", whole].to_vec();
    command.extend(parts.iter().map(|part| part.as_os_str()));
    cartool_exits(0, &command);
    assert_reads(&whole, &repository.block_cids(&root), &source, &at("extracted"), Metadata::Ignored);
    let fresh = ipfs.repository(at("fresh"));
    fresh.import(&whole);
    fresh.get(&root, &at("got"));
    assert_same(&source, &at("got"), Metadata::Ignored);

    let short = at("short.car");
    let mut command = words!["build", "--expect", root, "-o", short].to_vec();
    command.extend(parts[..parts.len() - 1].iter().map(|part| part.as_os_str()));
    let output = cartool(&command);
    let said = [output.stdout, output.stderr].concat();
    assert_eq!(output.status.code(), Some(3), "a part is missing");
    assert!(String::from_utf8_lossy(&said).contains(children.last().expect("a child")), "the missing CID is named");
    assert!(!short.exists(), "nothing stands under the final name");
}

#[test]
fn an_export_that_stops_early_is_incomplete() {
    let Some(ipfs) = Peer::ipfs() else { return };
    let folder = temporary();
    let at = |name: &str| folder.path().join(name);
    let source = at("source");
    generated(&source, tree::plain);
    let repository = ipfs.repository(at("repository"));
    let root = repository.add(&source, &["--cid-version=1"]);
    let lost = children(&repository, &root).pop().expect("a member of the root");
    repository.succeeds(words!["block", "rm", lost]);
    let export = repository.runs(words!["dag", "export", root]);
    assert!(!export.status.success(), "the peer cannot export what it lacks");
    let archive = at("partial.car");
    fs::write(&archive, export.stdout).expect("write the export");
    let report = verified(3, &archive);
    assert_eq!(report["verdict"], "incomplete", "{report}");
    let missing = cartool_exits(3, words!["verify", "--missing", archive]);
    assert!(missing.lines().any(|cid| cid == lost), "{lost} is missing, not {missing}");
}

#[test]
fn an_indexed_carv2_of_go_car_verifies_and_extracts() {
    let (Some(ipfs), Some(go_car)) = (Peer::ipfs(), Peer::go_car()) else { return };
    let folder = temporary();
    let at = |name: &str| folder.path().join(name);
    let source = at("source");
    generated(&source, tree::plain);
    let repository = ipfs.repository(at("repository"));
    let root = repository.add(&source, &["--cid-version=1"]);
    let (first, second) = (at("v1.car"), at("v2.car"));
    repository.export(&root, &first);
    go_car.succeeds(words!["index", first, second]);
    assert_eq!(verified(0, &second)["version"], 2);
    assert_reads(&second, &repository.block_cids(&root), &source, &at("extracted"), Metadata::Ignored);
}

#[test]
fn a_node_gives_the_same_archive_by_rpc_and_by_gateway() {
    let Some(ipfs) = Peer::ipfs() else { return };
    let folder = temporary();
    let at = |name: &str| folder.path().join(name);
    let source = at("source");
    generated(&source, tree::full);
    let repository = ipfs.repository(at("repository"));
    let root = repository.add(&source, &["--cid-version=1", "--raw-leaves"]);
    let export = at("export.car");
    repository.export(&root, &export);
    cartool_exits(0, words!["build", export, "-o", at("expected.car")]);
    let expected = fs::read(at("expected.car")).expect("built");
    let daemon = repository.daemon();
    for (name, flag, url) in [("rpc", "--kubo", &daemon.rpc), ("gateway", "--gateway", &daemon.gateway)] {
        let out = at(&format!("{name}.car"));
        cartool_exits(0, words!["fetch", root, "-o", out, flag, url]);
        assert!(fs::read(&out).expect("fetched") == expected, "{name}: another archive");
        // The root alone is at hand: what is below it is asked for, as archives and as single blocks.
        let part = at(&format!("{name} rest.car"));
        cartool_exits(
            0,
            words!["build", export, "--expect", format!("{root}?dag-scope=block"), "-o", at(&format!("{name} root.car"))],
        );
        cartool_exits(0, words!["fetch", root, "-o", part, flag, url, "--from", at(&format!("{name} root.car"))]);
        assert!(fs::read(&part).expect("fetched") == expected, "{name}: another archive from parts");
    }
    let first = cartool_exits(0, words!["ls", export]);
    let first = first.lines().next().expect("an entry").trim_end_matches('/');
    let path = format!("/ipfs/{root}/{first}");
    cartool_exits(0, words!["fetch", path, "-o", at("a.car"), "--scope", "path", "--kubo", daemon.rpc]);
    cartool_exits(0, words!["fetch", path, "-o", at("b.car"), "--scope", "path", "--gateway", daemon.gateway]);
    assert_eq!(fs::read(at("a.car")).expect("fetched"), fs::read(at("b.car")).expect("fetched"));
    // What the node does not have, and what is not there.
    let absent = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
    let refused = cartool(words!["fetch", absent, "-o", at("c.car"), "--kubo", daemon.rpc, "--retries", "0"]);
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("ipld: could not find"), "{refused:?}");
    for (flag, url) in [("--kubo", &daemon.rpc), ("--gateway", &daemon.gateway)] {
        let nothing = cartool(words!["fetch", format!("{root}/no such file"), "-o", at("d.car"), "--scope", "path", flag, url]);
        assert_eq!(nothing.status.code(), Some(3), "{nothing:?}");
        assert!(String::from_utf8_lossy(&nothing.stderr).contains("not-found"), "{nothing:?}");
    }
}

#[test]
fn go_car_finds_a_merged_bundle_sound() {
    let (Some(ipfs), Some(go_car)) = (Peer::ipfs(), Peer::go_car()) else { return };
    let folder = temporary();
    let at = |name: &str| folder.path().join(name);
    let source = at("source");
    generated(&source, tree::plain);
    let repository = ipfs.repository(at("repository"));
    let root = repository.add(&source, &["--cid-version=1"]);
    let (export, merged) = (at("export.car"), at("merged.car"));
    repository.export(&root, &export);
    cartool_exits(0, words!["merge", export, export, "-o", merged]);
    let blocks = repository.block_cids(&root).len();
    let found = go_car.succeeds(words!["inspect", merged]);
    assert!(found.contains(&format!("roots present true, {blocks} blocks")), "{blocks} expected: {found}");
}

#[test]
fn an_archive_of_ipfs_car_verifies_and_extracts() {
    let Some(ipfs_car) = Peer::ipfs_car() else { return };
    let folder = temporary();
    let (source, archive) = (folder.path().join("source"), folder.path().join("packed.car"));
    generated(&source, tree::plain);
    let root = ipfs_car.succeeds(words!["pack", source, "--output", archive]);
    let blocks = ipfs_car.succeeds(words!["blocks", archive]);
    let mut blocks = blocks.lines().map(str::to_owned).collect::<Vec<_>>();
    blocks.sort_unstable();
    blocks.dedup();
    assert_reads(&archive, &blocks, &source, &folder.path().join("extracted"), Metadata::Ignored);
    assert_eq!(cartool_exits(0, words!["roots", archive]).trim_end(), root);
}

#[test]
fn ipfs_car_reads_a_merged_bundle() {
    let Some(ipfs_car) = Peer::ipfs_car() else { return };
    let folder = temporary();
    let at = |name: &str| folder.path().join(name);
    generated(&at("first"), tree::plain);
    generated(&at("second"), |root| fs::write(root.join("one.txt"), "one\n").expect("write file"));
    let roots = ["first", "second"].map(|name| {
        let root = ipfs_car.succeeds(words!["pack", at(name), "--output", at(&format!("{name}.car"))]);
        (name, root)
    });
    let bundle = at("bundle.car");
    cartool_exits(0, words!["merge", at("first.car"), at("second.car"), "-o", bundle]);
    let expected = cartool_exits(0, words!["blocks", bundle]);
    assert_eq!(ipfs_car.succeeds(words!["blocks", bundle]), expected.trim_end());
    for (name, root) in &roots {
        let into = at(&format!("{name} unpacked"));
        ipfs_car.succeeds(words!["unpack", bundle, "--root", root, "--output", into]);
        assert_same(&at(name), &into, Metadata::Ignored);
    }
}

#[test]
fn the_samples_are_what_their_script_makes() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let made = temporary();
    if !make_samples(&samples.join("make.sh"), made.path()) {
        return;
    }
    let described = fs::read_to_string(samples.join("README.md")).expect("testdata/README.md");
    let mut count = 0;
    for (name, content) in tree::read(made.path(), Metadata::Ignored) {
        if content == "folder" {
            continue;
        }
        let committed = fs::read(samples.join(&name)).expect("a committed sample");
        let digest = tree::sha256(&committed);
        assert!(content.ends_with(&digest), "{}: committed {digest}, made {content}", name.display());
        assert!(described.contains(&format!("`{}` | `{digest}`", name.display())), "README.md: {} {digest}", name.display());
        count += 1;
    }
    assert_eq!(count, 11, "samples");
}
