//! `create` beside the roots that other implementations give: trees under every profile, layouts of every number of chunks, shards of
//! every fanout, and the CIDs that IPIP-499 and kubo publish.

use crate::chacha::ChaCha20;
use crate::harness::{Done, Failures, cartool, same, shared};
use crate::vectors::content;
use cartool::cid::RawCid;
use cartool::control::Control;
use cartool::format::{Reader, Section};
use cartool::limits::Limits;
use cartool::ops::create::{Input, Options, Target, create};
use cartool::unixfs::build::{
    self, Chunker, DirectoryBuilder, FileBuilder, HashFunction, Layout, Leaf, Leaves, Made, Measure, Metadata, Profile,
};
use cartool::unixfs::hamt::Fanout;
use cartool::unixfs::{EntryName, Mtime};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::Path;

fn read(path: &Path) -> Value {
    let text = fs::read_to_string(path).expect("the vectors are readable");
    serde_json::from_str(&text).expect("the vectors are JSON")
}

fn named(profile: &str) -> Profile {
    Profile::named(profile).unwrap_or_else(|| panic!("no profile {profile}"))
}

/// Writes the tree of a vector below `dir`, and says what is to be packed.
fn plant(tree: &Value, dir: &Path) -> std::path::PathBuf {
    let root = dir.join("tree");
    fs::create_dir(&root).expect("a folder");
    for entry in tree["entries"].as_array().expect("entries") {
        let path = root.join(entry["path"].as_str().expect("a path"));
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        match entry["type"].as_str() {
            Some("symlink") => std::os::unix::fs::symlink(entry["target"].as_str().expect("a target"), &path).expect("a link"),
            Some("dir") => fs::create_dir_all(&path).expect("a folder"),
            _ => fs::write(&path, content(&entry["content"])).expect("a file"),
        }
    }
    if tree["single_file"] == true { root.join("f") } else { root }
}

/// The blocks of an archive, in order.
fn blocks(car: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut reader = Reader::new(car, Limits::default()).expect("a CAR");
    let (mut section, mut blocks) = (Section::default(), Vec::new());
    while reader.read_section(&mut section).expect("a section") {
        blocks.push((section.cid.to_bytes(), section.data.clone()));
    }
    blocks
}

fn has_metadata(tree: &Value) -> bool {
    tree["entries"].as_array().expect("entries").iter().any(|entry| entry.get("mode").or(entry.get("mtime")).is_some())
}

/// Runs `create` and compares root, number of blocks and their bytes with what a vector says.
fn check(vector: &Value, input: &Path, dir: &Path, vectors: &Path) -> Result<(), String> {
    let profile = vector["profile"].as_str().expect("a profile");
    let out = dir.join(format!("{profile}.car"));
    let mut args = vec!["create".as_ref(), input.as_os_str(), "--profile".as_ref(), profile.as_ref(), "--hidden".as_ref()];
    args.extend(["-o".as_ref(), out.as_os_str()]);
    let done: Done = cartool(args).limit(std::time::Duration::from_secs(60)).run();
    done.sane()?;
    same("exit", done.code, Some(0)).map_err(|e| format!("{e}: {}", done.first_talk()))?;
    same("root", Some(done.text().trim_end()), vector["root"].as_str())?;
    let car = fs::read(&out).expect("the archive is there");
    let found = blocks(&car);
    let key = if profile == "ipfs-car" { "blocks_written" } else { "distinct_blocks" };
    same("blocks", Some(found.len() as u64), vector[key].as_u64())?;
    if let Some(other) = vector["car"].as_str() {
        let other = fs::read(vectors.join(other)).expect("the archive is there");
        let set = |blocks: Vec<(Vec<u8>, Vec<u8>)>| blocks.into_iter().collect::<BTreeMap<_, _>>();
        if set(found) != set(blocks(&other)) {
            return Err("other blocks than the vector's archive".into());
        }
    }
    let verified = cartool(["verify".as_ref(), out.as_os_str()]).run();
    same("verify", verified.code, Some(0))
}

