//! The `cartool` command: arguments, output and exit codes around the `cartool` library.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
