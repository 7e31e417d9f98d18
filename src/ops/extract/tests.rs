use super::*;
use crate::cid::codec;
use crate::error::ErrorKind;
use crate::limits::Limits;
use crate::unixfs::testing::{Dag, Message, cid_of};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// `T/in/target` to extract to, in a directory that must otherwise stay as it is.
struct Place {
    outer: TempDir,
}

impl Place {
    fn new() -> Place {
        let outer = tempfile::tempdir().unwrap();
        fs::create_dir_all(outer.path().join("in/target")).unwrap();
        fs::write(outer.path().join("outside.txt"), "outside").unwrap();
        fs::create_dir(outer.path().join("in/outside")).unwrap();
        Place { outer }
    }

    fn target(&self) -> PathBuf {
        self.outer.path().join("in/target")
    }

    fn path(&self, path: &str) -> PathBuf {
        self.target().join(path)
    }

    /// Extracts, and checks that nothing outside changed and no temporary file stayed.
    fn try_extract(&self, dag: &Dag, roots: &[Cid], options: &Options) -> Result<Summary> {
        let summary = extract(dag, roots, Target::Directory(self.target()), options, &Control::default(), &mut |_| {});
        let mut outside = tree(self.outer.path());
        outside.retain(|path, _| !path.starts_with("in/target"));
        let left: Vec<(&str, &str)> = outside.iter().map(|(path, what)| (&path[..], &what[..])).collect();
        assert_eq!(left, [("in", "dir"), ("in/outside", "dir"), ("outside.txt", "outside")]);
        assert!(!tree(&self.target()).keys().any(|path| path.contains(".cartool-")));
        summary
    }

    fn extract(&self, dag: &Dag, root: Cid) -> Summary {
        self.try_extract(dag, &[root], &Options::default()).unwrap()
    }

    fn holds(&self, expected: &[(&str, &str)]) {
        let found = tree(&self.target());
        let found: Vec<(&str, &str)> = found.iter().map(|(path, what)| (&path[..], &what[..])).collect();
        assert_eq!(found, expected);
    }
}

/// Every path below, with what is there: `dir`, `-> target`, or a file's text.
fn tree(base: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![base.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(base).unwrap().to_string_lossy().into_owned();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let what = if metadata.is_dir() {
                open.push(path);
                "dir".to_owned()
            } else if metadata.is_symlink() {
                format!("-> {}", fs::read_link(&path).unwrap().display())
            } else if metadata.is_file() {
                String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned()
            } else {
                "special".to_owned()
            };
            found.insert(name, what);
        }
    }
    found
}

fn failures(summary: &Summary) -> Vec<String> {
    summary.failed.iter().map(|failed| String::from_utf8_lossy(&failed.path).into_owned()).collect()
}

#[test]
fn a_directory_fills_the_target_and_a_file_gets_its_cid_as_name() {
    let mut dag = Dag::default();
    let leaf = dag.raw(b"text");
    let link = dag.symlink("a");
    let empty = dag.directory(&[]);
    let sub = dag.directory(&[("b", leaf), ("c", link)]);
    let root = dag.directory(&[("a", leaf), ("d", sub), ("e", empty)]);
    let place = Place::new();
    let summary = place.extract(&dag, root);
    assert!(summary.is_complete());
    assert_eq!((summary.files, summary.directories, summary.symlinks, summary.bytes), (2, 3, 1, 8));
    place.holds(&[("a", "text"), ("d", "dir"), ("d/b", "text"), ("d/c", "-> a"), ("e", "dir")]);

    let place = Place::new();
    place.extract(&dag, leaf);
    place.holds(&[(&leaf.to_string(), "text")]);

    let place = Place::new();
    fs::remove_dir(place.target()).unwrap();
    let (sub_name, leaf_name) = (sub.to_string(), leaf.to_string());
    place.try_extract(&dag, &[sub, leaf, sub], &Options::default()).unwrap();
    let (b, c) = (format!("{sub_name}/b"), format!("{sub_name}/c"));
    let mut expected = vec![(&sub_name[..], "dir"), (&b, "text"), (&c, "-> a"), (&leaf_name, "text")];
    expected.sort();
    place.holds(&expected);
}

