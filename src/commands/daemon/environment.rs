//! `daemon environment`: makes the Python environment of Synapse in a folder, for an image that brings it along.

use std::path::PathBuf;

use crate::{
    commands::reply::{Nothing, Stream},
    context::Context,
    files, python,
    python::Set,
    reply::{Outcome, Stop},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where it is to be made
    folder: PathBuf,
}

pub(crate) async fn run(args: Args, _: &Context) -> Result<Stream<Nothing>, Stop> {
    files::private_folder(&args.folder)?;
    let log = args.folder.join("install.log");
    // What some installations want beside it does no harm to the others.
    let plan = python::plan(&args.folder, &log, Set::synapse(None).with_s3(), None).await?;
    plan.apply(false).await?;
    files::remove(&log)?;
    Ok(Stream::new(async |_, _| Ok(Outcome::Done)))
}
