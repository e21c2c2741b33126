//! `recotem webhook verify`: checks a message that a receiver was sent.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::features::webhooks::{self, SigningKey};
use crate::platform::clock::Clock;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Check the signature of a message; no server needed
    Verify(Verify),
}

#[derive(Debug, clap::Args)]
struct Verify {
    /// Secret of the endpoint: whsec_, followed by base64
    #[arg(long, env = "RECOTEM_WEBHOOK_SECRET", hide_env_values = true)]
    secret: String,
    /// File with the body, byte for byte; the standard input by default
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// Value of the header webhook-id
    #[arg(long)]
    id: String,
    /// Value of the header webhook-timestamp
    #[arg(long)]
    timestamp: String,
    /// Value of the header webhook-signature
    #[arg(long)]
    signature: String,
    /// Accept a message of any time, such as one that was kept
    #[arg(long)]
    any_time: bool,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    match args.command {
        Command::Verify(args) => verify(&args),
    }
}

fn verify(args: &Verify) -> anyhow::Result<()> {
    let key = SigningKey::read(&args.secret)?;
    let body = body_of(args.body.as_deref())?;
    let now = match args.any_time {
        true => args.timestamp.parse().unwrap_or_default(),
        false => Clock::system().now().timestamp(),
    };
    webhooks::verify(&key, &args.id, &args.timestamp, &args.signature, &body, now)?;
    println!("The signature is valid.");
    Ok(())
}

fn body_of(file: Option<&Path>) -> anyhow::Result<Vec<u8>> {
    match file {
        Some(path) => std::fs::read(path).with_context(|| format!("cannot read {}", path.display())),
        None => {
            let mut body = Vec::new();
            std::io::stdin().lock().read_to_end(&mut body).context("cannot read the standard input")?;
            Ok(body)
        }
    }
}