#[test]
fn paths_are_placed_by_their_last_name() {
    let mut dag = Dag::default();
    let leaf = dag.raw(b"text");
    let sub = dag.directory(&[("b", leaf)]);
    let root = dag.directory(&[("a", leaf), ("d", sub)]);
    let path = |text: &str| text.split('/').map(|s| s.as_bytes().to_vec()).collect::<Vec<_>>();
    let place = Place::new();
    let options = Options { paths: vec![path("d/b"), path("d"), path("none/x")], ..Options::default() };
    let summary = place.try_extract(&dag, &[root], &options).unwrap();
    place.holds(&[("b", "text"), ("d", "dir"), ("d/b", "text")]);
    assert!(matches!(summary.failed[0].error.kind, ErrorKind::Missing));
    assert_eq!(failures(&summary), ["none/x"]);
    let clash = Options { paths: vec![path("d/b"), path("b")], ..Options::default() };
    assert!(matches!(place.try_extract(&dag, &[root], &clash).unwrap_err().kind, ErrorKind::Usage));

    let mut out = Vec::new();
    let one = Options { paths: vec![path("d/b")], ..Options::default() };
    extract(&dag, &[root], Target::File(&mut out), &one, &Control::default(), &mut |_| {}).unwrap();
    assert_eq!(out, b"text");
    let directory = extract(&dag, &[root], Target::File(&mut out), &Options::default(), &Control::default(), &mut |_| {});
    assert!(directory.is_err());
}

#[test]
fn names_that_lead_elsewhere_fail_alone() {
    let mut dag = Dag::default();
    let leaf = dag.raw(b"evil");
    let long = "x".repeat(256);
    let names = ["../evil", "../../outside.txt", "..", ".", "", "/abs", "a/../../e", "nul\0x", &long];
    for name in names {
        let root = dag.directory(&[(name, leaf), ("fine", leaf)]);
        let place = Place::new();
        let summary = place.extract(&dag, root);
        assert_eq!(summary.failed_count, 1, "{name:?}");
        place.holds(&[("fine", "evil")]);
    }
}

#[test]
fn a_name_twice_refuses_the_directory() {
    let mut dag = Dag::default();
    let leaf = dag.raw(b"evil");
    let link = dag.symlink("../outside.txt");
    let out = dag.symlink("../outside");
    let sub = dag.directory(&[("evil.txt", leaf)]);
    for (name, first, second) in [("a", link, leaf), ("d", out, sub), ("d", leaf, sub)] {
        let twice = dag.directory(&[(name, first), (name, second)]);
        let root = dag.directory(&[("fine", leaf), ("twice", twice)]);
        let place = Place::new();
        assert_eq!(failures(&place.extract(&dag, root)), ["twice"]);
        place.holds(&[("fine", "evil")]);
    }
}

#[test]
fn what_stands_there_is_not_written_through() {
    let mut dag = Dag::default();
    let leaf = dag.raw(b"evil");
    let sub = dag.directory(&[("evil.txt", leaf)]);
    let root = dag.directory(&[("a.txt", leaf), ("fifo", leaf), ("file", leaf), ("sub", sub), ("there", sub)]);
    let place = Place::new();
    symlink("../../outside.txt", place.path("a.txt")).unwrap();
    symlink("../outside", place.path("sub")).unwrap();
    fs::write(place.path("file"), "keep me").unwrap();
    fs::create_dir(place.path("there")).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, place.path("fifo"), rustix::fs::FileType::Fifo, mode, 0).unwrap();

    let summary = place.extract(&dag, root);
    assert_eq!(failures(&summary), ["a.txt", "fifo", "file", "sub"]);
    assert!(summary.failed.iter().all(|failed| matches!(failed.error.kind, ErrorKind::Io(_))));
    let kept = [
        ("a.txt", "-> ../../outside.txt"),
        ("fifo", "special"),
        ("file", "keep me"),
        ("sub", "-> ../outside"),
        ("there", "dir"),
        ("there/evil.txt", "evil"),
    ];
    place.holds(&kept);

    let skip = Options { existing: Existing::Skip, ..Options::default() };
    let summary = place.try_extract(&dag, &[root], &skip).unwrap();
    assert_eq!((failures(&summary), summary.skipped), (["a.txt", "fifo", "sub"].map(String::from).to_vec(), 2));
    place.holds(&kept);

    let replace = Options { existing: Existing::Replace, ..Options::default() };
    let summary = place.try_extract(&dag, &[root], &replace).unwrap();
    assert_eq!(failures(&summary), ["fifo", "sub"]);
    let replaced = [("a.txt", "evil"), ("fifo", "special"), ("file", "evil"), ("sub", "-> ../outside")];
    place.holds(&[&replaced[..], &kept[4..]].concat());
}

#[test]
fn an_extraction_can_go_on_where_it_stopped() {
    let mut dag = Dag::default();
    let leaf = dag.raw(b"text");
    let link = dag.symlink("a");
    let sub = dag.directory(&[("b", leaf), ("l", link)]);
    let root = dag.directory(&[("a", leaf), ("d", sub)]);
    let place = Place::new();
    place.extract(&dag, root);
    fs::remove_file(place.path("d/b")).unwrap();
    let skip = Options { existing: Existing::Skip, ..Options::default() };
    let summary = place.try_extract(&dag, &[root], &skip).unwrap();
    assert!(summary.is_complete());
    assert_eq!((summary.files, summary.skipped), (1, 2));
    place.holds(&[("a", "text"), ("d", "dir"), ("d/b", "text"), ("d/l", "-> a")]);
}

