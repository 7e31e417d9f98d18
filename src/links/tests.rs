//! Documents of every standard, hostile ones, and what holds for all of them.

use super::*;
use crate::address::Note;
use base64::Engine as _;
use proptest::prelude::*;

const V0: &str = "QmbWqxBEKC3P8tqsKc98xmWNzrzDtRLMiMPL8wBuTGsMnR";
const V1: &str = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi";

fn fill(pattern: &str) -> String {
    pattern.replace("V0", V0).replace("V1", V1)
}

fn scanned(pattern: &str) -> Document {
    scan(fill(pattern).as_bytes(), &ScanOptions::default()).unwrap()
}

/// Each link as "pointer role kind canonical", with short names for the CIDs.
fn shown(document: &Document) -> Vec<String> {
    let show = |link: &FoundLink| {
        let result = link.result.as_ref().map_or_else(
            |error| format!("error {}", error.reason()),
            |address| match address.kind {
                Kind::Data => "data".to_owned(),
                kind => format!("{} {}", kind.as_str(), address.canonical()),
            },
        );
        format!("{} {} {result}", link.pointer, link.role.as_str()).replace(V0, "V0").replace(V1, "V1")
    };
    document.links.iter().map(show).collect()
}

fn expect(pattern: &str, expected: &[&str]) {
    assert_eq!(shown(&scanned(pattern)), expected, "{pattern}");
}

#[test]
fn standards_of_tokens() {
    // ERC-721, with a description that holds links of its own.
    expect(
        r#"{"name":"A","description":"see [this](ipfs://V1/d.md) or https://x.y/z.","image":"ipfs://V0/1.png"}"#,
        &["/description other ipfs /ipfs/V1/d.md", "/description other http https://x.y/z", "/image image ipfs /ipfs/V0/1.png"],
    );
    // OpenSea.
    expect(
        r#"{"image":"V0","image_data":"<svg xmlns='http://www.w3.org/2000/svg'><image xlink:href='ipfs://V1/a&amp;b'/><use href='#a'/></svg>",
            "animation_url":"ipfs://V1/app/index.html","external_url":"https://x.y","youtube_url":"https://y.t/v"}"#,
        &[
            "/image image ipfs /ipfs/V0",
            "/image_data image ipfs /ipfs/V1/a&b",
            "/animation_url animation ipfs /ipfs/V1/app/index.html",
            "/external_url external http https://x.y",
            "/youtube_url external http https://y.t/v",
        ],
    );
    // ERC-7572.
    expect(
        r#"{"image":"ipfs://V0/1","banner_image":"ipfs://V0/2","featured_image":"ipfs://V0/3","external_link":"https://x.y"}"#,
        &[
            "/image image ipfs /ipfs/V0/1",
            "/banner_image image ipfs /ipfs/V0/2",
            "/featured_image image ipfs /ipfs/V0/3",
            "/external_link external http https://x.y",
        ],
    );
    // NFT.Storage, as its client writes it.
    expect(
        r#"{"name":"hello","properties":{"videoClip":"ipfs://V1/clip.mp4"},"image":"ipfs://V1/amazing%20art.svg"}"#,
        &["/properties/videoClip animation ipfs /ipfs/V1/clip.mp4", "/image image ipfs /ipfs/V1/amazing art.svg"],
    );
}

