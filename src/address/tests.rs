//! The forms of addresses, one by one, and what holds for all of them.

use super::*;
use crate::cid::CidError;
use proptest::prelude::*;

const V0: &str = "QmbWqxBEKC3P8tqsKc98xmWNzrzDtRLMiMPL8wBuTGsMnR";
const V1: &str = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi";
const K: &str = "k2jmtxw8rjh1z69c6not3wtdxb0u3urbzhyll1t9jg6ox26dhi5sfi1m";

/// `V0`, `V1` and `K` in a pattern stand for the CIDs.
fn fill(pattern: &str) -> String {
    pattern.replace("V0", V0).replace("V1", V1).replace("{K}", K)
}

fn read(pattern: &str) -> Result<Address, AddressError> {
    parse(&fill(pattern), &Options::default())
}

fn canonical(pattern: &str) -> String {
    read(pattern).map_or_else(|error| format!("error {}", error.reason()), |address| address.canonical())
}

#[test]
fn forms_with_a_canonical_path() {
    for (input, expected) in [
        // 1: schemes and slashes.
        ("ipfs://V1", "/ipfs/V1"),
        ("IPFS://V1", "/ipfs/V1"),
        ("ipfs:V1", "/ipfs/V1"),
        ("ipfs:/V1", "/ipfs/V1"),
        // 2 and 3: names, and the namespace repeated.
        ("ipfs://V0/1.json", "/ipfs/V0/1.json"),
        ("ipfs://ipfs/V0/asset.png", "/ipfs/V0/asset.png"),
        ("/ipfs/ipfs/V0", "/ipfs/V0"),
        ("https://ipfs.io/ipfs/ipfs://V0/x", "/ipfs/V0/x"),
        ("ipfs://https://ipfs.io/ipfs/V0/x", "/ipfs/V0/x"),
        // 4 and 5: encoded names.
        ("ipfs://V1/amazing%20art.svg", "/ipfs/V1/amazing art.svg"),
        ("/ipfs/V0/a b.png", "/ipfs/V0/a b.png"),
        ("/ipfs/V0/a%20b.png", "/ipfs/V0/a%20b.png"),
        // 6: bare.
        ("V0", "/ipfs/V0"),
        ("V1/1.json", "/ipfs/V1/1.json"),
        ("ipfs/V1/1.json", "/ipfs/V1/1.json"),
        // 7 to 9: gateways.
        ("https://any.host/ipfs/V0/x.png?filename=y#z", "/ipfs/V0/x.png"),
        ("http://127.0.0.1:8080/ipfs/V1", "/ipfs/V1"),
        ("https://V1.ipfs.dweb.link/x", "/ipfs/V1/x"),
        ("http://V1.ipfs.localhost:8080", "/ipfs/V1"),
        ("https://{K}.ipfs.dweb.link", "/ipfs/V1"),
        // 10: other schemes.
        ("dweb:/ipfs/V0", "/ipfs/V0"),
        ("web+ipfs://V1", "/ipfs/V1"),
        ("fs:/ipfs/V0", "/ipfs/V0"),
        // 11: the old API.
        ("https://host/api/v0/cat?arg=V0", "/ipfs/V0"),
        ("https://host/api/v0/cat/V0", "/ipfs/V0"),
        ("https://host/api/v0/get?x=1&arg=%2Fipfs%2FV0%2Fa", "/ipfs/V0/a"),
        ("https://host/api/v0/block/get?arg=V0", "/ipfs/V0"),
        ("https://host/api/v0/dag/export?arg=V0", "/ipfs/V0"),
        // 14: names.
        ("ipns://name.eth/p", "/ipns/name.eth/p"),
        ("/ipns/Docs.IPFS.tech/p", "/ipns/docs.ipfs.tech/p"),
        ("https://en-wikipedia--on--ipfs-org.ipns.dweb.link/p", "/ipns/en.wikipedia-on-ipfs.org/p"),
        // 17: wrapping.
        ("'ipfs://V1'", "/ipfs/V1"),
        ("<https://ipfs.io/ipfs/V1>", "/ipfs/V1"),
        (" ipfs://V1/x\n", "/ipfs/V1/x"),
        ("ipfs://V1\0\0", "/ipfs/V1"),
        // 19: a promised hash around it.
        ("sha256://0x2b1e4b3a7e5d4c6f8091a2b3c4d5e6f70123456789abcdef0123456789abcdef/ipfs:%2F%2FV0", "/ipfs/V0"),
        // 22: proxies.
        ("https://proxy/?url=https%3A%2F%2Fipfs.io%2Fipfs%2FV0", "/ipfs/V0"),
        ("https://proxy/300x300/https://ipfs.io/ipfs/V0/a", "/ipfs/V0/a"),
        ("https://proxy/https%3A%2F%2Fipfs.io%2Fipfs%2FV0", "/ipfs/V0"),
        // Rules: dots, encoded slashes, plus signs, empty names.
        ("ipfs://V1/a/./b/../../../c", "/ipfs/V1/c"),
        ("ipfs://V1/a%2Fb", "/ipfs/V1/a%2Fb"),
        ("ipfs://V1/a+b", "/ipfs/V1/a+b"),
        ("ipfs://V1//a///b/", "/ipfs/V1/a/b"),
        ("/ipfs/V0?filename=x", "/ipfs/V0"),
    ] {
        assert_eq!(canonical(input), fill(expected), "{input}");
    }
}

