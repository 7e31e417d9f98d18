//! The rules of the manifest's schema that types alone do not hold.

use super::manifest::{Archive, ChainRecord, Item, Link, Manifest, MetadataRecord, SCHEMA};

/// The first value that the schema does not allow, and where it stands.
pub(super) fn first_fault(manifest: &Manifest) -> Option<String> {
    let mut faults = Faults(None);
    faults.check("/schema", &manifest.schema, |text| text == SCHEMA);
    faults.check("/generator", &manifest.generator, |text| {
        text.strip_prefix("cartool ").is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit()))
    });
    faults.check("/created", &manifest.created, is_time);
    faults.check("/updated", &manifest.updated, is_time);
    for (at, item) in manifest.items.iter().enumerate() {
        faults.item(&format!("/items/{at}"), item);
    }
    for (at, archive) in manifest.archives.iter().enumerate() {
        faults.archive(&format!("/archives/{at}"), archive);
    }
    if let Some(reprovide) = &manifest.reprovide {
        faults.all("/reprovide/pin", &reprovide.pin, is_cid);
        for (at, partial) in reprovide.partial.iter().enumerate() {
            faults.check(&format!("/reprovide/partial/{at}/root"), &partial.root, is_cid);
            faults.all(&format!("/reprovide/partial/{at}/paths"), &partial.paths, is_path);
        }
    }
    faults.0
}

/// The first fault, once there is one.
struct Faults(Option<String>);

impl Faults {
    fn check(&mut self, pointer: &str, value: &str, rule: impl Fn(&str) -> bool) {
        if self.0.is_none() && !rule(value) {
            let shown: String = value.chars().take(80).collect();
            self.0 = Some(format!("{pointer} may not be {shown:?}"));
        }
    }

    fn maybe(&mut self, pointer: &str, value: Option<&String>, rule: impl Fn(&str) -> bool) {
        if let Some(value) = value {
            self.check(pointer, value, rule);
        }
    }

    fn all(&mut self, pointer: &str, values: &[String], rule: impl Fn(&str) -> bool) {
        values.iter().for_each(|value| self.check(pointer, value, &rule));
    }

    fn item(&mut self, pointer: &str, item: &Item) {
        if let Some(chain) = &item.chain {
            self.chain(&format!("{pointer}/chain"), chain);
        }
        if let Some(metadata) = &item.metadata {
            self.metadata(&format!("{pointer}/metadata"), metadata);
        }
        for (at, link) in item.links.iter().enumerate() {
            self.link(&format!("{pointer}/links/{at}"), link);
        }
    }

    fn chain(&mut self, pointer: &str, chain: &ChainRecord) {
        self.check(&format!("{pointer}/chain_id"), &chain.chain_id, is_chain);
        self.check(&format!("{pointer}/contract"), &chain.contract, |text| is_hex(text, 40));
        self.check(&format!("{pointer}/block_hash"), &chain.block_hash, |text| is_hex(text, 64));
        self.check(&format!("{pointer}/standard"), &chain.standard, |text| matches!(text, "erc721" | "erc1155"));
        self.check(&format!("{pointer}/function"), &chain.function, |text| {
            matches!(text, "tokenURI(uint256)" | "uri(uint256)" | "contractURI()")
        });
        self.check(&format!("{pointer}/token_id"), &chain.token_id, |text| {
            let is_digits = text.len() <= 78 && text.bytes().all(|b| b.is_ascii_digit());
            is_digits && (text == "0" || (!text.is_empty() && !text.starts_with('0')))
        });
    }

    fn metadata(&mut self, pointer: &str, metadata: &MetadataRecord) {
        self.check(&format!("{pointer}/file"), &metadata.file, is_file);
        self.check(&format!("{pointer}/sha256"), &metadata.sha256, is_sha256);
        self.maybe(&format!("{pointer}/cid"), metadata.cid.as_ref(), is_cid);
        self.maybe(&format!("{pointer}/path"), metadata.path.as_ref(), |text| text.starts_with("/ipfs/"));
        self.maybe(&format!("{pointer}/encoding"), metadata.encoding.as_ref(), |text| {
            matches!(text, "utf-8" | "utf-8-bom" | "latin-1")
        });
    }

