//! `manage render`: the services as files for somebody else to keep.

use std::{
    fmt::{self, Write as _},
    path::PathBuf,
};

use schemars::JsonSchema;
use serde::Serialize;
use similar::TextDiff;

use super::kept_elsewhere::settings;
use crate::{
    commands::{Answered, Reply},
    context::Context,
    error::Failure,
    output::Report,
    targets::{self, Difference, Target, Written, keep},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Who is to keep the services
    #[arg(long, value_name = "TARGET")]
    target: Target,
    /// Write the files into this folder; without it they are printed
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Show what would change in the folder, or in the one where this machine has them; 2 where nothing would
    #[arg(long)]
    diff: bool,
    /// Secrets too, which are given to nobody else: for Kubernetes, in a file that only you can read
    #[arg(long, requires = "out", conflicts_with = "diff")]
    with_secrets: bool,
    /// Write over files that were changed by hand
    #[arg(long, requires = "out")]
    force: bool,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Rendered {
    target: String,
    /// Where they are, or would be.
    folder: Option<PathBuf>,
    files: Vec<File>,
    total: usize,
    /// Whether files were written.
    changed: bool,
}

#[derive(Serialize, JsonSchema)]
struct File {
    name: String,
    /// Whether it was there and belongs there no more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    removed: bool,
    /// What it holds, where files are printed.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// `unified` as `diff -u` has it, where differences are asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    diff: Option<String>,
}

impl File {
    fn named(path: &std::path::Path) -> Self {
        Self { name: path.display().to_string(), removed: false, text: None, diff: None }
    }
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Rendered> {
    let config = context.config()?;
    config.warnings.iter().for_each(|warning| context.warn(warning));
    if args.with_secrets && args.target != Target::Kubernetes {
        let why = format!("for `{}` there is no file of secrets", args.target.word());
        return Err(Failure::request(why)
            .hinted("what it starts reads them in the data folder: leave `--with-secrets` out")
            .into());
    }
    let settings = settings(context)?;
    if args.target == Target::Kubernetes && config.kubernetes.image.is_none() {
        context.warn("`kubernetes.image` is not set: each node has to have the image under the name that is written");
    }
    if args.with_secrets && !context.dry_run {
        keep::make_keys(config)?;
    }
    let plan = keep::plan(&settings, args.target, args.with_secrets).await?;
    let answer = |folder: Option<PathBuf>, files: Vec<File>, changed| Rendered {
        target: args.target.word().to_owned(),
        folder,
        total: files.len(),
        files,
        changed,
    };
    if args.diff {
        let folder = args.out.unwrap_or_else(|| plan.folder.clone());
        let found = targets::differences(&folder, plan.whose(), &plan.files)?;
        let files: Vec<File> = found.iter().map(shown).collect();
        return Ok(Reply::done_if(!files.is_empty(), answer(Some(folder), files, false)));
    }
    let Some(folder) = args.out else {
        let file = |it: Written| File { text: Some(it.text), ..File::named(&it.path) };
        let files = plan.files.into_iter().map(file).collect();
        return Ok(Reply::done(answer(None, files, false)));
    };
    context.would(format!("write {} files into {}", plan.files.len(), folder.display()))?;
    let changed = plan.write(&folder, args.force)?;
    let file = |path: &PathBuf| File { removed: !folder.join(path).exists(), ..File::named(path) };
    let files: Vec<File> = changed.iter().map(file).collect();
    let is_new = !files.is_empty();
    Ok(Reply::done_if(is_new, answer(Some(folder), files, is_new)))
}

fn shown(found: &Difference) -> File {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let (old, new) = (text(&found.old), text(&found.new));
    let diff = TextDiff::from_lines(&old, &new).unified_diff().context_radius(2).to_string();
    File { diff: Some(diff), ..File::named(&found.path) }
}

impl Report for Rendered {
    fn text(&self, page: &mut String) -> fmt::Result {
        let folder = self.folder.as_ref().map(|it| it.display().to_string()).unwrap_or_default();
        if self.files.is_empty() {
            return writeln!(page, "nothing changes in {folder}");
        }
        for File { name, removed, text, diff } in &self.files {
            match (text, diff) {
                (Some(text), _) => write!(page, "# {name}\n{text}\n")?,
                (None, Some(diff)) => write!(page, "{name}\n{diff}\n")?,
                (None, None) if *removed => writeln!(page, "removed {folder}/{name}")?,
                (None, None) => writeln!(page, "{folder}/{name}")?,
            }
        }
        Ok(())
    }
}
