//! `manage import-sqlite`.

use std::{
    fmt::{self, Write as _},
    path::PathBuf,
};

use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::Instant;

use super::unended::unended;
use crate::{
    commands::{Answered, Reply},
    context::Context,
    files,
    instance::{
        guard,
        moving::{
            Error,
            import::{self, Imported},
        },
    },
    output::Report,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The database of a Synapse on SQLite, mostly `homeserver.db`; it stays as it is
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Forget what an interrupted import did, and begin again
    #[arg(long)]
    anew: bool,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Answer {
    changed: bool,
    file: PathBuf,
    #[serde(flatten)]
    imported: Imported,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Answer> {
    guard::kept_by_us(&context.data()?)?;
    let hint = "`manage import-sqlite FILE` again finishes it";
    unended(make(args, context), "interrupted before all was imported", hint).await
}

async fn make(args: Args, context: &Context) -> Answered<Answer> {
    let config = context.config()?;
    guard::homeserver(config)?;
    let file = match files::absolute(&args.file) {
        Err(error) if error.is_not_found() => return Err(Error::NoFile(args.file).into()),
        file => file?,
    };
    import::check(&file)?;
    context.would(format!("copy all of `{}` into the database", file.display()))?;
    let progress = context.progress("looking at the old database");
    let deadline = Instant::now() + config.supervision.start_timeout.0;
    let mut on_step = |step: &str| progress.now(step);
    let begun = &mut || Ok(());
    let imported = import::import(config, &file, args.anew, deadline, &mut on_step, begun).await?;
    drop(progress);
    if !imported.less.is_empty() {
        context.warn(format!("not all rows came along of {}", imported.less.join(", ")));
    }
    if imported.missing > 0 {
        let (missing, media) = (imported.missing, config.data.media());
        context.warn(format!(
            "the content of {missing} files is in no database, and not in `{0}`: of the old `media_store_path` they have to come along, `cp -a OLD/local_content OLD/local_thumbnails {0}/`",
            media.display()
        ));
    }
    Ok(Reply::done(Answer { changed: true, file, imported }))
}

impl Report for Answer {
    fn text(&self, page: &mut String) -> fmt::Result {
        let Imported { tables, rows, .. } = &self.imported;
        writeln!(page, "imported {}: {rows} rows of {tables} tables", self.file.display())?;
        self.imported.text(page)?;
        writeln!(page, "the user directory fills again after the next start")
    }

    fn id(&self) -> Option<&str> {
        self.file.to_str()
    }
}
