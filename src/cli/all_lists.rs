//! The lists of many users or items of a model file, written to a file that appears when it is complete.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};

use super::offline::{self, Stopwatch};
use crate::features::destinations::{Encoded, ListFile, ListFormat, ListKind, Naming, WriteError, Written};
use crate::ml::artifact::{Subjects, TrainedModel, Wanted};
use crate::platform::whole_file::WholeFile;

/// Where the lists are written to, and on how many threads they are computed.
#[derive(Debug, clap::Args)]
pub struct Output {
    /// File to write: .parquet, .jsonl or .csv
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Threads; all cores by default
    #[arg(long)]
    pub threads: Option<usize>,
}

/// Returns the numbers of the users whose ids are the lines of a file; unknown ones are reported on standard error.
pub fn users_of_file(model: &TrainedModel, path: &Path) -> anyhow::Result<Vec<u32>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let ids = text.lines().filter(|line| !line.is_empty());
    let users: Vec<Option<u32>> = ids.map(|id| model.users.find(id)).collect();
    let known: Vec<u32> = users.iter().copied().flatten().collect();
    if known.is_empty() {
        bail!("{}: the model knows none of its users; each line is the id of one", path.display());
    }
    if known.len() < users.len() {
        eprintln!("{} of {} users are not known to the model and are left out.", users.len() - known.len(), users.len());
    }
    Ok(known)
}

/// Computes the lists and writes them.
pub fn write(model: &TrainedModel, of: Subjects<'_>, wanted: &Wanted<'_>, to: &Output) -> anyhow::Result<()> {
    let output = to.output.as_deref().context("give --output FILE")?;
    let format = ListFormat::of_path(output);
    let format = format.with_context(|| format!("{}: the name must end in .parquet, .jsonl or .csv", output.display()))?;
    let watch = Stopwatch::start();
    let mut file = WholeFile::create(output).with_context(|| format!("cannot write {}", output.display()))?;
    let written = write_lists(model, of, wanted, format, to.threads, file.file()?)?;
    file.keep().with_context(|| format!("cannot write {}", output.display()))?;
    let (lists, rows, seconds) = (written.entries.lists, written.entries.rows, watch.seconds());
    println!("{lists} lists with {rows} entries in {} ({} bytes, {seconds:.1} seconds)", output.display(), written.bytes);
    Ok(())
}

fn write_lists(
    model: &TrainedModel,
    of: Subjects<'_>,
    wanted: &Wanted<'_>,
    format: ListFormat,
    threads: Option<usize>,
    file: &mut File,
) -> anyhow::Result<Written> {
    let (kind, subjects) = match of {
        Subjects::Users(_) => (ListKind::Users, &model.users),
        Subjects::Items(_) => (ListKind::Items, &model.items),
    };
    let bar = ProgressBar::new(of.numbers().len() as u64);
    bar.set_style(ProgressStyle::with_template("{bar:30} {percent:>3} % {per_sec} {eta}")?);
    let shown = bar.clone();
    let context = offline::context(offline::SEED, offline::threads(threads));
    let context = context.with_progress(Arc::new(move |progress| shown.set_position(progress.done)));
    let naming = Naming { kind, subjects, items: &model.items };
    let (encoder, mut lists) = ListFile::create(format, naming, true, file)?;
    model.list_in_blocks::<Encoded, WriteError>(
        of,
        wanted,
        &context,
        |block| encoder.encode(&block),
        |block| lists.write(block),
    )?;
    bar.finish_and_clear();
    Ok(lists.finish()?)
}