    fn link(&mut self, pointer: &str, link: &Link) {
        self.maybe(&format!("{pointer}/path"), link.path.as_ref(), |text| {
            text.starts_with("/ipfs/") || text.starts_with("/ipns/")
        });
        self.maybe(&format!("{pointer}/root"), link.root.as_ref(), is_cid);
        self.maybe(&format!("{pointer}/cid"), link.cid.as_ref(), is_cid);
        self.maybe(&format!("{pointer}/file"), link.file.as_ref(), is_file);
    }

    fn archive(&mut self, pointer: &str, archive: &Archive) {
        self.check(&format!("{pointer}/root"), &archive.root, is_cid);
        self.check(&format!("{pointer}/file"), &archive.file, is_file);
        self.check(&format!("{pointer}/sha256"), &archive.sha256, is_sha256);
        self.all(&format!("{pointer}/paths"), &archive.paths, is_path);
        self.all(&format!("{pointer}/header_roots"), &archive.header_roots, is_cid);
        self.check(&format!("{pointer}/header_roots"), "[]", |_| !archive.header_roots.is_empty());
        for missing in &archive.missing {
            self.check(&format!("{pointer}/missing"), &missing.cid, is_cid);
        }
    }
}

fn is_time(text: &str) -> bool {
    let shape = |(at, byte): (usize, u8)| match at {
        4 | 7 => byte == b'-',
        10 => byte == b'T',
        13 | 16 => byte == b':',
        19 => byte == b'Z',
        _ => byte.is_ascii_digit(),
    };
    text.len() == 20 && text.bytes().enumerate().all(shape)
}

fn is_cid(text: &str) -> bool {
    let is_base58 = |b: u8| b.is_ascii_alphanumeric() && !matches!(b, b'0' | b'O' | b'I' | b'l');
    match text.strip_prefix("Qm") {
        Some(rest) => rest.len() == 44 && rest.bytes().all(is_base58),
        None => text
            .strip_prefix('b')
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7'))),
    }
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.strip_prefix("0x").is_some_and(|hex| hex.len() == digits && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

fn is_path(text: &str) -> bool {
    text.starts_with('/')
}

/// A file of the payload, below `data/` whatever stands in it.
pub(super) fn is_file(text: &str) -> bool {
    text.strip_prefix("data/").is_some_and(|rest| {
        !rest.is_empty()
            && !rest.contains(['\\', ':', '\0'])
            && rest.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
    })
}

fn is_chain(text: &str) -> bool {
    text.split_once(':').is_some_and(|(namespace, reference)| {
        (3..=8).contains(&namespace.len())
            && namespace.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
            && (1..=32).contains(&reference.len())
            && reference.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        assert!(is_time("2026-11-22T14:00:00Z") && !is_time("2026-11-22 14:00:00Z") && !is_time("2026-11-22T14:00:00"));
        for cid in ["bafkqaaa", "QmbWqxBEKC3P8tqsKc98xmWNzrzDtRLMiMPL8wBuTGsMnR"] {
            assert!(is_cid(cid), "{cid}");
        }
        for cid in ["", "b", "Qm", "zdj7W", "bafk/../x", "BAFY"] {
            assert!(!is_cid(cid), "{cid}");
        }
        for file in ["data/manifest.json", "data/cars/b.car", "data/a..b/c"] {
            assert!(is_file(file), "{file}");
        }
        for file in
            ["data/", "data", "data/../x", "data/a/../../x", "/etc/passwd", "data//x", "data/a:b", "data/a\\b", "data/./x"]
        {
            assert!(!is_file(file), "{file}");
        }
        assert!(is_chain("eip155:1") && !is_chain("eip155:") && !is_chain("e:1"));
        assert!(is_hex("0xab", 2) && !is_hex("0xAB", 2) && !is_hex("ab", 2));
    }
}
