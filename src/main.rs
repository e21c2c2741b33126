//! The `recotem` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    recotem::cli::run()
}
