//! `content get`: the contract's word.

use crate::commands::content::{arguments::Patience, generic::kind::Kind, rooms, users};
use std::{
    fmt::{self, Write as _},
    path::PathBuf,
};

use crate::commands::reply::told;
use serde::Serialize;

use crate::{
    commands::{Outcome, Result},
    context::Context,
    error::Failure,
    files,
    output::{self, Output, Report},
};

#[derive(clap::Args)]
#[command(
    override_usage = "resource-matrix-synapse content get --type <TYPE> --name <NAME> [OPTIONS]"
)]
pub(crate) struct Args {
    /// What it is: user, bot or room; by default `@name` is a user and anything else a room
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Its name
    #[arg(long)]
    name: String,
    /// Write the answer into this file
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    patience: Patience,
}

/// Where the answer is.
#[derive(Serialize)]
struct Written {
    file: PathBuf,
}

pub(crate) async fn run(args: Args, context: &Context, output: &Output) -> Result {
    let Args { kind, name, output: file, patience } = args;
    let kind = match kind {
        Some(kind) => Kind::parse(&kind)?,
        None => Kind::of(&name).unwrap_or_else(|| {
            output.warn(format!("`{name}` was taken for a room; `--type user` asks for a user"));
            Kind::Room
        }),
    };
    let Some(file) = file else { return get(kind, name, patience, context, output).await };
    let catching = output.catching();
    let outcome = get(kind, name, patience, context, &catching).await?;
    let (page, warnings) = catching.caught();
    if outcome != Outcome::Done {
        // That nothing was found is no answer to keep.
        output::print_raw(&page);
        return Ok(outcome);
    }
    files::write_atomically(&file, page.as_bytes(), files::PRIVATE)?;
    for warning in warnings {
        output.warn(warning);
    }
    output.emit(&Written { file });
    Ok(outcome)
}

async fn get(
    kind: Kind,
    name: String,
    patience: Patience,
    context: &Context,
    output: &Output,
) -> Result {
    match kind {
        Kind::User | Kind::Bot => {
            let args = users::get::Args { user: name.into(), patience };
            told(users::get::run(args, context).await, output)
        }
        Kind::Room => told(
            rooms::get::run(rooms::get::Args { room: name.into(), patience }, context).await,
            output,
        ),
        Kind::Hook => Err(Failure::request("a webhook is shown in the list of them")
            .hinted("`content list-hooks --filter ID` shows it")),
        Kind::Message => Err(Failure::request("messages are read room by room")
            .hinted("`content read-messages ROOM` shows them")),
    }
}

impl Report for Written {
    fn text(&self, page: &mut String) -> fmt::Result {
        write!(page, "written to {}", self.file.display())
    }

    fn id(&self) -> Option<&str> {
        self.file.to_str()
    }
}
