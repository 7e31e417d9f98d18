//! Where archives go: written beside their target, synced, then named. The target is whole or not there.

use crate::error::{Error, ErrorKind, Result};
use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// What to do when the target exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existing {
    /// Refuse.
    #[default]
    Refuse,
    /// Replace it, in one step, once the new file is whole.
    Replace,
}

/// A file in the making, or standard output.
#[derive(Debug)]
pub struct Output {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    File { temporary: NamedTempFile, target: PathBuf, existing: Existing },
    Stdout(io::Stdout),
}

impl Output {
    /// Starts a file that will be named `target`; `-` is standard output. `inputs` are refused as targets.
    ///
    /// # Errors
    /// When the target exists (unless it may be replaced), is one of the inputs, or its directory cannot be written.
    pub fn create(target: &Path, existing: Existing, inputs: &[PathBuf]) -> Result<Output> {
        if target == Path::new("-") {
            return Ok(Output { kind: Kind::Stdout(io::stdout()) });
        }
        let name = target.display().to_string();
        if let Ok(found) = fs::symlink_metadata(target) {
            if inputs.iter().any(|input| is_same_file(input, target)) {
                return Err(Error::usage("is an input too; an input is never written to").in_file(name));
            }
            if found.is_dir() {
                return Err(Error::usage("is a directory, expected a name for the new file").in_file(name));
            }
            if existing == Existing::Refuse {
                return Err(Error::usage("exists already (--force replaces it)").in_file(name));
            }
        }
        let parent = target.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        builder.prefix(".cartool-").suffix(".tmp");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // What `open` would give: the umask takes its share, unlike with the private default.
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        let temporary = builder.tempfile_in(parent).map_err(|e| Error::io(e, "cannot create").in_file(name))?;
        Ok(Output { kind: Kind::File { temporary, target: target.to_owned(), existing } })
    }

    /// Whether the output can be rewound and read, as files can.
    pub fn as_file(&mut self) -> Option<&mut File> {
        match &mut self.kind {
            Kind::File { temporary, .. } => Some(temporary.as_file_mut()),
            Kind::Stdout(_) => None,
        }
    }

    /// Starts again from an empty file.
    ///
    /// # Errors
    /// When the file cannot be truncated.
    pub fn restart(&mut self) -> Result<()> {
        if let Some(file) = self.as_file() {
            file.set_len(0).and_then(|()| file.rewind()).map_err(|e| Error::io(e, "cannot write"))?;
        }
        Ok(())
    }

    /// Syncs the file and gives it its name.
    ///
    /// # Errors
    /// When the disk fails, or something else took the name meanwhile. Nothing is left behind then.
    pub fn commit(self) -> Result<()> {
        match self.kind {
            Kind::Stdout(mut stdout) => stdout.flush().map_err(|e| Error::io(e, "cannot write")),
            Kind::File { temporary, target, existing } => {
                let name = target.display().to_string();
                temporary.as_file().sync_all().map_err(|e| Error::io(e, "cannot write").in_file(&*name))?;
                let named = match existing {
                    Existing::Refuse => temporary.persist_noclobber(&target),
                    Existing::Replace => temporary.persist(&target),
                };
                named.map_err(|e| match e.error.kind() {
                    io::ErrorKind::AlreadyExists => Error::usage("exists already (--force replaces it)").in_file(&*name),
                    _ => Error::io(e.error, "cannot name the finished file").in_file(&*name),
                })?;
                sync_directory(&target);
                Ok(())
            }
        }
    }
}

impl Write for Output {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match &mut self.kind {
            Kind::File { temporary, .. } => temporary.write(buffer),
            Kind::Stdout(stdout) => stdout.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.kind {
            Kind::File { temporary, .. } => temporary.flush(),
            Kind::Stdout(stdout) => stdout.flush(),
        }
    }
}

/// Makes the new name durable. Not every file system can; the file itself is synced already.
pub(super) fn sync_directory(target: &Path) {
    if let Some(parent) = target.parent() {
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        let _ = File::open(parent).and_then(|directory| directory.sync_all());
    }
}

fn is_same_file(a: &Path, b: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        match (fs::metadata(a), fs::metadata(b)) {
            (Ok(a), Ok(b)) => a.dev() == b.dev() && a.ino() == b.ino(),
            _ => false,
        }
    }
    #[cfg(not(unix))]
    {
        matches!((fs::canonicalize(a), fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
    }
}

impl Error {
    /// Whether the reader of our output went away, which is no error.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(&self.kind, ErrorKind::Io(e) if e.kind() == io::ErrorKind::BrokenPipe)
    }
}