#[test]
fn lists_of_uris() {
    // Metaplex.
    expect(
        r#"{"image":"https://arweave.net/aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789-_abcde","animation_url":"ipfs://V1",
            "properties":{"files":[{"uri":"ipfs://V0/1.png","type":"image/png"},{"uri":"https://cdn/x","cdn":true}],"category":"image"}}"#,
        &[
            "/image image arweave ar://aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789-_abcde",
            "/animation_url animation ipfs /ipfs/V1",
            "/properties/files/0/uri file ipfs /ipfs/V0/1.png",
            "/properties/files/1/uri file http https://cdn/x",
        ],
    );
    // TZIP-21.
    expect(
        r#"{"artifactUri":"ipfs://V1","displayUri":"ipfs://V0","thumbnailUri":"ipfs://V0/t","externalUri":"https://x.y","rightsUri":"ipfs://V0/r",
            "formats":[{"uri":"ipfs://V1","mimeType":"video/mp4"}]}"#,
        &[
            "/artifactUri animation ipfs /ipfs/V1",
            "/displayUri image ipfs /ipfs/V0",
            "/thumbnailUri thumbnail ipfs /ipfs/V0/t",
            "/externalUri external http https://x.y",
            "/rightsUri rights ipfs /ipfs/V0/r",
            "/formats/0/uri file ipfs /ipfs/V1",
        ],
    );
    // Zora, ZRC-7 and ARC-3.
    expect(r#"{"content":{"mime":"text/html","uri":"ipfs://V1"}}"#, &["/content/uri animation ipfs /ipfs/V1"]);
    expect(r#"{"resources":[{"uri":"https://x/ipfs/V0","mime_type":"image/png"}]}"#, &["/resources/0/uri file ipfs /ipfs/V0"]);
    expect(
        r#"{"image":"ipfs://V0#arc3","image_integrity":"sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=","image_mimetype":"image/png"}"#,
        &["/image image ipfs /ipfs/V0"],
    );
}

#[test]
fn token_ids_in_any_string() {
    let text =
        fill(r#"{"image":"https:\/\/ipfs.io\/ipfs\/V0\/{id}.png","properties":{"rich":[{"value":"ipfs:\/\/V1\/{id}"}],"n":7}}"#);
    let options =
        ScanOptions { address: address::Options { token_id: Some(314592.into()), ..Default::default() }, ..Default::default() };
    let document = scan(text.as_bytes(), &options).unwrap();
    let hex = "000000000000000000000000000000000000000000000000000000000004cce0";
    assert_eq!(
        shown(&document),
        [format!("/image image ipfs /ipfs/V0/{hex}.png"), format!("/properties/rich/0/value other ipfs /ipfs/V1/{hex}")]
    );
    assert_eq!(document.links[1].raw, fill("ipfs://V1/{id}"));
    assert_eq!(document.links[1].field, "value");
}

#[test]
fn one_document_for_each_locale() {
    for text in [
        r#"{"localization":{"uri":"ipfs://V0/{locale}.json","default":"en","locales":["en","es","fr"]},"image":"V1"}"#,
        r#"{"localization":{"locales":["en","es","fr"],"default":"en","uri":"ipfs://V0/{locale}.json"},"image":"V1"}"#,
    ] {
        expect(
            text,
            &[
                "/localization/uri metadata ipfs /ipfs/V0/en.json",
                "/localization/uri metadata ipfs /ipfs/V0/es.json",
                "/localization/uri metadata ipfs /ipfs/V0/fr.json",
                "/image image ipfs /ipfs/V1",
            ],
        );
    }
    expect(
        r#"{"localization":{"uri":"ipfs://V0/{locale}.json","locales":[]}}"#,
        &["/localization/uri metadata ipfs /ipfs/V0/{locale}.json"],
    );
    let one = ScanOptions { address: address::Options { locale: Some("de".into()), ..Default::default() }, ..Default::default() };
    let text = fill(r#"{"localization":{"uri":"ipfs://V0/{locale}","locales":["en","de"]}}"#);
    assert_eq!(shown(&scan(text.as_bytes(), &one).unwrap()), ["/localization/uri metadata ipfs /ipfs/V0/de"]);
    let document = scanned(r#"{"localization":{"uri":"ipfs://V0/{locale}","locales":["../x"]}}"#);
    assert_eq!(document.links[0].result.as_ref().unwrap().notes, [Note::UnexpandedLocale]);
}

#[test]
fn payloads_are_searched() {
    let svg =
        base64::engine::general_purpose::STANDARD.encode(fill("<svg><image href='ipfs://V0/a'/><image href='b.png'/></svg>"));
    let inner = format!(r#"{{"image":"data:image/svg+xml;base64,{svg}","a/b~c":["ipfs://V1"]}}"#);
    let inner = inner.replace("V1", V1);
    let outer = base64::engine::general_purpose::STANDARD.encode(&inner);
    let text = format!(r#"{{"token_uri":"data:application/json;base64,{outer}"}}"#);
    let document = scan(text.as_bytes(), &ScanOptions::default()).unwrap();
    assert_eq!(
        shown(&document),
        [
            "/token_uri metadata data",
            "/token_uri#data/image image data",
            "/token_uri#data/image#data image ipfs /ipfs/V0/a",
            "/token_uri#data/a~1b~0c/0 other ipfs /ipfs/V1",
        ]
    );
    assert_eq!(document.links[0].result.as_ref().unwrap().payload.as_ref().unwrap().bytes, inner.as_bytes());
    // A payload that is no JSON is a note, not an end.
    let document = scanned(r#"{"a":"data:application/json,{oops","image":"V0"}"#);
    assert_eq!(
        (document.links.len(), document.notes[0].kind, document.notes[0].pointer.as_str()),
        (2, NoteKind::PayloadNotJson, "/a#data")
    );
}

#[test]
fn pages_and_pictures() {
    let page = r##"<!DOCTYPE html PUBLIC "http://www.w3.org/x"><html><head><link rel=stylesheet href=style.css>
        <style>@import "more.css"; b { background: url(../bg.png) }</style><script src="./main.js"></script>
        <script>if (a<b) load("ipfs://V1/data.json")</script></head><!-- <img src="ipfs://V0/old"> -->
        <body style="background:url('/ipfs/V0/a%20b')"><a href="mailto:a@b">x</a><a href="#top">y</a>
        <img src="https://h/ipfs/V0/1.png" srcset="a.png 1x, b,c.png 2x"><object data='o.swf'></object>
        <video poster="data:image/png;base64,iVBORw==" src="//cdn.example/v.mp4"></video>Text ipfs://V1/t</body>"##;
    expect(
        page,
        &[
            " part relative style.css",
            " part relative more.css",
            " part relative ../bg.png",
            " part relative ./main.js",
            " part ipfs /ipfs/V1/data.json",
            " part ipfs /ipfs/V0/old",
            " part ipfs /ipfs/V0/a b",
            " part other mailto:a@b",
            " part ipfs /ipfs/V0/1.png",
            " part relative a.png",
            " part relative b,c.png",
            " part relative o.swf",
            " part data",
            " part http https://cdn.example/v.mp4",
            " part ipfs /ipfs/V1/t",
        ],
    );
    let document = scanned("<svg xmlns:xlink='http://x'><image xlink:href='a.png' fill='url(#g)'/><![CDATA[ipfs://V1]]></svg>");
    assert_eq!(document.kind, DocumentKind::Svg);
    assert_eq!(shown(&document), [" part relative a.png", " part ipfs /ipfs/V1"]);
    assert_eq!(document.links[0].field, "xlink:href");
}

#[test]
fn references_resolve_against_the_page() {
    let page = address::parse(&fill("ipfs://V1/app/index.html"), &Default::default()).unwrap();
    let document = scanned("<html><script src=\"./main.js\"></script><img src=../img/a%20b.png></html>");
    let resolved: Vec<_> = document.links.iter().map(|link| resolve_relative(&page, &link.raw).unwrap().canonical()).collect();
    assert_eq!(resolved, [fill("/ipfs/V1/app/main.js"), fill("/ipfs/V1/img/a b.png")]);
}

#[test]
fn other_texts() {
    let document = scanned("# Art\n![x](img/a.png) and <ipfs://V0/b>\n");
    assert_eq!(
        (document.kind, shown(&document)),
        (DocumentKind::Markdown, vec![" part relative img/a.png".into(), " part ipfs /ipfs/V0/b".into()])
    );
    let document = scanned("@import url('x.css');\n/* ipfs://V1 */");
    assert_eq!(
        (document.kind, shown(&document)),
        (DocumentKind::Css, vec![" part relative x.css".into(), " part ipfs /ipfs/V1".into()])
    );
    expect("V0\n", &[" part ipfs /ipfs/V0"]);
    expect("read V0 today", &[]);
    expect("", &[]);
    let picture = scan(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR ipfs://x", &ScanOptions::default()).unwrap();
    assert_eq!((picture.kind, picture.links.len()), (DocumentKind::Binary, 0));
}

#[test]
fn strings_with_several_addresses_or_spaces() {
    expect(
        r#"["ipfs://V0/a b.png","ipfs://V0/a and ipfs://V1/b","ipfs://V0/a,ipfs://V1/b","https://x.y is nice"]"#,
        &[
            "/0 other ipfs /ipfs/V0/a b.png",
            "/1 other ipfs /ipfs/V0/a",
            "/1 other ipfs /ipfs/V1/b",
            "/2 other ipfs /ipfs/V0/a",
            "/2 other ipfs /ipfs/V1/b",
            "/3 other http https://x.y",
        ],
    );
    expect(
        r#"{"image":"<https://ipfs.io/ipfs/V0>","x":"https://proxy/?url=https%3A%2F%2Fipfs.io%2Fipfs%2FV0"}"#,
        &["/image image ipfs /ipfs/V0", "/x other ipfs /ipfs/V0"],
    );
}

/// The metadata of the hostile set, h01 to h10.
#[test]
fn hostile_metadata() {
    expect(r#"{"name": "x", "image": "file:///etc/passwd"}"#, &["/image image other file:///etc/passwd"]);
    expect(
        r#"{"name": "x", "image": "http://169.254.169.254/latest/meta-data/"}"#,
        &["/image image http http://169.254.169.254/latest/meta-data/"],
    );
    let document = scanned(r#"{"name":"A","image":"ipfs://good","image":"ipfs://evil"}"#);
    assert_eq!(shown(&document), ["/image image error invalid-cid", "/image image error invalid-cid"]);
    assert_eq!(document.notes, [DocumentNote { pointer: "/image".into(), kind: NoteKind::DuplicateKey }]);
    let document = scan(b"{\"name\":\"\xff\xfe\",\"image\":\"ipfs://x\"}", &ScanOptions::default()).unwrap();
    assert_eq!((document.encoding, document.notes[0].kind, document.links.len()), (Encoding::Latin1, NoteKind::Latin1, 1));
    let document = scanned(r#"{"name": "\u001b[2J\u001b]0;pwn\u0007", "description": "a\r\nb", "image": "ipfs://x"}"#);
    assert_eq!((document.links.len(), document.links[0].pointer.as_str()), (1, "/image"));
    expect(r#"{"name": {"a": 1}, "image": ["x"], "attributes": "nope", "properties": 7}"#, &[]);
    expect(
        r#"{"name": "x", "image": "data:image/svg+xml;base64,PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciPjxzY3JpcHQ+YWxlcnQoMSk8L3NjcmlwdD48L3N2Zz4="}"#,
        &["/image image data"],
    );
}

#[test]
fn encodings_and_errors() {
    let document = scan(format!("\u{feff}{{\"image\":\"{V0}\"}}\0").as_bytes(), &ScanOptions::default()).unwrap();
    assert_eq!((document.encoding, document.notes[0].kind, document.links.len()), (Encoding::Utf8Bom, NoteKind::Bom, 1));
    for (bytes, at) in
        [(&b"{\"a\":1,}"[..], 7), (b"\xef\xbb\xbf {\"a\" 1}", 9), (b"{\"\xe9\":x}", 5), (b"[1, 2", 5), (b"{\0}", 1)]
    {
        let error = scan(bytes, &ScanOptions::default()).unwrap_err();
        assert!(matches!(error, ScanError::NotJson { .. }));
        assert_eq!(error.at(), at, "{error}");
    }
    let deep = scan("[".repeat(1 << 20).as_bytes(), &ScanOptions::default()).unwrap_err();
    assert_eq!(deep, ScanError::TooDeep { at: 128, depth_max: 128 });
    assert_eq!(scanned(r#"["\ud83d"]"#).notes[0].kind, NoteKind::LoneSurrogate);
}

#[test]
fn bounds_are_kept_and_told() {
    let many = format!("[{}]", vec![format!("\"{V0}\""); 10_001].join(","));
    let document = scan(many.as_bytes(), &ScanOptions::default()).unwrap();
    assert_eq!((document.links.len(), document.truncated), (10_000, true));
    // A long key over many links: copied to each, it would be gigabytes.
    let long = format!("{{\"{}\":[{}]}}", "k".repeat(4 << 20), vec![format!("\"{V0}\""); 1000].join(","));
    let document = scan(long.as_bytes(), &ScanOptions::default()).unwrap();
    assert!(document.truncated && document.links.len() < 20);
    let nested = (0..9).fold(fill("ipfs://V0"), |inner, _| format!("data:,{}", inner.replace('%', "%25")));
    let document = scan(nested.as_bytes(), &ScanOptions::default()).unwrap();
    assert_eq!(document.notes.last().map(|note| note.kind), Some(NoteKind::NestedPayload));
}

/// Hostile text must cost no more than its length; each of these would take minutes if something looked ahead from each place.
#[test]
fn a_long_document_is_read_once() {
    let started = std::time::Instant::now();
    let units = [
        "<",
        "<a ",
        "<a b=",
        "<a/b=",
        "<a b=\"",
        "<!--",
        "<![CDATA[",
        "<style>",
        "<script></s",
        "</script",
        "url(",
        "url('",
        "](",
        "](<",
        "@import '",
        "/ipfs/",
        "ipfs:",
        "ipfs://",
        "https://",
        "data:,",
        "data:a/b,",
        ",/ipfs/",
        "&",
        "&#",
        "{id}",
        "{",
        "[",
        "(",
        "%2F",
        "'",
        "\n# ",
        "\u{e9}",
        "[]",
        "[\"\"],",
        "{\"a\":1},",
        "<a srcset='a,",
    ];
    for unit in units {
        for start in ["", "<html>", "<svg ", "{\"a\":\"", "[", "# x\n", "/* */", "<a href=\"", "<a srcset=\"", "{\"k\":["] {
            let text = format!("{start}{}", unit.repeat((256 << 10) / unit.len()));
            let _ = scan(text.as_bytes(), &ScanOptions::default());
        }
    }
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}

/// Pieces that make documents, so that random text gets past the first character.
fn document_like() -> impl Strategy<Value = Vec<u8>> {
    let words = vec![
        "{\"image\":\"",
        "\"",
        "\":",
        "[",
        "]",
        "}",
        ",",
        "ipfs://V0",
        "V1",
        "/ipfs/V1/",
        "data:application/json,",
        "data:a/b;base64,",
        "<svg ",
        "<a href='",
        "<style>",
        "</style>",
        "<!--",
        "-->",
        "srcset=",
        "url(",
        ")",
        "@import ",
        "](",
        "&#x2f;",
        "&amp;",
        "\\ud83d",
        "\\u0000",
        "\"localization\":{\"uri\":\"",
        "{locale}",
        "\"locales\":[\"en\"]",
        "{id}",
        "https://",
        "%7B",
        "\u{feff}",
        " ",
        "\n",
        "\0",
    ];
    let piece = prop_oneof![
        prop::sample::select(words).prop_map(|word| fill(word).into_bytes()),
        prop::collection::vec(any::<u8>(), 0..4)
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn any_document_is_safe(bytes in document_like()) {
        let options = ScanOptions { address: address::Options { token_id: Some(1.into()), ..Default::default() }, ..Default::default() };
        if let Ok(document) = scan(&bytes, &options) {
            prop_assert!(!document.truncated);
            prop_assert!(document.links.iter().all(|link| !link.raw.is_empty()));
        }
    }

    /// Whatever stands around an address in a JSON string, the address is found.
    #[test]
    fn an_address_in_a_string_is_found(before in "[a-zA-Z .!\\n]{0,20} ", after in " [a-zA-Z .!\\n]{0,20}") {
        let text = serde_json::json!({ "x": format!("{before}ipfs://{V0}/a.png{after}") }).to_string();
        let document = scan(text.as_bytes(), &ScanOptions::default()).unwrap();
        prop_assert!(document.links.iter().any(|link| link.result.as_ref().is_ok_and(|a| a.root.is_some())), "{}", text);
    }
}
