//! `cartool completions` and `cartool man`.

use super::OK;
use cartool::error::{Error, Result};
use std::io;

/// Print shell completions
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cartool completions bash > /etc/bash_completion.d/cartool\n  cartool completions zsh > ~/.zfunc/_cartool"
)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: clap_complete::Shell,
}

pub(crate) fn completions(args: &CompletionsArgs, mut command: clap::Command) -> Result<u8> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut command, "cartool", &mut text);
    print(&text)
}

/// Print the manual page
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  cartool man | man -l -\n  cartool man > /usr/local/share/man/man1/cartool.1")]
pub(crate) struct ManArgs {}

/// The page of `cartool`, then one section for each command.
pub(crate) fn man(mut command: clap::Command) -> Result<u8> {
    command.build();
    let mut text = Vec::new();
    let failed = |e| Error::io(e, "cannot write");
    clap_mangen::Man::new(command.clone()).render(&mut text).map_err(failed)?;
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        let man = clap_mangen::Man::new(sub.clone());
        text.extend(format!(".SH CARTOOL {}\n", sub.get_name().to_uppercase()).bytes());
        man.render_synopsis_section(&mut text).map_err(failed)?;
        man.render_description_section(&mut text).map_err(failed)?;
        man.render_options_section(&mut text).map_err(failed)?;
        man.render_extra_section(&mut text).map_err(failed)?;
    }
    print(&text)
}

fn print(text: &[u8]) -> Result<u8> {
    io::Write::write_all(&mut io::stdout(), text).map_err(|e| Error::io(e, "cannot write to standard output"))?;
    Ok(OK)
}
