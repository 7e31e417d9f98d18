//! Gives the binary the commit it was built from, for `--version`.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Naming a path that is not there would build again every time.
    for path in [".git/HEAD", ".git/refs"].into_iter().filter(|path| std::path::Path::new(path).exists()) {
        println!("cargo::rerun-if-changed={path}");
    }
    let output = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output();
    // A package from a registry has no repository around it: then the version alone must do.
    let commit = output.ok().filter(|output| output.status.success()).and_then(|output| String::from_utf8(output.stdout).ok());
    println!("cargo::rustc-env=CARTOOL_COMMIT={}", commit.as_deref().unwrap_or_default().trim());
}
