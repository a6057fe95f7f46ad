//! `manage join-file`: what another machine needs to run workers of this homeserver.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    path::PathBuf,
};

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{Answered, NAME, Reply},
    context::Context,
    instance::workers::join_file::{self, Written},
    output::Report,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where to write it; it holds all secrets of the homeserver and is readable by its owner alone
    file: PathBuf,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Answer {
    dry_run: bool,
    #[serde(flatten)]
    written: Written,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Answer> {
    let written = join_file::share(context.config()?, &args.file, !context.dry_run)?;
    Ok(Reply::done(Answer { dry_run: context.dry_run, written }))
}

impl Report for Answer {
    fn text(&self, page: &mut String) -> fmt::Result {
        let Written { file, workers } = &self.written;
        let verb = if self.dry_run { "would write" } else { "wrote" };
        writeln!(page, "{verb} {}: it contains all secrets of this homeserver", file.display())?;
        let mut machines: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, machine) in workers {
            machines.entry(machine).or_default().push(name);
        }
        writeln!(page, "\nOn the other machines, with this program and that file:")?;
        for (machine, names) in machines {
            let names = names.join(" ");
            writeln!(page, "  {machine}: {NAME} manage start worker {names} --join FILE")?;
        }
        Ok(())
    }

    fn id(&self) -> Option<&str> {
        self.written.file.to_str()
    }
}