#[test]
fn every_tree_has_its_root_under_every_profile() {
    let Some(shared) = shared("every_tree_has_its_root_under_every_profile") else { return };
    let dir = shared.join("vectors");
    let all = read(&dir.join("vectors.json"));
    let mut failures = Failures::default();
    let mut by_tree: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for vector in all["vectors"].as_array().expect("a list").iter().filter(|v| v["root"].is_string() && v["profile"].is_string())
    {
        by_tree.entry(vector["tree"].as_str().expect("a tree")).or_default().push(vector);
    }
    let mut checked = 0;
    for (name, vectors) in by_tree {
        let tree = &all["trees"][name];
        let place = tempfile::tempdir().expect("a temporary directory");
        let input = plant(tree, place.path());
        for vector in vectors {
            let outcome = if has_metadata(tree) {
                let profile = named(vector["profile"].as_str().expect("a profile"));
                same("root", Some(build_tree(tree, &profile).to_cid().to_string().as_str()), vector["root"].as_str())
            } else {
                check(vector, &input, place.path(), &dir)
            };
            failures.check(vector["id"].as_str().unwrap_or(name), outcome);
            checked += 1;
        }
    }
    assert!(checked > 90, "{checked} vectors");
    failures.finish();
}

fn emit(_: RawCid<'_>, _: &[u8]) -> cartool::error::Result<()> {
    Ok(())
}

/// A file made with the builders alone.
fn build_file(profile: &Profile, bytes: &[u8], metadata: &Metadata) -> Made {
    let mut file = FileBuilder::new(profile);
    let mut rest = bytes;
    loop {
        let (chunk, behind) = rest.split_at(profile.chunker.cut(rest));
        let role = if chunk.len() == bytes.len() { Leaf::Only(metadata) } else { Leaf::Part };
        let leaf = build::leaf(profile, role, chunk);
        let made = Made::new(profile, leaf.codec(), &leaf, chunk.len() as u64).expect("a leaf");
        file.push(made, &mut emit).expect("pushed");
        rest = behind;
        if rest.is_empty() {
            return file.finish(metadata, &mut emit).expect("finished");
        }
    }
}

/// A tree of a vector made with the builders alone: on a disk not every folder can be without a mode.
fn build_tree(tree: &Value, profile: &Profile) -> Made {
    let entries = tree["entries"].as_array().expect("entries");
    if tree["single_file"] == true {
        return build_file(profile, &content(&entries[0]["content"]), &metadata(&entries[0]));
    }
    build_folder(entries, "", &Metadata::default(), profile)
}

fn metadata(entry: &Value) -> Metadata {
    let mtime = entry["mtime"][0]
        .as_i64()
        .map(|seconds| Mtime { seconds, nanos: entry["mtime"][1].as_u64().map(|n| n as u32).filter(|nanos| *nanos > 0) });
    Metadata { mode: entry["mode"].as_u64().map(|mode| mode as u32), mtime }
}

fn build_folder(entries: &[Value], prefix: &str, own: &Metadata, profile: &Profile) -> Made {
    let mut folder = DirectoryBuilder::new(profile);
    let below = entries.iter().filter_map(|entry| Some((entry["path"].as_str()?.strip_prefix(prefix)?, entry)));
    let names: BTreeSet<&str> = below.clone().filter_map(|(path, _)| path.split('/').next()).collect();
    for name in names {
        let entry = below.clone().find(|(path, _)| *path == name).map(|(_, entry)| entry);
        let own = entry.map(metadata).unwrap_or_default();
        let made = match entry.and_then(|entry| entry["type"].as_str()) {
            Some("file") => build_file(profile, &content(&entry.expect("an entry")["content"]), &own),
            _ => build_folder(entries, &format!("{prefix}{name}/"), &own, profile),
        };
        folder.add(EntryName::try_from(name.as_bytes()).expect("a name"), &made);
    }
    folder.finish(own, &mut emit).expect("finished")
}

