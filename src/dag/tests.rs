use super::*;

fn collect(codec: u64, block: &[u8]) -> Result<(Vec<String>, Coverage), NodeErrorKind> {
    let mut found = Vec::new();
    let outcome = links(codec, block, 64, &mut |cid, path| found.push(format!("{path:?} {cid}")));
    outcome.map(|outcome| (found, outcome.coverage)).map_err(|e| e.kind)
}

#[test]
fn every_codec_has_its_reader() {
    let pb = [0x12, 0x0b, 0x0a, 4, 1, 0x55, 0, 0, 0x12, 1, b'n', 0x18, 0];
    assert_eq!(collect(codec::DAG_PB, &pb), Ok((vec!["Path(n) bafkqaaa".into()], Coverage::Read)));
    let cbor = [0x81, 0xd8, 0x2a, 0x45, 0, 1, 0x55, 0, 0];
    assert_eq!(collect(codec::DAG_CBOR, &cbor), Ok((vec!["Path(0) bafkqaaa".into()], Coverage::Read)));
    let json = br#"{"a":{"/":"bafkqaaa"}}"#;
    assert_eq!(collect(codec::DAG_JSON, json), Ok((vec!["Path(a) bafkqaaa".into()], Coverage::Read)));
    for leaf in [codec::RAW, codec::JSON, codec::CBOR] {
        assert_eq!(collect(leaf, &cbor), Ok((vec![], Coverage::Leaf)));
    }
    for unread in [codec::LIBP2P_KEY, 0x78, 0x90, codec::FIL_COMMITMENT_SEALED] {
        assert_eq!(collect(unread, &cbor), Ok((vec![], Coverage::Unread)));
    }
}

#[test]
fn only_dag_pb_may_be_empty() {
    assert_eq!(collect(codec::DAG_PB, b""), Ok((vec![], Coverage::Read)));
    assert_eq!(collect(codec::DAG_CBOR, b""), Err(NodeErrorKind::Empty));
    assert_eq!(collect(codec::DAG_JSON, b""), Err(NodeErrorKind::Empty));
    assert_eq!(collect(codec::RAW, b""), Ok((vec![], Coverage::Leaf)));
}

#[test]
fn errors_say_expected_and_actual_and_where() {
    let e = links(codec::DAG_PB, b"not dag-pb", 64, &mut |_, _| {}).unwrap_err();
    assert_eq!(e.to_string(), "protobuf wire type 6, expected 0, 1, 2 or 5 (at byte 0 of the block)");
    assert_eq!(e.shifted(100).at, 100);
    let e = links(codec::DAG_CBOR, &[0x82, 0xc1, 0], 64, &mut |_, _| {}).unwrap_err();
    assert_eq!(e.to_string(), "CBOR tag 1, expected 42 (a link) (at byte 1 of the block)");
}
