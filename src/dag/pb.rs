//! DAG-PB nodes (DAG-PB specification), read strictly and written canonically.

use super::protobuf::{Fields, Value};
use super::{NodeError, NodeErrorKind, Note, Notes, error};
use crate::cid::RawCid;
use crate::varint;

const NODE: &str = "a dag-pb node";
const LINK: &str = "a dag-pb link";

/// One link of a node (`PBLink`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PbLink<'a> {
    /// The block it names.
    pub cid: RawCid<'a>,
    /// Its name; raw bytes, UTF-8 only by convention.
    pub name: Option<&'a [u8]>,
    /// What the writer claims the linked DAG takes, in bytes: a hint, never to be relied on.
    pub tsize: Option<u64>,
}

impl<'a> PbLink<'a> {
    /// The name, empty when there is none: other readers do not tell these apart.
    pub fn name(&self) -> &'a [u8] {
        self.name.unwrap_or_default()
    }
}

/// A node without its links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PbInfo<'a> {
    /// The node's own bytes; a UnixFS message in most nodes.
    pub data: Option<&'a [u8]>,
    /// Where `data` starts in the block.
    pub data_at: usize,
    /// How many links there are.
    pub link_count: usize,
    /// What is unusual about the encoding.
    pub notes: Notes,
}

/// Reads a node and reports its links in the order of the bytes. Allocates nothing.
///
/// `Data` may stand before or after the links. Nothing of the links' order or names is checked; see [`PbInfo::notes`].
///
/// # Errors
/// [`NodeError`] for unknown fields or wire types, a repeated or misplaced field, and a link without exactly one CID.
pub fn scan<'a>(block: &'a [u8], mut on_link: impl FnMut(PbLink<'a>)) -> Result<PbInfo<'a>, NodeError> {
    let mut fields = Fields::new(block, 0);
    let mut info = PbInfo::default();
    let mut last_name: &[u8] = &[];
    let mut links_ended = false;
    while let Some(field) = fields.read()? {
        match (field.number, field.value) {
            (1, Value::Bytes(data, data_at)) => {
                if info.data.is_some() {
                    return Err(error(field.at, NodeErrorKind::RepeatedField { message: NODE, field: 1 }));
                }
                (info.data, info.data_at) = (Some(data), data_at);
                links_ended = info.link_count > 0;
            }
            (2, Value::Bytes(link, at)) => {
                if links_ended {
                    return Err(error(field.at, NodeErrorKind::SplitLinks));
                }
                if info.data.is_some() {
                    info.notes.insert(Note::DataFirst);
                }
                let link = read_link(link, at, &mut info.notes)?;
                if link.name() < last_name {
                    info.notes.insert(Note::UnsortedLinks);
                }
                last_name = link.name();
                info.link_count = info.link_count.saturating_add(1);
                on_link(link);
            }
            _ => return Err(field.unexpected(NODE)),
        }
    }
    if fields.long_varint {
        info.notes.insert(Note::LongVarint);
    }
    Ok(info)
}

/// Reads the message `PBLink`: Hash, Name, Tsize, in this order, each at most once.
#[inline]
fn read_link<'a>(message: &'a [u8], at: usize, notes: &mut Notes) -> Result<PbLink<'a>, NodeError> {
    let mut fields = Fields::new(message, at);
    let (mut cid, mut name, mut tsize) = (None, None, None);
    let mut last = 0;
    while let Some(field) = fields.read()? {
        if field.number <= last {
            let kind = if field.number == last {
                NodeErrorKind::RepeatedField { message: LINK, field: last }
            } else {
                NodeErrorKind::FieldOrder { message: LINK, field: field.number, after: last }
            };
            return Err(error(field.at, kind));
        }
        last = field.number;
        match (field.number, field.value) {
            (1, Value::Bytes(hash, at)) => {
                cid = Some(RawCid::parse(hash).map_err(|e| error(at, NodeErrorKind::Cid(e)))?);
            }
            (2, Value::Bytes(bytes, _)) => name = Some(bytes),
            (3, Value::Varint(value)) => tsize = Some(value),
            _ => return Err(field.unexpected(LINK)),
        }
    }
    if fields.long_varint {
        notes.insert(Note::LongVarint);
    }
    match cid {
        Some(cid) => Ok(PbLink { cid, name, tsize }),
        None => Err(error(at, NodeErrorKind::MissingField { message: LINK, field: "Hash" })),
    }
}