#[test]
fn directories_and_files_do_not_replace_each_other() {
    let mut dag = Dag::default();
    let leaf = dag.raw(b"new");
    let sub = dag.directory(&[("x", leaf)]);
    let link = dag.symlink("x");
    let root = dag.directory(&[("d", leaf), ("f", sub), ("l", link)]);
    let place = Place::new();
    fs::create_dir_all(place.path("d")).unwrap();
    fs::create_dir_all(place.path("l")).unwrap();
    fs::write(place.path("f"), "old").unwrap();
    let replace = Options { existing: Existing::Replace, ..Options::default() };
    let summary = place.try_extract(&dag, &[root], &replace).unwrap();
    assert_eq!(failures(&summary), ["d", "f", "l"]);
    place.holds(&[("d", "dir"), ("f", "old"), ("l", "dir")]);
}

#[test]
fn symlinks_are_made_and_warned_of_but_not_followed() {
    let mut dag = Dag::default();
    let leaf = dag.raw(b"x");
    let targets = [("abs", "/etc/passwd"), ("inside", "fine/../fine"), ("out", "../outside.txt"), ("self", "self")];
    let mut entries: Vec<(&str, Cid)> = targets.iter().map(|(name, target)| (*name, dag.symlink(target))).collect();
    entries.push(("zempty", dag.symlink("")));
    entries.push(("fine", leaf));
    let root = dag.directory(&entries);
    let place = Place::new();
    let mut warned = Vec::new();
    let mut on_event = |event: Event<'_>| {
        if let Event::Warning { path, .. } = event {
            warned.push(String::from_utf8_lossy(path).into_owned());
        }
    };
    let target = Target::Directory(place.target());
    let summary = extract(&dag, &[root], target, &Options::default(), &Control::default(), &mut on_event).unwrap();
    assert_eq!(warned, ["abs", "out"]);
    assert_eq!((failures(&summary), summary.symlinks), (vec!["zempty".to_owned()], 4));
    let skip = Options { symlinks: Symlinks::Skip, ..Options::default() };
    let place = Place::new();
    let summary = place.try_extract(&dag, &[root], &skip).unwrap();
    assert_eq!(summary.skipped, 5);
    place.holds(&[("fine", "x")]);
}

#[test]
fn files_appear_whole_or_not_at_all() {
    let mut dag = Dag::default();
    let here = dag.raw(b"here");
    let absent = cid_of(codec::RAW, b"gone");
    let cut = dag.file(&[(here, 4), (absent, 4)]);
    let lying = dag.file(&[(here, 4), (here, 5)]);
    let root = dag.directory(&[("a-cut", cut), ("b-lying", lying), ("c", here), ("d-absent", absent)]);
    let place = Place::new();
    let summary = place.extract(&dag, root);
    place.holds(&[("c", "here")]);
    let missing: Vec<_> = summary.missing.iter().map(|m| (&m.path[..], m.cid)).collect();
    assert_eq!(missing, [(&b"a-cut"[..], absent), (b"d-absent", absent)]);
    assert_eq!(failures(&summary), ["b-lying"]);

    let place = Place::new();
    let control = Control::default();
    control.stop_flag().store(true, std::sync::atomic::Ordering::Relaxed);
    let stopped = extract(&dag, &[root], Target::Directory(place.target()), &Options::default(), &control, &mut |_| {});
    assert!(matches!(stopped.unwrap_err().kind, ErrorKind::Interrupted));
    place.holds(&[]);
}

#[test]
fn modes_and_times_are_restored() {
    let mut dag = Dag::default();
    let message =
        |mode, mtime| Message { kind: 2, filesize: Some(0), mode: Some(mode), mtime: Some(mtime), ..Message::default() };
    let set_id = dag.node(&[], &message(0o6750, (-7, 5)));
    let odd = dag.node(&[], &message(u32::MAX, (i64::MIN, 0)));
    let links: [(&[u8], Cid); 2] = [(b"odd", odd), (b"set-id", set_id)];
    let root = dag.node(&links, &Message { kind: 1, mode: Some(0o500), mtime: Some((1_000_000_000, 0)), ..Message::default() });
    let outer = dag.directory(&[("d", root)]);
    let place = Place::new();
    assert!(place.extract(&dag, outer).is_complete());
    let of = |path: &str| fs::metadata(place.path(path)).unwrap();
    assert_eq!((of("d").permissions().mode() & 0o7777, of("d").mtime()), (0o500, 1_000_000_000));
    let file = of("d/set-id");
    assert_eq!((file.permissions().mode() & 0o7777, file.mtime(), file.mtime_nsec()), (0o750, -7, 5));
    assert_eq!(of("d/odd").permissions().mode() & 0o7777, 0o777);
    fs::set_permissions(place.path("d"), fs::Permissions::from_mode(0o700)).unwrap();

    let place = Place::new();
    let ignore = Options { metadata: Metadata::Ignore, ..Options::default() };
    place.try_extract(&dag, &[outer], &ignore).unwrap();
    assert_ne!(fs::metadata(place.path("d")).unwrap().mtime(), 1_000_000_000);
}

