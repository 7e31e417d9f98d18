//! One scan: what is collected, what it may cost, and how a text is turned into links.

use super::text::{Piece, Syntax, pieces};
use super::{DocumentKind, DocumentNote, Encoding, FoundLink, NoteKind, Role, ScanError, ScanOptions, markup, sniff, walk};
use crate::address::{self, Address, AddressError, Kind, PathReading};

/// What a result costs beside its texts, in bytes.
const RESULT_COST: usize = 256;
/// Most notes kept; a hostile document could have one a byte.
const NOTES_MAX: usize = 100;

/// Where in a document something stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'p> {
    pub(super) pointer: &'p str,
    pub(super) field: &'p str,
    pub(super) role: Role,
    /// How many payloads it is inside.
    pub(super) level: usize,
    /// Whether relative references mean anything: not inside a JSON string or a payload.
    pub(super) has_base: bool,
}

impl<'p> Place<'p> {
    /// The same place, labelled with the attribute when no key of a JSON document labels it.
    pub(super) fn attribute(&self, name: &'p str) -> Place<'p> {
        Place { field: if self.field.is_empty() { name } else { self.field }, ..*self }
    }
}

pub(super) struct Scanner<'o> {
    pub(super) options: &'o ScanOptions,
    pub(super) links: Vec<FoundLink>,
    pub(super) notes: Vec<DocumentNote>,
    pub(super) truncated: bool,
    spent: usize,
}