/// A node with its links in memory: at most some ten times the block. [`scan`] needs none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PbNode<'a> {
    /// The links, in the order of the block.
    pub links: Vec<PbLink<'a>>,
    /// Everything else.
    pub info: PbInfo<'a>,
}

impl<'a> PbNode<'a> {
    /// Reads a node.
    ///
    /// # Errors
    /// As [`scan`].
    pub fn parse(block: &'a [u8]) -> Result<PbNode<'a>, NodeError> {
        let mut links = Vec::new();
        let info = scan(block, |link| links.push(link))?;
        Ok(PbNode { links, info })
    }
}

/// Writes a node canonically: links first, in the stable order of their names, then `Data`. A link without a name or Tsize gets an
/// empty name or zero, as other writers do.
pub fn encode(links: &[PbLink<'_>], data: Option<&[u8]>) -> Vec<u8> {
    let mut sorted: Vec<&PbLink<'_>> = links.iter().collect();
    sorted.sort_by_key(|link| link.name());
    let mut out = Vec::new();
    for link in sorted {
        let (cid, name, tsize) = (link.cid.bytes(), link.name(), link.tsize.unwrap_or_default());
        let len = link_message_len(link);
        out.push(0x12);
        varint::write(len as u64, &mut out);
        write_field(0x0a, cid, &mut out);
        write_field(0x12, name, &mut out);
        out.push(0x18);
        varint::write(tsize, &mut out);
    }
    if let Some(data) = data {
        write_field(0x0a, data, &mut out);
    }
    out
}

/// The bytes that a link takes in a block.
pub(crate) fn encoded_link_len(link: &PbLink<'_>) -> usize {
    let len = link_message_len(link);
    len.saturating_add(varint::encoded_len(len as u64)).saturating_add(1)
}

fn link_message_len(link: &PbLink<'_>) -> usize {
    let tsize_len = varint::encoded_len(link.tsize.unwrap_or_default());
    [field_len(link.cid.bytes()), field_len(link.name()), 1, tsize_len].into_iter().fold(0, usize::saturating_add)
}

fn field_len(bytes: &[u8]) -> usize {
    bytes.len().saturating_add(varint::encoded_len(bytes.len() as u64)).saturating_add(1)
}

fn write_field(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    varint::write(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cid::CidError;
    use proptest::prelude::*;

    const CID: [u8; 6] = [1, 0x55, 0, 2, b'h', b'i'];

    fn field(tag: u8, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        write_field(tag, bytes, &mut out);
        out
    }

    fn link(name: &str) -> Vec<u8> {
        field(0x12, &[field(0x0a, &CID), field(0x12, name.as_bytes()), vec![0x18, 5]].concat())
    }

    fn refused(block: &[u8]) -> (usize, NodeErrorKind) {
        let e = PbNode::parse(block).unwrap_err();
        (e.at, e.kind)
    }

    #[test]
    fn reads_links_and_data_in_both_orders() {
        let data = field(0x0a, b"data");
        let canonical = [link("a"), link("b"), data.clone()].concat();
        let node = PbNode::parse(&canonical).unwrap();
        assert_eq!(node.info.data, Some(&b"data"[..]));
        assert_eq!(&canonical[node.info.data_at..], b"data");
        assert!(node.info.notes.is_empty());
        let names: Vec<_> = node.links.iter().map(|l| (l.name(), l.tsize, l.cid.bytes())).collect();
        assert_eq!(names, [(&b"a"[..], Some(5), &CID[..]), (b"b", Some(5), &CID)]);
        assert_eq!(encode(&node.links, node.info.data), canonical);

        let odd = [data, link("b"), link("a")].concat();
        let node = PbNode::parse(&odd).unwrap();
        assert_eq!(node.info.notes.iter().collect::<Vec<_>>(), [Note::DataFirst, Note::UnsortedLinks]);
        assert_eq!(encode(&node.links, node.info.data), canonical);
    }

    #[test]
    fn an_empty_block_is_a_node() {
        assert_eq!(scan(b"", |_| unreachable!()), Ok(PbInfo::default()));
        assert_eq!(encode(&[], None), b"");
        assert_eq!(encode(&[], Some(&[8, 1])), [0x0a, 2, 8, 1]);
    }

    #[test]
    fn a_link_without_name_and_tsize_is_written_with_both() {
        let block = field(0x12, &field(0x0a, &CID));
        let node = PbNode::parse(&block).unwrap();
        assert_eq!((node.links[0].name, node.links[0].tsize), (None, None));
        assert_eq!(encode(&node.links, None), field(0x12, &[field(0x0a, &CID), vec![0x12, 0, 0x18, 0]].concat()));
    }

    #[test]
    fn refuses_what_the_specification_refuses() {
        use NodeErrorKind as K;
        let (a, data) = (link("a"), field(0x0a, b"d"));
        let node = |parts: &[&[u8]]| parts.concat();
        let at = a.len();
        assert_eq!(refused(&node(&[&a, &data, &a])), (at + 3, K::SplitLinks));
        assert_eq!(refused(&node(&[&data, &data])), (3, K::RepeatedField { message: NODE, field: 1 }));
        assert_eq!(refused(&node(&[&data, &a, &data])), (at + 3, K::RepeatedField { message: NODE, field: 1 }));
        assert_eq!(refused(&[0x3a, 0]), (0, K::UnexpectedField { message: NODE, field: 7, wire: 2 }));
        assert_eq!(refused(&[0x08, 1]), (0, K::UnexpectedField { message: NODE, field: 1, wire: 0 }));
        assert_eq!(refused(&[0x02, 0]), (0, K::FieldNumber(0)));

        let in_link = |parts: &[&[u8]]| refused(&field(0x12, &parts.concat()));
        let (hash, name) = (field(0x0a, &CID), field(0x12, b"n"));
        assert_eq!(in_link(&[&name]), (2, K::MissingField { message: LINK, field: "Hash" }));
        assert_eq!(in_link(&[&[0x0a, 0]]), (4, K::Cid(CidError::Truncated("version"))));
        assert_eq!(in_link(&[&field(0x0a, &[&CID[..], &[9]].concat())]), (4, K::Cid(CidError::TrailingBytes(1))));
        assert_eq!(in_link(&[&name, &hash]), (5, K::FieldOrder { message: LINK, field: 1, after: 2 }));
        assert_eq!(in_link(&[&hash, &hash]), (10, K::RepeatedField { message: LINK, field: 1 }));
        assert_eq!(in_link(&[&hash, &[0x1a, 0]]), (10, K::UnexpectedField { message: LINK, field: 3, wire: 2 }));
        assert_eq!(in_link(&[&[0x0a, 200, 1]]).1, K::Overrun { what: "a protobuf field", declared: 200, left: 0 });
    }

    proptest! {
        #[test]
        fn never_panics(block: Vec<u8>) {
            let _ = PbNode::parse(&block);
        }

        #[test]
        fn never_panics_near_a_node(names: Vec<String>, at: prop::sample::Index, byte: u8) {
            let mut block: Vec<u8> = names.iter().flat_map(|n| link(n)).collect();
            block.extend(field(0x0a, b"x"));
            let i = at.index(block.len());
            block[i] = byte;
            let _ = PbNode::parse(&block);
        }

        #[test]
        fn scans_what_it_encodes(names: Vec<Vec<u8>>, tsize: u64, data: Option<Vec<u8>>) {
            let cid = RawCid::parse(&CID).unwrap();
            let links: Vec<_> = names.iter().map(|n| PbLink { cid, name: Some(n), tsize: Some(tsize) }).collect();
            let block = encode(&links, data.as_deref());
            let node = PbNode::parse(&block).unwrap();
            let mut sorted = names.clone();
            sorted.sort();
            prop_assert!(node.info.notes.is_empty());
            prop_assert_eq!(node.links.iter().map(|l| l.name().to_vec()).collect::<Vec<_>>(), sorted);
            prop_assert!(node.links.iter().all(|l| l.tsize == Some(tsize)));
            prop_assert_eq!(node.info.data, data.as_deref());
            prop_assert_eq!(encode(&node.links, node.info.data), block);
        }
    }
}
