//! The text form of an [`Expect`].

use super::{ByteRange, Expect, Scope};
use crate::cid;
use crate::error::{Error, Result};
use percent_encoding::percent_decode_str;
use std::str::FromStr;

impl FromStr for Expect {
    type Err = Error;

    /// Reads `CID[/path][?query]`. A `%`, `?` or `/` inside a name is written `%25`, `%3F`, `%2F`. Parameters of the
    /// request that choose no blocks are passed over.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::error::ErrorKind::Usage) with what is wrong.
    fn from_str(text: &str) -> Result<Expect> {
        let (address, query) = text.split_once('?').unwrap_or((text, ""));
        let mut segments = strip_prefix(address).split('/').filter(|segment| !segment.is_empty());
        let root =
            segments.next().ok_or_else(|| Error::usage(format!("no CID in {text:?}, expected CID[/path][?dag-scope=…]")))?;
        let root = cid::parse_text(root).map_err(|e| Error::usage(format!("{root:?}: {e}")))?;
        let mut path = Vec::new();
        for segment in segments {
            let segment: Vec<u8> = percent_decode_str(segment).collect();
            if matches!(segment.as_slice(), b"." | b"..") {
                return Err(Error::usage(format!("{text:?}: a path of names only, without . and ..")));
            }
            path.push(segment);
        }
        Ok(Expect { root, path, scope: scope(query)? })
    }
}

fn strip_prefix(address: &str) -> &str {
    let scheme = address.split_at_checked(7).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("ipfs://"));
    let rest = scheme.map_or(address, |(_, rest)| rest);
    let rest = rest.trim_start_matches('/');
    rest.strip_prefix("ipfs/").unwrap_or(rest)
}

fn scope(query: &str) -> Result<Scope> {
    let (mut scope, mut range) = (None, None);
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match key {
            "dag-scope" if scope.is_none() => {
                scope = Some(match value {
                    "block" => Scope::Block,
                    "entity" => Scope::Entity(None),
                    "all" => Scope::All,
                    _ => return Err(Error::usage(format!("dag-scope={value}, expected block, entity or all"))),
                });
            }
            "entity-bytes" if range.is_none() => range = Some(byte_range(value)?),
            "dag-scope" | "entity-bytes" => return Err(Error::usage(format!("{key} stands there twice"))),
            "format" | "filename" | "download" | "car-version" | "car-order" | "car-dups" => {}
            _ => {
                return Err(Error::usage(format!(
                    "{key:?} is no parameter of a CAR request, expected dag-scope or entity-bytes"
                )));
            }
        }
    }
    match (scope, range) {
        (scope, None) => Ok(scope.unwrap_or_default()),
        (None | Some(Scope::Entity(_)), range) => Ok(Scope::Entity(range)),
        (Some(_), Some(_)) => Err(Error::usage("entity-bytes goes with dag-scope=entity only")),
    }
}

fn byte_range(text: &str) -> Result<ByteRange> {
    let wrong = || Error::usage(format!("entity-bytes={text}, expected FROM:TO with numbers, TO may be *"));
    let (from, to) = text.split_once(':').ok_or_else(wrong)?;
    let from: i64 = from.parse().map_err(|_| wrong())?;
    let to = if to == "*" { None } else { Some(to.parse::<i64>().map_err(|_| wrong())?) };
    if to.is_some_and(|to| (from < 0) == (to < 0) && to < from) {
        return Err(Error::usage(format!("entity-bytes={text} ends before it starts")));
    }
    Ok(ByteRange { from, to })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CID: &str = "bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am";

    fn parse(text: &str) -> Result<Expect> {
        text.replace("CID", CID).parse()
    }

    #[test]
    fn all_forms_of_an_address() {
        let root = cid::parse_text(CID).unwrap();
        for text in ["CID", "/ipfs/CID", "ipfs://CID", "IPFS://CID/", "ipfs://ipfs/CID", "CID?format=car&car-dups=n"] {
            assert_eq!(parse(text).unwrap(), Expect::whole(root), "{text}");
        }
        let expect = parse("/ipfs/CID/a//b%2Fc/%25?dag-scope=block").unwrap();
        assert_eq!((expect.path, expect.scope), (vec![b"a".to_vec(), b"b/c".to_vec(), b"%".to_vec()], Scope::Block));
    }

    #[test]
    fn scopes_and_ranges() {
        let scope = |query: &str| parse(&format!("CID?{query}")).map(|expect| expect.scope);
        let range = |from, to| Scope::Entity(Some(ByteRange { from, to }));
        assert_eq!(scope("dag-scope=all").unwrap(), Scope::All);
        assert_eq!(scope("dag-scope=entity&entity-bytes=5:*").unwrap(), range(5, None));
        assert_eq!(scope("entity-bytes=-5:-1").unwrap(), range(-5, Some(-1)));
        for wrong in [
            "dag-scope=some",
            "dag-scope=all&entity-bytes=0:1",
            "entity-bytes=5",
            "entity-bytes=a:b",
            "entity-bytes=5:4",
            "entity-bytes=-1:-5",
            "entity-bytes=0:99999999999999999999",
            "dag-scope=all&dag-scope=all",
            "scope=all",
        ] {
            assert!(matches!(scope(wrong).unwrap_err().kind, crate::error::ErrorKind::Usage), "{wrong}");
        }
        for wrong in ["", "/ipfs/", "nonsense", "CID/../x", "CID/%2e%2e", "ipns://CID"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ranges_within_a_file() {
        let within = |from, to, size| ByteRange { from, to }.within(size);
        assert_eq!(within(0, None, 10), 0..10);
        assert_eq!(within(2, Some(4), 10), 2..5);
        assert_eq!(within(-3, None, 10), 7..10);
        assert_eq!(within(-30, Some(-2), 10), 0..9);
        assert_eq!(within(5, Some(100), 10), 5..10);
        assert!(within(10, None, 10).is_empty() && within(11, Some(20), 10).is_empty() && within(0, Some(-11), 10).is_empty());
        assert!(within(i64::MIN, Some(i64::MIN), 10).is_empty() && within(i64::MAX, Some(i64::MAX), 10).is_empty());
    }
}