#[test]
fn forms_of_other_kinds() {
    let transaction = "aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789-_abcde";
    for (input, kind, expected) in [
        // 12: web sites that only look like it.
        ("https://github.com/ipfs/js-ipfs/tree/master", Kind::Http, "https://github.com/ipfs/js-ipfs/tree/master"),
        ("https://V1.dweb.link", Kind::Http, "https://V1.dweb.link"),
        ("https://example.com/ipns/name", Kind::Http, "https://example.com/ipns/name"),
        ("http://169.254.169.254/latest/meta-data/", Kind::Http, "http://169.254.169.254/latest/meta-data/"),
        // 18: other networks.
        ("ar://TX/p?q=1", Kind::Arweave, "ar://TX/p"),
        (&format!("https://arweave.net/{transaction}"), Kind::Arweave, &format!("ar://{transaction}")),
        ("https://arweave.net/info", Kind::Http, "https://arweave.net/info"),
        ("bzz://c0ffee/x", Kind::Swarm, "bzz://c0ffee/x"),
        ("web3://0xabc:1/tokenURI/1", Kind::Onchain, "web3://0xabc:1/tokenURI/1"),
        ("onchain:0xabc", Kind::Onchain, "onchain:0xabc"),
        // 20: templates.
        (
            "template-ipfs://{ipfscid:1:raw:reserve:sha2-256}#arc3",
            Kind::Template,
            "template-ipfs://{ipfscid:1:raw:reserve:sha2-256}",
        ),
        ("file:///etc/passwd", Kind::Other, "file:///etc/passwd"),
        ("javascript:alert(1)", Kind::Other, "javascript:alert(1)"),
    ] {
        let address = read(input).unwrap();
        assert_eq!((address.kind, address.canonical()), (kind, fill(expected)), "{input}");
    }
}

