//! `content raw`: any endpoint of the Matrix or admin API, as it is.

use http::Method;

use super::execute::{Executed, Given, call, method, whole_path};
use crate::{
    commands::{Answered, Reply, content::arguments::Sending},
    context::Context,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// GET, POST, PUT or DELETE
    #[arg(value_parser = |word: &str| method(word).ok_or("must be GET, POST, PUT or DELETE"))]
    method: Method,
    /// The path, with what belongs behind `?`: `/_synapse/admin/v1/server_version`
    #[arg(value_parser = |path: &str| whole_path(path)
        .map(str::to_owned)
        .ok_or("must begin with `/`, and what is no plain letter is written with `%`"))]
    path: String,
    /// The body, as JSON; `-` reads it from stdin and `@FILE` from a file, which keeps it off the command line
    #[arg(long, value_name = "JSON")]
    data: Option<String>,
    #[command(flatten)]
    sending: Sending,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Executed> {
    let given = Given { flag: "--data", text: args.data.as_deref() };
    call(args.method, &args.path, given, &args.sending, context).await.map(Reply::done)
}
