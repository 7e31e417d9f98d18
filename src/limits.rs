//! The bounds on what a file may ask of us. Each has a name, a flag, a default and the reason for it.

/// Bounds on hostile input. `Default` gives the values stated at each field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest header in bytes (`--max-header`, 32 MiB): go-car's bound; room for 800,000 roots.
    pub header_len_max: u64,
    /// Longest section, CID and data, in bytes (`--max-section`, 8 MiB): go-car's bound; blocks are at most 2 MiB by convention.
    pub section_len_max: u64,
    /// Most levels of links, or of nesting inside one block (`--max-depth`, 1024): what gateways traverse since 2026.
    pub depth_max: u32,
    /// Most files and directories to list or write (`--max-entries`). `None`: 16,384 plus sixteen times the links of the
    /// distinct directories read, which no tree meets unless it repeats itself on purpose.
    pub entries_max: Option<u64>,
    /// Most bytes to write (`--max-bytes`, 1 TiB).
    pub bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { header_len_max: 32 << 20, section_len_max: 8 << 20, depth_max: 1024, entries_max: None, bytes_max: 1 << 40 }
    }
}
