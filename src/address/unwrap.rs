//! What people put around an address: white space, NUL padding, quotes, angle brackets.

/// Whether a character at an end is padding: white space, a control character, a byte order mark.
pub(super) fn is_padding(c: char) -> bool {
    c.is_whitespace() || c.is_control() || c == '\u{feff}'
}

/// `text` without padding at its ends.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(is_padding)
}

/// The address inside its wrapping, until nothing comes off.
pub(super) fn unwrap(text: &str) -> &str {
    let mut text = trim(text);
    while let Some(inner) = take_pair(text) {
        text = trim(inner);
    }
    text
}

fn take_pair(text: &str) -> Option<&str> {
    let open = text.chars().next()?;
    let close = match open {
        '\'' | '"' | '`' => open,
        '<' => '>',
        _ => return None,
    };
    let inner = text.strip_prefix(open)?.strip_suffix(close)?;
    // `<svg …>` is markup, not an address in brackets.
    (open != '<' || !inner.contains(['<', '>', ' ', '\n'])).then_some(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_off_what_is_around() {
        for text in ["x:y", " x:y\n", "'x:y'", "\"'x:y' \"", "<x:y>", "x:y\0\0\0", "\u{feff}x:y"] {
            assert_eq!(unwrap(text), "x:y", "{text:?}");
        }
        for text in ["<svg a=b></svg>", "'", "<a b>", "'x", "it's"] {
            assert_eq!(unwrap(text), text);
        }
    }
}