#[test]
fn portable_names_differ_in_more_than_case() {
    let mut dag = Dag::default();
    let leaf = dag.raw(b"x");
    let root = dag.directory(&[("A", leaf), ("a", leaf), ("con", leaf), ("dot.", leaf), ("é", leaf), ("É", leaf)]);
    let portable = Options { names: Names::Portable, ..Options::default() };
    let place = Place::new();
    let summary = place.try_extract(&dag, &[root], &portable).unwrap();
    assert_eq!(failures(&summary), ["a", "con", "dot.", "é"]);
    place.holds(&[("A", "x"), ("É", "x")]);
}

#[test]
fn deep_trees_take_few_handles() {
    let mut dag = Dag::default();
    let leaf = dag.raw(b"x");
    let mut node = dag.directory(&[("z", leaf)]);
    for _ in 0..300 {
        node = dag.directory(&[("a", node), ("z", leaf)]);
    }
    let place = Place::new();
    let summary = place.extract(&dag, node);
    assert!(summary.is_complete());
    assert_eq!((summary.files, summary.directories), (301, 301));
}

#[test]
fn bombs_end() {
    let mut dag = Dag::default();
    let mut node = dag.raw(b"x");
    let mut size = 1;
    for _ in 0..8 {
        node = dag.file(&vec![(node, size); 174]);
        size *= 174;
    }
    let root = dag.directory(&[("bomb", node)]);
    let place = Place::new();
    let summary = place.extract(&dag, root);
    assert!(matches!(summary.failed[0].error.kind, ErrorKind::Limit("--max-bytes")));
    place.holds(&[]);
    let mut control = Control::default();
    control.limits = Limits { entries_max: Some(1), ..Limits::default() };
    let stopped = extract(&dag, &[root], Target::Directory(place.target()), &Options::default(), &control, &mut |_| {});
    assert!(matches!(stopped.unwrap_err().kind, ErrorKind::Limit("--max-entries")));
}

#[test]
fn a_dry_run_reports_the_same_and_writes_nothing() {
    let mut dag = Dag::default();
    let here = dag.raw(b"here");
    let cut = dag.file(&[(here, 4), (cid_of(codec::RAW, b"gone"), 4)]);
    let root = dag.directory(&[("a", cut), ("b", here)]);
    let place = Place::new();
    let dry = Options { mode: Mode::DryRun, ..Options::default() };
    let summary = place.try_extract(&dag, &[root], &dry).unwrap();
    assert_eq!((summary.files, summary.missing_count), (1, 1));
    place.holds(&[]);
}

#[test]
fn a_tar_stream_holds_the_same_entries() {
    let mut dag = Dag::default();
    let here = dag.raw(b"here");
    let cut = dag.file(&[(here, 4), (cid_of(codec::RAW, b"gone"), 4)]);
    let twice = dag.file(&[(here, 4), (here, 4)]);
    let link = dag.symlink("../out");
    let set_id =
        dag.node(&[], &Message { kind: 2, filesize: Some(0), mode: Some(0o4711), mtime: Some((9, 0)), ..Message::default() });
    let sub = dag.directory(&[("cut", cut), ("l", link), ("twice", twice), (&"n".repeat(200), here)]);
    let root = dag.directory(&[("s", set_id), ("d", sub)]);
    let mut out = Vec::new();
    let summary = extract(&dag, &[root], Target::Tar(&mut out), &Options::default(), &Control::default(), &mut |_| {}).unwrap();
    assert_eq!((summary.files, summary.missing_count, summary.bytes), (3, 1, 12));
    assert!(out.ends_with(&[0; 1024]));
    let mut archive = ::tar::Archive::new(&out[..]);
    let mut found = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut entry, &mut text).unwrap();
        let link = entry.link_name().unwrap().map(|target| target.display().to_string());
        found.push((entry.path().unwrap().display().to_string(), entry.header().mode().unwrap(), text, link));
    }
    let long = format!("d/{}", "n".repeat(200));
    let expected = [
        ("d/", 0o755, "", None),
        ("d/l", 0o777, "", Some("../out")),
        (&long[..], 0o644, "here", None),
        ("d/twice", 0o644, "herehere", None),
        ("s", 0o711, "", None),
    ];
    let found: Vec<_> = found.iter().map(|(path, mode, text, link)| (&path[..], *mode, &text[..], link.as_deref())).collect();
    assert_eq!(found, expected);
}