/// The root of a stream, and only that.
fn root_of(bytes: impl Read + Send + 'static, profile: &Profile) -> String {
    let input = Input::Stream { name: None, bytes: Box::new(bytes) };
    let made = create(input, Target::OnlyHash, &Options::new(*profile), &Control::default()).expect("made");
    made.root.to_string()
}

#[test]
fn every_number_of_chunks_is_laid_out_alike() {
    let Some(shared) = shared("every_number_of_chunks_is_laid_out_alike") else { return };
    let grid = read(&shared.join("vectors/layout-grid.json"));
    let bytes = content(&serde_json::json!({ "sha256ctr": { "seed": "grid", "size": 1 << 20 } }));
    let mut failures = Failures::default();
    let cases = grid["cases"].as_array().expect("cases");
    assert!(cases.len() > 600, "{} cases", cases.len());
    for case in cases {
        let number = |key: &str| case[key].as_u64().expect("a number") as usize;
        let profile = Profile {
            chunker: Chunker::Size(number("chunk")),
            max_links: number("max_links"),
            leaves: if case["raw_leaves"] == true { Leaves::Raw } else { Leaves::DagPb },
            cid_version: number("cid_version") as u8,
            ..Profile::UNIXFS_V1_2025
        };
        let root = root_of(std::io::Cursor::new(bytes[..number("size")].to_vec()), &profile);
        failures.check(&case.to_string(), same("root", Some(root.as_str()), case["root"].as_str()));
    }
    failures.finish();
}

#[test]
fn shards_of_every_fanout() {
    let Some(shared) = shared("shards_of_every_fanout") else { return };
    let grid = read(&shared.join("vectors/hamt-grid.json"));
    let mut failures = Failures::default();
    let cases = grid["cases"].as_array().expect("cases");
    assert!(cases.len() >= 12, "{} cases", cases.len());
    for case in cases {
        let mut profile = Profile::UNIXFS_V1_2025;
        profile.sharding.measure = Measure::Links;
        profile.sharding.threshold = Some(0);
        profile.sharding.fanout = Fanout::new(case["fanout"].as_u64()).expect("a fanout");
        let mut folder = DirectoryBuilder::new(&profile);
        for i in 0..case["entries"].as_u64().expect("a number") {
            let made = build_file(&profile, format!("v{i}").as_bytes(), &Metadata::default());
            folder.add(EntryName::try_from(format!("name-{i}").as_bytes()).expect("a name"), &made);
        }
        let root = folder.finish(&Metadata::default(), &mut emit).expect("finished").to_cid().to_string();
        failures.check(&case.to_string(), same("root", Some(root.as_str()), case["root"].as_str()));
    }
    failures.finish();
}

/// Every file that kubo's tests and IPIP-499 publish a CID for, also those of 1 GiB, which are made as they are read.
#[test]
fn published_files() {
    const MIB: u64 = 1 << 20;
    let (v0, v1) = (Profile::UNIXFS_V0_2015, Profile::UNIXFS_V1_2025);
    let trickle = Profile { layout: Layout::Trickle, ..v0 };
    for (profile, seed, len, root) in [
        (v0, "chunk-v0-seed", 262_144, "QmWmRj3dFDZdb6ABvbmKhEL6TmPbAfBZ1t5BxsEyJrcZhE"),
        (v0, "chunk-v0-seed", 262_145, "QmYyLxtzZyW22zpoVAtKANLRHpDjZtNeDjQdJrcQNWoRkJ"),
        (v0, "v0-seed", 174 * 262_144, "QmUbBALi174SnogsUzLpYbD4xPiBSFANF4iztWCsHbMKh2"),
        (v0, "v0-seed", 174 * 262_144 + 1, "QmV81WL765sC8DXsRhE5fJv2rwhS4icHRaf3J9Zk5FdRnW"),
        (v1, "chunk-v1-seed", MIB, "bafkreiacndfy443ter6qr2tmbbdhadvxxheowwf75s6zehscklu6ezxmta"),
        (v1, "chunk-v1-seed", MIB + 1, "bafybeigmix7t42i6jacydtquhet7srwvgpizfg7gjbq7627d35mjomtu64"),
        (v1, "v1-2025-seed", 1024 * MIB, "bafybeihmf37wcuvtx4hpu7he5zl5qaf2ineo2lqlfrapokkm5zzw7zyhvm"),
        (v1, "v1-2025-seed", 1024 * MIB + 1, "bafybeibdsi225ugbkmpbdohnxioyab6jsqrmkts3twhpvfnzp77xtzpyhe"),
        (trickle, "trickle-test", 45 * MIB, "QmbqR6g7YCpndLcCZZXkGyj13uMcSrwDYUvZ47vJqBVjUH"),
    ] {
        let key: [u8; 32] = Sha256::digest(seed).into();
        assert_eq!(root_of(ChaCha20::new(key).take(len), &profile), root, "{seed} {len}");
    }
}

