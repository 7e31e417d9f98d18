//! JSON: every string, in document order, whatever its key.

use super::json::{Event, Events, JsonError};
use super::scanner::{Place, Scanner};
use super::{NoteKind, Role, ScanError, sniff};
use crate::address::{self, Address, Note};
use std::collections::HashSet;
use std::rc::Rc;

/// Most locales one `localization` names.
const LOCALES_MAX: usize = 1000;
/// The longest locale kept, in bytes; longer ones name no language.
const LOCALE_LEN_MAX: usize = 64;

/// A document's fault at a place in its decoded text.
pub(super) struct WalkError {
    error: JsonError,
    levels_max: usize,
}

impl WalkError {
    /// The same at a place in the document.
    pub(super) fn place_in(self, text: &str, encoding: super::Encoding) -> ScanError {
        match self.error {
            JsonError::Unexpected { at, expected } => {
                ScanError::NotJson { at: sniff::document_offset(text, at, encoding), expected }
            }
            JsonError::TooDeep { at } => {
                ScanError::TooDeep { at: sniff::document_offset(text, at, encoding), depth_max: self.levels_max }
            }
        }
    }
}

/// An open object or array.
struct Level {
    /// The length of the pointer outside.
    outside: usize,
    /// The keys seen, of an object; the items seen, of an array.
    keys: HashSet<String>,
    items: usize,
    /// The nearest key and the role it gives, of what is inside.
    field: Rc<str>,
    role: Option<Role>,
    localization: Option<Localization>,
}

/// `{"uri": "…/{locale}.json", "locales": […]}` (ERC-1155, "Metadata": localization).
#[derive(Default)]
struct Localization {
    /// Which of the links is the template.
    template: Option<usize>,
    locales: Vec<String>,
}

/// Reports the links in all strings of a document.
///
/// # Errors
/// [`WalkError`] when it is not JSON. What was found before stays.
pub(super) fn scan(scanner: &mut Scanner<'_>, place: &Place<'_>, text: &str) -> Result<(), WalkError> {
    let levels_max = scanner.options.depth_max;
    let mut events = Events::new(text, levels_max);
    let mut walk = Walk { scanner, base: *place, pointer: place.pointer.to_owned(), levels: Vec::new(), key: None };
    while let Some(event) = events.next().map_err(|error| WalkError { error, levels_max })? {
        walk.event(event);
    }
    if events.replaced_surrogate {
        walk.scanner.note(place.pointer, NoteKind::LoneSurrogate);
    }
    Ok(())
}

struct Walk<'w, 'o, 'p> {
    scanner: &'w mut Scanner<'o>,
    base: Place<'p>,
    pointer: String,
    levels: Vec<Level>,
    key: Option<Rc<str>>,
}

impl Walk<'_, '_, '_> {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::ObjectStart => self.open(true),
            Event::ArrayStart => self.open(false),
            Event::ObjectEnd | Event::ArrayEnd => self.close(),
            Event::Key(key) => self.see_key(&key),
            Event::String(text) => self.string(&text),
            Event::Scalar => {
                let outside = self.enter();
                self.leave(outside);
            }
        }
    }

    fn see_key(&mut self, key: &str) {
        let is_new = self.levels.last_mut().is_none_or(|level| level.keys.insert(key.to_owned()));
        self.key = Some(Rc::from(key));
        if !is_new {
            let outside = self.enter();
            self.scanner.note(&self.pointer, NoteKind::DuplicateKey);
            self.pointer.truncate(outside);
        }
    }

    /// Extends the pointer to the value that comes. Its length without.
    fn enter(&mut self) -> usize {
        let outside = self.pointer.len();
        if let Some(key) = &self.key {
            push_token(&mut self.pointer, key);
        } else if let Some(level) = self.levels.last_mut() {
            push_token(&mut self.pointer, &level.items.to_string());
            level.items = level.items.saturating_add(1);
        }
        outside
    }

    fn leave(&mut self, outside: usize) {
        self.pointer.truncate(outside);
        self.key = None;
    }

    /// The label of the value that comes: its own key, or that of the array around it.
    fn label(&self) -> (Rc<str>, Option<Role>) {
        let outer = self.levels.last();
        let outer_role = outer.and_then(|level| level.role);
        match (&self.key, outer) {
            (Some(key), _) => (Rc::clone(key), Role::of_key(key).or(outer_role)),
            (None, Some(level)) => (Rc::clone(&level.field), outer_role),
            (None, None) => (Rc::from(self.base.field), None),
        }
    }

    fn open(&mut self, is_object: bool) {
        let outside = self.enter();
        let (field, role) = self.label();
        let localization = (is_object && self.key.as_deref() == Some("localization")).then(Localization::default);
        self.levels.push(Level { outside, keys: HashSet::new(), items: 0, field, role, localization });
        self.key = None;
    }

    fn close(&mut self) {
        let Some(level) = self.levels.pop() else { return };
        if let Some(localization) = level.localization {
            self.expand(localization);
        }
        self.leave(level.outside);
    }

    fn string(&mut self, text: &str) {
        self.see_locale(text);
        let outside = self.enter();
        let (field, role) = self.label();
        let before = self.scanner.links.len();
        let place =
            Place { pointer: &self.pointer, field: &field, role: role.unwrap_or(Role::Other), has_base: false, ..self.base };
        self.scanner.string(&place, text);
        self.see_template(before);
        self.leave(outside);
    }

    /// Keeps a string of `localization.locales`.
    fn see_locale(&mut self, text: &str) {
        let [.., outer, inner] = self.levels.as_mut_slice() else { return };
        let Some(localization) = &mut outer.localization else { return };
        let fits = text.len() <= LOCALE_LEN_MAX && localization.locales.len() < LOCALES_MAX;
        if fits && self.key.is_none() && inner.field.as_ref() == "locales" {
            localization.locales.push(text.to_owned());
        }
    }

    /// Keeps the one link that `localization.uri` gave, if a locale is wanted in it.
    fn see_template(&mut self, before: usize) {
        let Some(localization) = self.levels.last_mut().and_then(|level| level.localization.as_mut()) else { return };
        let is_open =
            |address: &Address| address.notes.contains(&Note::UnexpandedLocale) || address.notes.contains(&Note::UnexpandedId);
        let link = self.scanner.links.get(before).filter(|_| self.scanner.links.len() == before.saturating_add(1));
        let is_template = link.is_some_and(|link| link.raw.contains("{locale}") && link.result.as_ref().is_ok_and(is_open));
        if self.key.as_deref() == Some("uri") && is_template {
            localization.template = Some(before);
        }
    }

    /// Puts one link for each locale in the template's place.
    fn expand(&mut self, localization: Localization) {
        let Some(at) = localization.template.filter(|_| !localization.locales.is_empty()) else { return };
        let behind = self.scanner.links.split_off(at);
        let mut behind = behind.into_iter();
        let Some(template) = behind.next() else { return };
        for locale in localization.locales {
            let options = address::Options { locale: Some(locale), ..self.scanner.options.address.clone() };
            let result = address::parse(&template.raw, &options);
            let place = Place { pointer: &template.pointer, field: &template.field, role: template.role, ..self.base };
            self.scanner.push(&place, &template.raw, result);
        }
        self.scanner.links.extend(behind);
    }
}

/// One step of a pointer (RFC 6901, 3).
fn push_token(pointer: &mut String, token: &str) {
    pointer.push('/');
    for c in token.chars() {
        match c {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            c => pointer.push(c),
        }
    }
}