impl<'o> Scanner<'o> {
    pub(super) fn new(options: &'o ScanOptions) -> Scanner<'o> {
        Scanner { options, links: Vec::new(), notes: Vec::new(), truncated: false, spent: 0 }
    }

    /// Whether nothing more will be collected.
    pub(super) fn is_full(&self) -> bool {
        self.truncated
    }

    pub(super) fn note(&mut self, pointer: &str, kind: NoteKind) {
        let cost = RESULT_COST.saturating_add(pointer.len());
        if self.notes.len() < NOTES_MAX && self.spent.saturating_add(cost) <= self.options.output_len_max {
            self.spent = self.spent.saturating_add(cost);
            self.notes.push(DocumentNote { pointer: pointer.to_owned(), kind });
        }
    }

    /// Collects a link unless a bound is met.
    pub(super) fn push(&mut self, place: &Place<'_>, raw: &str, result: Result<Address, AddressError>) {
        let cost = RESULT_COST + place.pointer.len() + place.field.len() + raw.len().saturating_mul(3);
        self.spent = self.spent.saturating_add(cost);
        if self.truncated || self.links.len() >= self.options.max_links || self.spent > self.options.output_len_max {
            self.truncated = true;
            return;
        }
        self.links.push(FoundLink {
            pointer: place.pointer.to_owned(),
            field: place.field.to_owned(),
            role: place.role,
            raw: raw.to_owned(),
            result,
        });
    }

    /// Collects an address and what its payload holds.
    fn push_address(&mut self, place: &Place<'_>, raw: &str, address: Address) {
        let at = self.links.len();
        self.push(place, raw, Ok(address));
        // The payload is taken out and put back, so that it is not copied.
        let Some(payload) = self.links.get_mut(at).and_then(|link| link.result.as_mut().ok()?.payload.take()) else { return };
        if is_readable(&payload.media_type) {
            self.payload(place, &payload.bytes);
        }
        if let Some(Ok(address)) = self.links.get_mut(at).map(|link| link.result.as_mut()) {
            address.payload = Some(payload);
        }
    }

    fn payload(&mut self, place: &Place<'_>, bytes: &[u8]) {
        if place.level >= self.options.payload_levels_max {
            return self.note(place.pointer, NoteKind::NestedPayload);
        }
        let pointer = format!("{}#data", place.pointer);
        let inside = Place { pointer: &pointer, level: place.level + 1, has_base: false, ..*place };
        match self.document(&inside, bytes) {
            Ok(_) => {}
            Err(ScanError::NotJson { .. }) => self.note(&pointer, NoteKind::PayloadNotJson),
            Err(ScanError::TooDeep { .. }) => self.note(&pointer, NoteKind::PayloadTooDeep),
        }
    }

    /// Scans a whole document, or a payload as one.
    pub(super) fn document(&mut self, place: &Place<'_>, bytes: &[u8]) -> Result<(DocumentKind, Encoding), ScanError> {
        let Some((text, encoding)) = sniff::decode(bytes) else { return Ok((DocumentKind::Binary, Encoding::Utf8)) };
        match encoding {
            Encoding::Utf8 => {}
            Encoding::Utf8Bom => self.note(place.pointer, NoteKind::Bom),
            Encoding::Latin1 => self.note(place.pointer, NoteKind::Latin1),
        }
        let text = text.trim_end_matches('\0');
        let kind = sniff::kind_of(text);
        let place = &match kind {
            DocumentKind::Json => *place,
            _ if place.level == 0 => Place { role: Role::Part, ..*place },
            _ => *place,
        };
        match kind {
            DocumentKind::Json => walk::scan(self, place, text).map_err(|error| error.place_in(text, encoding))?,
            DocumentKind::Html | DocumentKind::Svg => markup::scan(self, place, text),
            DocumentKind::Css => self.prose(place, text, Syntax::Css),
            DocumentKind::Markdown => self.prose(place, text, Syntax::Markdown),
            DocumentKind::Text | DocumentKind::Binary => self.value(place, text, Syntax::Plain),
        }
        Ok((kind, encoding))
    }

    /// A string of a JSON document: an address, a text, or a picture or page written into it. Attributes of that page come
    /// back to [`value`](Self::value), never here, so nothing nests.
    pub(super) fn string(&mut self, place: &Place<'_>, text: &str) {
        let is_markup =
            text.trim_start().starts_with('<') && matches!(sniff::kind_of(text), DocumentKind::Html | DocumentKind::Svg);
        if is_markup && address::parse(text, &self.options.address) == Err(AddressError::NotAnAddress) {
            markup::scan(self, place, text);
        } else {
            self.value(place, text, Syntax::Plain);
        }
    }

    /// A text that may be one address as a whole, or hold some.
    pub(super) fn value(&mut self, place: &Place<'_>, text: &str, syntax: Syntax) {
        if self.is_full() {
            return;
        }
        let whole = address::parse(text, &self.options.address);
        match whole {
            Ok(address) if address.payload.is_some() => self.push_address(place, text, address),
            Ok(address) if is_one(text, &address) => self.push(place, text, Ok(address)),
            Err(error) if error.is_broken_address() => {
                let before = self.links.len();
                self.prose(place, text, syntax);
                if self.links.len() == before {
                    self.push(place, text, Err(error));
                }
            }
            _ => self.prose(place, text, syntax),
        }
    }

    /// The addresses inside a text.
    pub(super) fn prose(&mut self, place: &Place<'_>, text: &str, syntax: Syntax) {
        for piece in pieces(text, syntax) {
            if self.is_full() {
                return;
            }
            match piece {
                Piece::Reference(reference) => self.reference(place, reference),
                Piece::Address(raw) => match address::parse(raw, &self.options.address) {
                    Ok(address) => self.push_address(place, raw, address),
                    Err(error) if error.is_broken_address() && claims_ipfs(raw) => self.push(place, raw, Err(error)),
                    Err(_) => {}
                },
            }
        }
    }

    /// A reference of a page or style sheet: absolute, or relative to the document.
    pub(super) fn reference(&mut self, place: &Place<'_>, text: &str) {
        let reference = text.trim();
        if self.is_full() || reference.is_empty() || reference.starts_with('#') {
            return;
        }
        if let Some(host) = reference.strip_prefix("//") {
            if let Ok(address) = address::parse(&format!("https://{host}"), &self.options.address) {
                self.push_address(place, text, address);
            }
            return;
        }
        let colon_first = reference.find([':', '/', '?', '#']).is_some_and(|at| reference.as_bytes().get(at) == Some(&b':'));
        if colon_first || reference.starts_with("/ipfs/") || reference.starts_with("/ipns/") {
            let options = address::Options { paths: PathReading::Url, ..self.options.address.clone() };
            match address::parse(reference, &options) {
                Ok(address) => return self.push_address(place, text, address),
                Err(error) if error.is_broken_address() => return self.push(place, text, Err(error)),
                Err(_) if colon_first => return,
                Err(_) => {}
            }
        }
        if place.has_base {
            self.push(place, text, Ok(Address::relative(reference)));
        }
    }
}

/// Whether a text is this address and nothing else: a name may hold spaces, but not a second address.
fn is_one(text: &str, address: &Address) -> bool {
    let found = pieces(text, Syntax::Plain).take(2).count();
    let has_space = text.trim().contains(char::is_whitespace);
    match address.kind {
        Kind::Ipfs | Kind::Ipns => found < 2,
        _ => found < 2 && !has_space,
    }
}

/// Whether a payload of this type may hold text. The type is a claim; bytes that are no text are told apart later.
fn is_readable(media_type: &str) -> bool {
    let is_media = ["image/", "audio/", "video/", "font/", "model/"].iter().any(|class| media_type.starts_with(class));
    !is_media || media_type.starts_with("image/svg")
}

/// Whether the beginning leaves no doubt what was meant.
fn claims_ipfs(raw: &str) -> bool {
    let scheme = raw.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    scheme
        .is_some_and(|scheme| matches!(scheme.as_str(), "ipfs" | "ipns" | "web+ipfs" | "web+ipns" | "http" | "https" | "sha256"))
}
