//! Remarks that do not make a node wrong: well understood, but not as the specification writes it.

/// Defines an enum of remarks and a set of them that costs two bytes.
macro_rules! note_set {
    ($(#[$doc:meta])* $note:ident, $set:ident { $($(#[$item_doc:meta])* $name:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum $note { $($(#[$item_doc])* $name,)* }

        impl $note {
            /// Every remark.
            pub const ALL: &'static [$note] = &[$($note::$name,)*];

            /// One clause that says what was found.
            pub fn as_str(self) -> &'static str {
                match self { $($note::$name => $text,)* }
            }

            fn bit(self) -> u16 {
                1u16.wrapping_shl(self as u32)
            }
        }

        impl std::fmt::Display for $note {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        #[doc = concat!("A set of [`", stringify!($note), "`].")]
        #[derive(Clone, Copy, PartialEq, Eq, Default)]
        pub struct $set(u16);

        impl $set {
            /// Adds a remark.
            pub fn insert(&mut self, note: $note) {
                self.0 |= note.bit();
            }

            /// Adds every remark of another set.
            pub fn extend(&mut self, other: $set) {
                self.0 |= other.0;
            }

            /// Whether the remark was made.
            pub fn contains(self, note: $note) -> bool {
                self.0 & note.bit() != 0
            }

            /// Whether there is nothing to remark.
            pub fn is_empty(self) -> bool {
                self.0 == 0
            }

            /// The remarks, in the order of the enum.
            pub fn iter(self) -> impl Iterator<Item = $note> {
                $note::ALL.iter().copied().filter(move |note| self.contains(*note))
            }
        }

        impl std::fmt::Debug for $set {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_set().entries(self.iter()).finish()
            }
        }
    };
}
pub(crate) use note_set;

note_set! {
    /// A remark about a block's encoding.
    Note, Notes {
        /// DAG-PB: `Data` stands before `Links`, as old go-ipfs wrote it.
        DataFirst = "the dag-pb node has its Data before its Links",
        /// DAG-PB: the links are not in the order of their names.
        UnsortedLinks = "the dag-pb links are not sorted by name",
        /// Protobuf: a number in a longer form than needed.
        LongVarint = "a protobuf number is not in its shortest form",
        /// DAG-CBOR: a number or length in a longer form than needed.
        LongInt = "a dag-cbor number is not in its shortest form",
        /// DAG-CBOR: map keys are not in the order of length, then bytes.
        UnsortedKeys = "the dag-cbor map keys are not sorted",
        /// DAG-CBOR: a map has the same key twice in a row.
        RepeatedKey = "a dag-cbor map repeats a key",
        /// DAG-CBOR: a float of 16 or 32 bits.
        ShortFloat = "a dag-cbor float has fewer than 64 bits",
        /// DAG-CBOR: NaN or an infinity.
        NotFinite = "a dag-cbor float is no finite number",
        /// DAG-JSON: an object with the reserved key `/` that is neither a link nor bytes.
        MalformedLink = "a dag-json object has the reserved key \"/\" and is neither a link nor bytes",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in() {
        let mut notes = Notes::default();
        assert!(notes.is_empty());
        notes.insert(Note::MalformedLink);
        notes.insert(Note::DataFirst);
        assert_eq!(notes.iter().collect::<Vec<_>>(), [Note::DataFirst, Note::MalformedLink]);
        assert!(!notes.contains(Note::LongInt));
        assert_eq!(format!("{notes:?}"), "{DataFirst, MalformedLink}");
    }
}
