//! Names of directory entries.

use std::fmt;

/// The name of a directory entry: not empty, not `.` or `..`, without `/` and NUL (UnixFS specification, "Directory").
///
/// Raw bytes: UTF-8 only by convention. Such a name is one component of a path on Unix; for other systems see [`EntryName::portable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryName<'a>(&'a [u8]);

/// Why bytes are not the name of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameError {
    /// No bytes.
    Empty,
    /// `.` or `..`.
    Dots,
    /// A `/`.
    Slash,
    /// A zero byte.
    Nul,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NameError::Empty => "an empty name",
            NameError::Dots => "a name that is \".\" or \"..\"",
            NameError::Slash => "a name with a \"/\" in it",
            NameError::Nul => "a name with a zero byte in it",
        })
    }
}

impl std::error::Error for NameError {}

impl<'a> TryFrom<&'a [u8]> for EntryName<'a> {
    type Error = NameError;

    fn try_from(name: &'a [u8]) -> Result<EntryName<'a>, NameError> {
        match name {
            [] => return Err(NameError::Empty),
            b"." | b".." => return Err(NameError::Dots),
            _ => {}
        }
        match name.iter().find(|byte| matches!(byte, b'/' | 0)) {
            None => Ok(EntryName(name)),
            Some(b'/') => Err(NameError::Slash),
            Some(_) => Err(NameError::Nul),
        }
    }
}

/// Why a name cannot be kept on every file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortableError {
    /// Not UTF-8.
    NotUtf8,
    /// More than 255 bytes.
    TooLong {
        /// How many.
        len: usize,
    },
    /// A character that Windows forbids: `< > : " | ? * \`.
    Character(char),
    /// A control character.
    Control(char),
    /// A dot or a space at the end, which Windows drops.
    LastCharacter(char),
    /// A name of a device on Windows, with or without an extension.
    Device,
}

impl fmt::Display for PortableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PortableError::NotUtf8 => f.write_str("a name that is not UTF-8"),
            PortableError::TooLong { len } => write!(f, "a name of {len} bytes, at most {LEN_MAX} are portable"),
            PortableError::Character(c) => write!(f, "a name with '{c}' in it, which Windows forbids"),
            PortableError::Control(c) => write!(f, "a name with the control character U+{:04X} in it", u32::from(*c)),
            PortableError::LastCharacter(c) => write!(f, "a name that ends with '{c}', which Windows drops"),
            PortableError::Device => f.write_str("a name of a device on Windows"),
        }
    }
}

impl std::error::Error for PortableError {}

/// The longest name that common file systems keep, in bytes. A name has at most as many UTF-16 units as bytes, so this covers both
/// ways of counting.
const LEN_MAX: usize = 255;

impl<'a> EntryName<'a> {
    /// The name's bytes.
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Checks that Linux, macOS and Windows can all keep this name. Does not check for names that differ in case or Unicode
    /// normalisation only: that takes the whole directory.
    ///
    /// # Errors
    /// [`PortableError`] with the first reason against it.
    pub fn portable(self) -> Result<(), PortableError> {
        let name = std::str::from_utf8(self.0).map_err(|_| PortableError::NotUtf8)?;
        if name.len() > LEN_MAX {
            return Err(PortableError::TooLong { len: name.len() });
        }
        for c in name.chars() {
            match c {
                '<' | '>' | ':' | '"' | '|' | '?' | '*' | '\\' => return Err(PortableError::Character(c)),
                c if c.is_control() => return Err(PortableError::Control(c)),
                _ => {}
            }
        }
        if let Some(c @ ('.' | ' ')) = name.chars().next_back() {
            return Err(PortableError::LastCharacter(c));
        }
        if is_device(name) { Err(PortableError::Device) } else { Ok(()) }
    }
}

/// Windows device names ("Naming Files, Paths, and Namespaces"): any extension, trailing spaces and any case still name the device.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end_matches(' ');
    if ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"].iter().any(|device| stem.eq_ignore_ascii_case(device)) {
        return true;
    }
    match stem.split_at_checked(3) {
        Some((port, number)) if port.eq_ignore_ascii_case("COM") || port.eq_ignore_ascii_case("LPT") => {
            let mut number = number.chars();
            matches!((number.next(), number.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn entries_have_names() {
        for (name, error) in [
            (&b""[..], NameError::Empty),
            (b".", NameError::Dots),
            (b"..", NameError::Dots),
            (b"../evil", NameError::Slash),
            (b"/", NameError::Slash),
            (b"a\0b/", NameError::Nul),
        ] {
            assert_eq!(EntryName::try_from(name), Err(error), "{}", name.escape_ascii());
        }
        for name in [&b"..."[..], b"a", b"\xff", b"..a", b"a\\b", b"\n"] {
            assert_eq!(EntryName::try_from(name).map(EntryName::as_bytes), Ok(name));
        }
    }

    #[test]
    fn some_names_are_not_portable() {
        let check = |name: &[u8]| EntryName::try_from(name).unwrap().portable();
        for name in ["con", "NUL.txt", "aux .tar.gz", "CONIN$", "conout$.x", "COM1", "lpt9.log", "COM¹", "LPT³.txt", "com0"] {
            assert_eq!(check(name.as_bytes()), Err(PortableError::Device), "{name}");
        }
        for name in ["console", "COM", "COM10", "COM1x", "nul_", "a.con", "CON$", "été", "…", "com⁴", &"x".repeat(255)] {
            assert_eq!(check(name.as_bytes()), Ok(()), "{name}");
        }
        for c in ['<', '>', ':', '"', '|', '?', '*', '\\'] {
            assert_eq!(check(format!("a{c}b").as_bytes()), Err(PortableError::Character(c)));
        }
        assert_eq!(check(b"a\x1b[2J"), Err(PortableError::Control('\u{1b}')));
        assert_eq!(check("a\u{85}".as_bytes()), Err(PortableError::Control('\u{85}')));
        assert_eq!(check(b"a."), Err(PortableError::LastCharacter('.')));
        assert_eq!(check(b"a "), Err(PortableError::LastCharacter(' ')));
        assert_eq!(check(b"\xff"), Err(PortableError::NotUtf8));
        assert_eq!(check("é".repeat(128).as_bytes()), Err(PortableError::TooLong { len: 256 }));
    }

    proptest! {
        #[test]
        fn never_panics(name: Vec<u8>) {
            if let Ok(name) = EntryName::try_from(&name[..]) {
                let _ = name.portable();
            }
        }
    }
}