#[test]
fn payloads_are_decoded() {
    for (input, kind, media_type, bytes) in [
        ("data:application/json;base64,eyJhIjoxfQ==", Kind::Data, "application/json", r#"{"a":1}"#),
        ("data:application/json,{%22a%22:1}", Kind::Data, "application/json", r#"{"a":1}"#),
        ("data:application/json;utf8,{\"a\":1}", Kind::Data, "application/json", r#"{"a":1}"#),
        ("data:image/svg+xml;utf8,<svg fill='#fff'/>", Kind::Data, "image/svg+xml", "<svg fill='#fff'/>"),
        (r#"{"name":"{id}"}"#, Kind::Inline, "application/json", r#"{"name":"{id}"}"#),
    ] {
        let address = parse(input, &Options { token_id: Some(1.into()), ..Options::default() }).unwrap();
        let payload = address.payload.unwrap();
        assert_eq!(
            (address.kind, payload.media_type.as_str(), payload.bytes.as_slice()),
            (kind, media_type, bytes.as_bytes()),
            "{input}"
        );
    }
}

#[test]
fn parts_are_kept() {
    let address = read("https://any.host/ipfs/V0/x.png?filename=y#z").unwrap();
    assert_eq!((address.query.as_deref(), address.fragment.as_deref()), (Some("filename=y"), Some("z")));
    assert_eq!((address.hint_host.as_deref(), address.hint_scheme), (Some("any.host"), Some("https")));
    assert_eq!(read("http://V1.ipfs.localhost:8080").unwrap().hint_host.as_deref(), Some("localhost:8080"));
    assert_eq!(read("template-ipfs://{ipfscid}#arc3").unwrap().fragment.as_deref(), Some("arc3"));
    assert_eq!(read("'ipfs://V1'").unwrap().notes, [Note::Unwrapped]);
    assert_eq!(read("https://proxy/?url=https%3A%2F%2Fipfs.io%2Fipfs%2FV0").unwrap().notes, [Note::ViaProxy]);
    let hashed = read(&format!("sha256://0x{}01/ipfs:%2F%2FV0", "0".repeat(62))).unwrap();
    assert_eq!(hashed.sha256.unwrap()[31], 1);
}

#[test]
fn two_readings_where_writers_differ() {
    let readings = |pattern: &str| read(pattern).unwrap().readings().map(|names| names.join("/")).collect::<Vec<_>>();
    assert_eq!(readings("ipfs://V1/amazing%20art.svg"), ["amazing art.svg", "amazing%20art.svg"]);
    assert_eq!(readings("/ipfs/V0/a%20b.png"), ["a%20b.png", "a b.png"]);
    assert_eq!(readings("/ipfs/V0/a b.png"), ["a b.png"]);
    assert_eq!(readings("ipfs://V1/Art #1.png"), ["Art", "Art #1.png"]);
    let in_page = Options { paths: PathReading::Url, ..Options::default() };
    let address = parse(&fill("/ipfs/V0/a%20b.png?x"), &in_page).unwrap();
    assert_eq!(address.segments, ["a b.png"]);
}

#[test]
fn token_ids_and_locales() {
    let options = Options { token_id: Some(314592.into()), locale: Some("fr".into()), ..Options::default() };
    let hex = "000000000000000000000000000000000000000000000000000000000004cce0";
    for (input, expected) in [
        ("ipfs://V1/{id}.json", format!("/ipfs/V1/{hex}.json")),
        ("ipfs://V1/0x{id}", format!("/ipfs/V1/{hex}")),
        ("ipfs://V1/%7Bid%7D", format!("/ipfs/V1/{hex}")),
        ("https://h/ipfs/V0/{locale}/{id}", format!("/ipfs/V0/fr/{hex}")),
        ("ipfs://V1/{id}#arc3", "/ipfs/V1/314592".to_owned()),
        ("ipfs://f01551220{id}", format!("/ipfs/{}", crate::cid::parse_text(&format!("f01551220{hex}")).unwrap())),
    ] {
        assert_eq!(parse(&fill(input), &options).unwrap().canonical(), fill(&expected), "{input}");
    }
    let unexpanded = read("ipfs://V1/{id}.json").unwrap();
    assert_eq!((unexpanded.canonical(), unexpanded.notes), (fill("/ipfs/V1/{id}.json"), vec![Note::UnexpandedId]));
    assert_eq!(read("ipfs://f01551220{id}"), Err(AddressError::NeedsTokenId));
}

#[test]
fn reasons() {
    for (input, reason) in [
        ("", "empty"),
        (" \0", "empty"),
        ("hello", "not-an-address"),
        ("Note: see below", "not-an-address"),
        ("{not json", "not-an-address"),
        ("/home/me/file.png", "not-an-address"),
        ("C:\\file.png", "not-an-address"),
        ("ipfs://", "missing-cid"),
        ("ipfs://good", "invalid-cid"),
        // 13: browsers fold the case of what they take for a host.
        ("qmbwqxbekc3p8tqskc98xmwnzrzdtrlmimpl8wbutgsmnr", "case-folded-cidv0"),
        ("ipfs://qmbwqxbekc3p8tqskc98xmwnzrzdtrlmimpl8wbutgsmnr/1", "case-folded-cidv0"),
        ("https://qmbwqxbekc3p8tqskc98xmwnzrzdtrlmimpl8wbutgsmnr.ipfs.dweb.link", "case-folded-cidv0"),
        ("https://h/ipfs/qmbwqxbekc3p8tqskc98xmwnzrzdtrlmimpl8wbutgsmnr", "case-folded-cidv0"),
        ("/ipfs/V0/../x", "dot-segment"),
        ("/ipns/a b", "invalid-ipns-name"),
        ("data:a/b;base64,@", "invalid-data-uri"),
        ("sha256://0x12/ipfs:%2F%2FV0", "invalid-hash"),
    ] {
        let error = read(input).unwrap_err();
        assert_eq!(error.reason(), reason, "{input}");
        assert!(!error.to_string().is_empty());
    }
    assert_eq!(parse_content("https://github.com/ipfs/js-ipfs/x", &Options::default()), Err(AddressError::NotIpfs(Kind::Http)));
    assert_eq!(parse_content(&fill("https://V1.dweb.link"), &Options::default()).unwrap_err().reason(), "not-ipfs");
    assert!(matches!(read("ipfs://good"), Err(AddressError::InvalidCid { error: CidError::Text(_), .. })));
    let nested = (0..9).fold(fill("ipfs://V0"), |inner, _| {
        let encoded = percent_encoding::utf8_percent_encode(&inner, percent_encoding::NON_ALPHANUMERIC).to_string();
        format!("sha256://0x{}/{encoded}", "0".repeat(64))
    });
    assert_eq!(parse(&nested, &Options::default()), Err(AddressError::TooNested));
}

#[test]
fn errors_quote_little() {
    let error = read(&format!("ipfs://{}", "ü".repeat(1 << 20))).unwrap_err();
    assert!(error.to_string().len() < 300);
}

/// Hostile text must cost no more than its length: each of these took minutes if any step looked ahead from each place.
#[test]
fn a_long_text_is_read_once() {
    let started = std::time::Instant::now();
    for unit in ["/ipfs/", "https://", "%2F", "ipfs:", "ipfs%3A%2F%2F", "?u=ipfs&", "{id}", "' ", "../", "9", "sha256://0x/"] {
        for start in ["", "https://h/", "ipfs://", "/ipfs/", "https://h/?u=", "data:a/b;base64,", "dweb:/"] {
            let text = format!("{start}{}", unit.repeat((1 << 20) / unit.len()));
            let _ = parse(&text, &Options { token_id: Some(7.into()), ..Options::default() });
        }
    }
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

/// Pieces that make addresses, so that random text gets past the first character.
fn address_like() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "ipfs://",
            "ipns://",
            "https://",
            "http:",
            "/ipfs/",
            "/ipns/",
            "dweb:",
            "data:",
            "a/b;base64,",
            ",",
            "ar://",
            "V0",
            "V1",
            "{K}",
            "/",
            "//",
            "?",
            "#",
            "%20",
            "%2F",
            "%25",
            "%2e",
            "..",
            ".",
            " ",
            "\0",
            "'",
            "<",
            ">",
            "{id}",
            ".ipfs.",
            ".ipns.",
            "host",
            "api/v0/cat",
            "?arg=",
            "?url=",
            "sha256://0x",
            "template-ipfs://",
            "é",
            "-",
            "@",
            ":",
            "\u{feff}",
            "[",
            "{",
            "\"a\":1}",
            "qm",
        ])
        .prop_map(str::to_owned),
        "[ -~]{0,4}",
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..10).prop_map(|pieces| fill(&pieces.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn the_canonical_form_reads_as_itself(text in address_like()) {
        for paths in [PathReading::Literal, PathReading::Url] {
            if let Ok(address) = parse(&text, &Options { paths, ..Options::default() }) {
                let canonical = address.canonical();
                let again = parse(&canonical, &Options::default());
                prop_assert_eq!(again.map(|again| again.canonical()), Ok(canonical.clone()), "{:?}", text);
                prop_assert_eq!(address.root.is_some(), address.kind == Kind::Ipfs);
                prop_assert!(!address.segments.iter().any(|name| matches!(name.as_str(), "" | "." | "..") || name.contains('/')));
            }
        }
    }

    #[test]
    fn any_text_is_safe(text: String, reference: String) {
        let _ = parse(&text, &Options { token_id: Some(1.into()), locale: Some("de".into()), ..Options::default() });
        let page = parse(&fill("ipfs://V0/a/b.html"), &Options::default()).unwrap();
        if let Some(address) = resolve_relative(&page, &reference) {
            prop_assert!(address.kind != Kind::Ipfs || address.root.is_some());
        }
    }
}
