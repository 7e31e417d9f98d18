use super::*;
use proptest::prelude::*;

const CID: &str = "bafkqaaa";

fn scan(json: &str) -> Result<(Vec<String>, Vec<Note>), NodeErrorKind> {
    let mut paths = Vec::new();
    let notes = scan_links(json.as_bytes(), 1024, |cid, path| {
        let mut text = Vec::new();
        path.write_to(&mut text);
        paths.push(format!("{}={cid}", String::from_utf8(text).unwrap()));
    });
    notes.map(|notes| (paths, notes.iter().collect())).map_err(|e| e.kind)
}

#[test]
fn finds_links_and_the_way_to_them() {
    let json = r#"{"a":[{"/":"bafkqaaa"},1.5,{"b":{"/":"bafkqaaa"}}],"c\u0064":{"/":"bafkqaaa"},"n":null,"t":true,"i":-1}"#;
    let found = ["a/0=bafkqaaa", "a/2/b=bafkqaaa", "cd=bafkqaaa"].map(String::from);
    assert_eq!(scan(json), Ok((found.to_vec(), vec![])));
    assert_eq!(scan(r#" {"\/": "bafkqaaa"} "#), Ok((vec!["=bafkqaaa".into()], vec![])));
    assert_eq!(scan(r#"{"x":{"/":{"bytes":"AAE"}}}"#), Ok((vec![], vec![])));
    for plain in ["[]", "{}", "\"bafkqaaa\"", "7", r#"{"bytes":"AA"}"#, r#"{"/x":"bafkqaaa"}"#] {
        assert_eq!(scan(plain), Ok((vec![], vec![])), "{plain}");
    }
}

#[test]
fn malformed_links_are_remarked() {
    for json in [
        r#"{"/":"not a cid"}"#,
        r#"{"/":7}"#,
        r#"{"/":null}"#,
        r#"{"/":{"bytes":7}}"#,
        r#"{"/":{"bytes":"AA","x":1}}"#,
        r#"{"/":{"bytes":"AA"},"x":1}"#,
        r#"{"/":"bafkqaaa","x":1}"#,
        r#"{"x":1,"/":"bafkqaaa"}"#,
        r#"{"/":"bafkqaaa","/":"bafkqaaa"}"#,
        r#"{"/":["bafkqaaa"]}"#,
    ] {
        assert_eq!(scan(json), Ok((vec![], vec![Note::MalformedLink])), "{json}");
    }
    // What is inside is read all the same.
    assert_eq!(scan(r#"{"/":{"/":"bafkqaaa"}}"#), Ok((vec!["/=bafkqaaa".into()], vec![Note::MalformedLink])));
    // The text of an inner object is not taken for that of an outer one.
    assert_eq!(scan(r#"{"x":{"/":"bafkqaaa"},"/":{}}"#), Ok((vec!["x=bafkqaaa".into()], vec![Note::MalformedLink])));
}

#[test]
fn refuses_what_is_not_json() {
    let at = |json: &str| scan_links(json.as_bytes(), 9, |_, _| {}).map_err(|e| (e.at, matches!(e.kind, NodeErrorKind::Json(_))));
    assert_eq!(at("{} {}"), Err((3, true)));
    assert_eq!(at("[1,\n2,\nx]"), Err((7, true)));
    assert!(at("[1").is_err());
    assert!(scan_links(b"\"\xff\"", 9, |_, _| {}).is_err());
    assert_eq!(scan(""), Err(NodeErrorKind::Empty));
}

#[test]
fn depth_is_a_limit_and_not_a_fault() {
    let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    assert_eq!(scan(&nested(126)), Ok((vec![], vec![])));
    for n in [127, 128, 200, 100_000] {
        assert_eq!(scan(&nested(n)), Err(NodeErrorKind::TooDeep { depth_max: DEPTH_MAX }), "{n}");
    }
    let error = scan_links(nested(3).as_bytes(), 2, |_, _| {}).unwrap_err();
    assert_eq!(error.kind, NodeErrorKind::TooDeep { depth_max: 2 });
    assert!(error.is_limit());
    let deep = [&b"1"[..]; 200];
    assert!(step(nested(200).as_bytes(), &deep.map(|_| &b"0"[..])).unwrap_err().is_limit());
}

#[test]
fn follows_a_path() {
    let json = r#"{"a":[{"/":"bafkqaaa"},1,{"b":{"/":"bafkqaaa"}}],"b":{"/":{"bytes":"AA"}},"a":{}}"#;
    let go = |path: &str| {
        let segments: Vec<&[u8]> = path.split('.').filter(|s| !s.is_empty()).map(str::as_bytes).collect();
        step(json.as_bytes(), &segments).unwrap()
    };
    let cid = cid::parse_text(CID).unwrap();
    assert_eq!(go("a.0"), Step::Link { cid, used: 2 });
    assert_eq!(go("a.2.b.x"), Step::Link { cid, used: 3 });
    assert_eq!(go("a.1"), Step::Value);
    assert_eq!(go(""), Step::Value);
    assert_eq!(go("b"), Step::Value);
    assert_eq!(go("b./"), Step::NotFound { used: 1 });
    assert_eq!(go("a.7"), Step::NotFound { used: 1 });
    assert_eq!(go("a.1.x"), Step::NotFound { used: 2 });
    assert_eq!(go("z"), Step::NotFound { used: 0 });
    assert!(step(b"{\"a\":1", &[b"a"]).is_err());
}

proptest! {
    #[test]
    fn never_panics(json in r#"[\[\]{}",:/\\a0b.\-e ]{0,60}"#, segments: Vec<Vec<u8>>) {
        let _ = scan_links(json.as_bytes(), 16, |_, path| path.write_to(&mut Vec::new()));
        let _ = step(json.as_bytes(), &segments.iter().map(|s| &s[..]).collect::<Vec<_>>());
    }

    #[test]
    fn never_panics_on_bytes(json: Vec<u8>) {
        let _ = scan_links(&json, 16, |_, _| {});
    }
}
