//! `content execute`: any endpoint of the Matrix or admin API, as the operator.

use std::fmt::{self, Write as _};

use http::Method;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{
            Sending,
            json::{given_json, piped_json},
        },
    },
    context::Context,
    error::Failure,
    matrix::{
        error::{self, Error},
        message,
    },
    output::{self, Report, harmless},
    reply::Stop,
};

#[derive(clap::Args)]
#[command(
    override_usage = "resource-matrix-synapse content execute --name '<METHOD> <PATH>' --options <JSON>"
)]
pub(crate) struct Args {
    /// The method and the path: `GET /_synapse/admin/v1/server_version`
    #[arg(long)]
    pub(crate) name: String,
    /// The body, as JSON; `-` reads it from stdin and `@FILE` from a file, which keeps it off the command line
    #[arg(long, value_name = "JSON")]
    pub(crate) options: Option<String>,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Executed {
    /// That is no method and no path.
    No { name: String, executable: bool },
    /// What the server answered, as it is.
    Answer(Map<String, Value>),
    /// The same where that is no JSON object.
    Other { answer: Value },
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Executed> {
    let Some((method, path)) = parse(&args.name) else {
        return Ok(Reply::done_if(false, Executed::No { name: args.name, executable: false }));
    };
    let given = Given { flag: "--options", text: args.options.as_deref() };
    call(method, path, given, &args.sending, context).await.map(Reply::done)
}

/// The body as it was given, and by which flag.
pub(super) struct Given<'a> {
    pub(super) flag: &'static str,
    pub(super) text: Option<&'a str>,
}

/// Calls an endpoint; what the server answered.
pub(super) async fn call(
    method: Method,
    path: &str,
    given: Given<'_>,
    sending: &Sending,
    context: &Context,
) -> Result<Executed, Stop> {
    let has_body = [Method::POST, Method::PUT].contains(&method);
    let body = match given.text {
        Some(text) => Some(given_json(given.flag, text, sending.timeout())?),
        None if has_body && output::stdin_is_pipe() => piped_json(given.flag)?,
        None => None,
    };
    let body = body.or_else(|| has_body.then(|| json!({})));
    let changes = method != Method::GET;
    context.would(format_args!("call {method} {path}"))?;
    let client = sending.client(context).await?;
    let what = format!("{method} {path}");
    let progress = context.progress(format!("waiting for {what}"));
    let answer = client.raw(method, path, body.as_ref()).await;
    drop(progress);
    if changes {
        // It may have switched encryption on, and an error does not say that nothing happened.
        message::forget_all(&context.data()?);
    }
    let answer = answer.map_err(|error| match error {
        // Outside of its APIs Synapse answers as any web server does.
        Error::NotMatrix { status: 404, .. } => {
            Failure::request(format!("the homeserver has no endpoint `{what}`"))
                .hinted(error::NO_ENDPOINT)
        }
        error => error.into(),
    })?;
    Ok(match answer {
        Value::Object(answer) => Executed::Answer(answer),
        answer => Executed::Other { answer },
    })
}

/// The method and a path. Whether there is such an endpoint says the server.
fn parse(name: &str) -> Option<(Method, &str)> {
    let (method, path) = name.split_once(' ')?;
    Some((self::method(method)?, whole_path(path)?))
}

pub(super) fn method(word: &str) -> Option<Method> {
    match word.to_ascii_uppercase().as_str() {
        "GET" => Some(Method::GET),
        "POST" => Some(Method::POST),
        "PUT" => Some(Method::PUT),
        "DELETE" => Some(Method::DELETE),
        _ => None,
    }
}

/// A path as it stands in an address.
pub(super) fn whole_path(path: &str) -> Option<&str> {
    let path = path.trim();
    let is_path = path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic());
    is_path.then_some(path)
}

impl Report for Executed {
    fn text(&self, page: &mut String) -> fmt::Result {
        match self {
            Self::No { name, .. } => {
                let name = name.escape_debug();
                write!(
                    page,
                    "`{name}` is not executable: write METHOD and a path, such as `GET /_synapse/admin/v1/server_version`"
                )
            }
            Self::Answer(answer) => harmless::document(page, answer),
            Self::Other { answer } => harmless::document(page, answer),
        }
    }

    fn id(&self) -> Option<&str> {
        matches!(self, Self::No { .. }).then_some("")
    }
}
