//! JSON (RFC 8259) as a stream of events: every key is seen, also a repeated one; nesting costs a bit, not a stack frame.
//!
//! Strict, with one exception: half a surrogate pair (`\ud83d`), which the grammar allows and JavaScript writes when it
//! cuts a text, is read as U+FFFD.

use std::borrow::Cow;

/// Where and why a text is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JsonError {
    Unexpected { at: usize, expected: &'static str },
    TooDeep { at: usize },
}

/// What comes next in a document.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event<'t> {
    ObjectStart,
    ObjectEnd,
    ArrayStart,
    ArrayEnd,
    Key(Cow<'t, str>),
    String(Cow<'t, str>),
    /// A number, `true`, `false` or `null`.
    Scalar,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    Value,
    FirstItem,
    FirstKey,
    Key,
    AfterValue,
}

/// The events of one document.
pub(super) struct Events<'t> {
    text: &'t str,
    at: usize,
    /// For each open level, whether it is an object.
    levels: Vec<bool>,
    levels_max: usize,
    expect: Expect,
    /// Whether half a surrogate pair was replaced.
    pub(super) replaced_surrogate: bool,
}

impl<'t> Events<'t> {
    pub(super) fn new(text: &'t str, levels_max: usize) -> Events<'t> {
        Events { text, at: 0, levels: Vec::new(), levels_max, expect: Expect::Value, replaced_surrogate: false }
    }

    /// The next event; `None` at the end of a whole document.
    ///
    /// # Errors
    /// [`JsonError`] at the first byte that does not fit.
    pub(super) fn next(&mut self) -> Result<Option<Event<'t>>, JsonError> {
        loop {
            self.skip_space();
            match (self.expect, self.peek()) {
                (Expect::AfterValue, None) if self.levels.is_empty() => return Ok(None),
                (Expect::AfterValue, Some(b',')) if !self.levels.is_empty() => {
                    self.at += 1;
                    self.expect = if self.levels.last() == Some(&true) { Expect::Key } else { Expect::Value };
                }
                (Expect::AfterValue | Expect::FirstKey, Some(b'}')) if self.levels.last() == Some(&true) => {
                    return Ok(Some(self.close(Event::ObjectEnd)));
                }
                (Expect::AfterValue | Expect::FirstItem, Some(b']')) if self.levels.last() == Some(&false) => {
                    return Ok(Some(self.close(Event::ArrayEnd)));
                }
                (Expect::AfterValue, _) => return Err(self.unexpected(self.after_value())),
                (Expect::FirstKey | Expect::Key, Some(b'"')) => return self.key().map(Some),
                (Expect::FirstKey, _) => return Err(self.unexpected("a key or }")),
                (Expect::Key, _) => return Err(self.unexpected("a key")),
                (Expect::Value | Expect::FirstItem, _) => return self.value().map(Some),
            }
        }
    }

