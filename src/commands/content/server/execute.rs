//! `content execute`: any endpoint of the Matrix or admin API, as the operator.

use std::{
    fmt::{self, Write as _},
    path::Path,
};

use http::Method;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{Sending, text::stdin_text},
    },
    context::Context,
    error::Failure,
    files,
    matrix::{
        error::{self, Error},
        message,
    },
    output::{self, Report},
};

/// More than any endpoint takes as JSON, in bytes.
const LARGEST: u64 = 16 << 20;

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
    let has_body = [Method::POST, Method::PUT].contains(&method);
    let text = match args.options.as_deref() {
        Some("-") => Some(stdin_text("the body", LARGEST)?),
        Some(text) => match text.strip_prefix('@') {
            Some(file) => Some(files::read_input(Path::new(file))?),
            None => Some(text.to_owned()),
        },
        None if has_body && output::stdin_is_pipe() => {
            Some(stdin_text("the body", LARGEST)?).filter(|text| !text.trim().is_empty())
        }
        None => None,
    };
    let given = |text: &String| {
        serde_json::from_str(text)
            .map_err(|error| Failure::request(format!("`--options` is not JSON: {error}")))
    };
    let body: Option<Value> = text.as_ref().map(given).transpose()?;
    let body = body.or_else(|| has_body.then(|| json!({})));
    let changes = method != Method::GET;
    context.would(format_args!("call {method} {path}"))?;
    let client = args.sending.client(context).await?;
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
    Ok(Reply::done(match answer {
        Value::Object(answer) => Executed::Answer(answer),
        answer => Executed::Other { answer },
    }))
}

/// The method and a path. Whether there is such an endpoint says the server.
fn parse(name: &str) -> Option<(Method, &str)> {
    let (method, path) = name.split_once(' ')?;
    let method = match method.to_ascii_uppercase().as_str() {
        "GET" => Method::GET,
        "POST" => Method::POST,
        "PUT" => Method::PUT,
        "DELETE" => Method::DELETE,
        _ => return None,
    };
    let path = path.trim();
    (path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic()))
        .then_some((method, path))
}

impl Report for Executed {
    fn text(&self, page: &mut String) -> fmt::Result {
        let pretty = match self {
            Self::No { name, .. } => {
                let name = name.escape_debug();
                return write!(
                    page,
                    "`{name}` is not executable: write METHOD and a path, such as `GET /_synapse/admin/v1/server_version`"
                );
            }
            Self::Answer(answer) => serde_json::to_string_pretty(answer),
            Self::Other { answer } => serde_json::to_string_pretty(answer),
        };
        page.write_str(&pretty.map_err(|_| fmt::Error)?)
    }

    fn id(&self) -> Option<&str> {
        matches!(self, Self::No { .. }).then_some("")
    }
}
