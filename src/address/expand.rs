//! `{id}` and `{locale}` (ERC-1155, "Metadata").

use super::{Note, Options};
use std::borrow::Cow;

/// The longest text expanded, in bytes. Each `{id}` grows sixteenfold, so this bounds memory.
const TEXT_LEN_MAX: usize = 64 << 10;
/// The longest language tag put in, in bytes (RFC 5646 recommends room for 35).
const LOCALE_LEN_MAX: usize = 35;

/// A text with its placeholders replaced.
pub(super) struct Expanded<'t> {
    pub(super) text: Cow<'t, str>,
    /// The placeholder that is left.
    pub(super) left: Option<Note>,
}

impl<'t> Expanded<'t> {
    pub(super) fn untouched(text: &'t str) -> Expanded<'t> {
        Expanded { text: Cow::Borrowed(text), left: None }
    }
}

/// Replaces what the options know. `{id}` is 64 hexadecimal digits, and decimal in an ARC-3 URI (`…#arc3`).
pub(super) fn expand<'t>(text: &'t str, options: &Options) -> Expanded<'t> {
    let placeholders = ["{id}", "%7Bid%7D", "%7bid%7d", "{locale}", "%7Blocale%7D", "%7blocale%7d"];
    if text.len() > TEXT_LEN_MAX || !placeholders.iter().any(|placeholder| text.contains(placeholder)) {
        return Expanded::untouched(text);
    }
    let mut text = text.to_owned();
    if let Some(id) = options.token_id {
        let number = if text.ends_with("#arc3") { id.to_string() } else { id.to_hex() };
        for placeholder in ["0x{id}", "{id}", "0x%7Bid%7D", "%7Bid%7D", "0x%7bid%7d", "%7bid%7d"] {
            text = text.replace(placeholder, &number);
        }
    }
    if let Some(locale) = options.locale.as_deref().filter(|locale| is_language_tag(locale)) {
        for placeholder in ["{locale}", "%7Blocale%7D", "%7blocale%7d"] {
            text = text.replace(placeholder, locale);
        }
    }
    let left = match placeholders.iter().position(|placeholder| text.contains(placeholder)) {
        Some(0..=2) => Some(Note::UnexpandedId),
        Some(_) => Some(Note::UnexpandedLocale),
        None => None,
    };
    Expanded { text: Cow::Owned(text), left }
}

/// Letters, digits and hyphens, so that a language cannot climb to another path.
fn is_language_tag(text: &str) -> bool {
    (1..=LOCALE_LEN_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_what_it_knows() {
        let options = Options { token_id: Some(255.into()), locale: Some("fr".into()), ..Options::default() };
        let hex = format!("{}ff", "0".repeat(62));
        assert_eq!(expand("a/0x{id}/{id}.{locale}", &options).text, format!("a/{hex}/{hex}.fr"));
        assert_eq!(expand("a/%7Bid%7D", &options).text, format!("a/{hex}"));
        assert_eq!(expand("ipfs://x/{id}#arc3", &options).text, "ipfs://x/255#arc3");
        assert_eq!(expand("{id}", &Options::default()).left, Some(Note::UnexpandedId));
        let climbing = Options { locale: Some("../..".into()), ..Options::default() };
        assert_eq!(expand("{locale}", &climbing).left, Some(Note::UnexpandedLocale));
        let long = "{id}".repeat(TEXT_LEN_MAX);
        assert_eq!(expand(&long, &options).text.len(), long.len());
    }
}