    fn after_value(&self) -> &'static str {
        match self.levels.last() {
            None => "the end of the text",
            Some(true) => "a comma or }",
            Some(false) => "a comma or ]",
        }
    }

    fn unexpected(&self, expected: &'static str) -> JsonError {
        JsonError::Unexpected { at: self.at, expected }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn close(&mut self, event: Event<'t>) -> Event<'t> {
        self.at += 1;
        self.levels.pop();
        self.expect = Expect::AfterValue;
        event
    }

    fn open(&mut self, is_object: bool) -> Result<Event<'t>, JsonError> {
        if self.levels.len() >= self.levels_max {
            return Err(JsonError::TooDeep { at: self.at });
        }
        self.at += 1;
        self.levels.push(is_object);
        self.expect = if is_object { Expect::FirstKey } else { Expect::FirstItem };
        Ok(if is_object { Event::ObjectStart } else { Event::ArrayStart })
    }

    fn key(&mut self) -> Result<Event<'t>, JsonError> {
        let key = self.string()?;
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(self.unexpected("a colon"));
        }
        self.at += 1;
        self.expect = Expect::Value;
        Ok(Event::Key(key))
    }

    fn value(&mut self) -> Result<Event<'t>, JsonError> {
        match self.peek() {
            Some(b'{') => return self.open(true),
            Some(b'[') => return self.open(false),
            _ => self.expect = Expect::AfterValue,
        }
        match self.peek() {
            Some(b'"') => return self.string().map(Event::String),
            Some(b't') => self.word("true")?,
            Some(b'f') => self.word("false")?,
            Some(b'n') => self.word("null")?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => return Err(self.unexpected("a value")),
        }
        Ok(Event::Scalar)
    }

    fn word(&mut self, word: &'static str) -> Result<(), JsonError> {
        if !self.text.as_bytes().get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes())) {
            return Err(self.unexpected(word));
        }
        self.at += word.len();
        Ok(())
    }

    fn number(&mut self) -> Result<(), JsonError> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start { Err(self.unexpected("a digit")) } else { Ok(()) }
    }

    /// A string, borrowed when nothing in it is escaped.
    fn string(&mut self) -> Result<Cow<'t, str>, JsonError> {
        self.at += 1;
        let mut owned: Option<String> = None;
        loop {
            let run = self.text.as_bytes().get(self.at..).unwrap_or_default();
            let Some(len) = run.iter().position(|&b| b == b'"' || b == b'\\' || b < 0x20) else {
                self.at = self.text.len();
                return Err(self.unexpected("the end of a string"));
            };
            let plain = self.text.get(self.at..self.at + len).unwrap_or_default();
            self.at += len;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(match owned {
                        Some(text) => Cow::Owned(text + plain),
                        None => Cow::Borrowed(plain),
                    });
                }
                Some(b'\\') => {
                    let text = owned.get_or_insert_default();
                    text.push_str(plain);
                    self.at += 1;
                    let c = self.escape()?;
                    owned.get_or_insert_default().push(c);
                }
                _ => return Err(self.unexpected("no control character inside a string")),
            }
        }
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<char, JsonError> {
        let c = match self.peek() {
            Some(c @ (b'"' | b'\\' | b'/')) => char::from(c),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode();
            }
            _ => return Err(self.unexpected("an escape")),
        };
        self.at += 1;
        Ok(c)
    }

    fn unicode(&mut self) -> Result<char, JsonError> {
        let first = self.hex4()?;
        if let Some(c) = char::from_u32(first) {
            return Ok(c);
        }
        let after_first = self.at;
        let follows = self.text.as_bytes().get(self.at..).is_some_and(|rest| rest.starts_with(b"\\u"));
        if first < 0xdc00 && follows {
            self.at += 2;
            let second = self.hex4()?;
            if (0xdc00..0xe000).contains(&second) {
                let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = after_first;
        }
        self.replaced_surrogate = true;
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn hex4(&mut self) -> Result<u32, JsonError> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|b| char::from(b).to_digit(16)).ok_or(self.unexpected("four hexadecimal digits"))?;
            code = code << 4 | digit;
            self.at += 1;
        }
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(text: &str) -> Result<Vec<Event<'_>>, JsonError> {
        let mut events = Events::new(text, 128);
        let mut list = Vec::new();
        while let Some(event) = events.next()? {
            list.push(event);
        }
        Ok(list)
    }

    #[test]
    fn events_in_order() {
        let s = |text: &'static str| Cow::Borrowed(text);
        assert_eq!(
            all(r#" {"a":[1,"x\/\u00e9\ud83d\ude00"],"a":{}} "#).unwrap(),
            [
                Event::ObjectStart,
                Event::Key(s("a")),
                Event::ArrayStart,
                Event::Scalar,
                Event::String(s("x/é😀")),
                Event::ArrayEnd,
                Event::Key(s("a")),
                Event::ObjectStart,
                Event::ObjectEnd,
                Event::ObjectEnd
            ]
        );
        assert_eq!(all(r#""\ud83d\u0041\ude00""#).unwrap(), [Event::String(s("\u{fffd}A\u{fffd}"))]);
    }

    #[test]
    fn says_where() {
        for (text, at, expected) in [
            ("{\"a\":}", 5, "a value"),
            ("{\"a\" 1}", 5, "a colon"),
            ("{a:1}", 1, "a key or }"),
            ("{\"a\":1,}", 7, "a key"),
            ("[1 2]", 3, "a comma or ]"),
            ("[1,]", 3, "a value"),
            ("{} x", 3, "the end of the text"),
            ("[01]", 2, "a comma or ]"),
            ("[1.]", 3, "a digit"),
            ("[tru]", 1, "true"),
            ("\"a\nb\"", 2, "no control character inside a string"),
            ("[\"a", 3, "the end of a string"),
            ("[\"\\x\"]", 3, "an escape"),
            ("", 0, "a value"),
            ("[", 1, "a value"),
        ] {
            assert_eq!(all(text), Err(JsonError::Unexpected { at, expected }), "{text}");
        }
        assert_eq!(all(&"[".repeat(129)), Err(JsonError::TooDeep { at: 128 }));
        assert!(all(&format!("{}{}", "[".repeat(128), "]".repeat(128))).is_ok());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        /// The same texts are JSON as for another parser, apart from half surrogate pairs and numbers too large for it.
        #[test]
        fn agrees_with_serde_json(text in r#"[\[\]{},:"a1\-.e0 tn\\u]{0,12}"#) {
            let theirs = serde_json::from_str::<serde_json::Value>(&text);
            let ours = all(&text);
            let excused = text.contains("\\u") || text.contains('e');
            prop_assert!(ours.is_ok() == theirs.is_ok() || excused, "{:?} {:?} {:?}", text, ours, theirs);
        }
    }
}