#[test]
fn published_small_ones() {
    let v1 = Profile::UNIXFS_V1_2025;
    let sha512 = Profile { hash: HashFunction::named("sha2-512").expect("a function"), ..v1 };
    for (profile, bytes, root) in [
        (Profile::UNIXFS_V0_2015, &b"hello world"[..], "Qmf412jQZiuVUtdgnB36FXFX7xg5V6KEbSJ4dpQuhkLyfD"),
        (v1, b"hello world", "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"),
        (
            sha512,
            b"hello world",
            "bafkrgqbqt3gerhas23vuzrapkdeqf4vu2dwxp3srdj6hvg6nhsug2tgyn6mj3u23yx7utftq3i2ckw2fwdh5qmhid5qf3t35yvkc5e5ottlw6",
        ),
        (Profile { leaves: Leaves::DagPb, ..v1 }, b"hello world", "bafybeihykld7uyxzogax6vgyvag42y7464eywpf55gxi5qpoisibh3c5wa"),
        (Profile::UNIXFS_V0_2015, b"", "QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH"),
        (v1, b"", "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"),
        // A trickle layout has a root also above nothing.
        (Profile { layout: Layout::Trickle, ..Profile::UNIXFS_V0_2015 }, b"", "QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH"),
    ] {
        assert_eq!(root_of(bytes, &profile), root);
    }
}

/// The folders of kubo's tests that lie on both sides of the threshold, by the byte.
#[test]
fn published_folders_at_the_threshold() {
    const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz01234567890-_";
    for (profile, count, len, last_len, root) in [
        ("unixfs-v0-2015", 4096, 30, 30, "QmX5GtRk3TSSEHtdrykgqm4eqMEn3n2XhfkFAis5fjyZmN"),
        ("unixfs-v0-2015", 4033, 31, 31, "QmeMiJzmhpJAUgynAcxTQYek5PPKgdv3qEvFsdV3XpVnvP"),
        ("unixfs-v1-2025", 4766, 11, 21, "bafybeic3h7rwruealwxkacabdy45jivq2crwz6bufb5ljwupn36gicplx4"),
        ("unixfs-v1-2025", 4766, 11, 22, "bafybeiegvuterwurhdtkikfhbxcldohmxp566vpjdofhzmnhv6o4freidu"),
    ] {
        let place = tempfile::tempdir().expect("a temporary directory");
        let key: [u8; 32] = Sha256::digest(format!("hamt-{profile}")).into();
        let mut noise = ChaCha20::new(key);
        for i in 1..=count {
            let mut name = vec![0; if i == count { last_len } else { len }];
            noise.read_exact(&mut name).expect("noise has no end");
            name.iter_mut().for_each(|byte| *byte = ALPHABET[usize::from(*byte) % ALPHABET.len()]);
            fs::write(place.path().join(String::from_utf8(name).expect("letters")), "x").expect("a file");
        }
        // Some of the names start with a hyphen; none with a dot.
        let done =
            cartool(["create".as_ref(), "-n".as_ref(), place.path().as_os_str(), "--profile".as_ref(), profile.as_ref()]).run();
        assert_eq!(done.exits(0).text().trim_end(), root, "{profile} {count}");
    }
}
