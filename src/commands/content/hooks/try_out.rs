//! `content try-hook`.

use std::{
    fmt::{self, Write as _},
    path::{Path, PathBuf},
};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::{
    commands::{Answered, Reply, content::arguments::text::stdin_text, offered},
    context::Context,
    error::Failure,
    files,
    hooks::{
        formats::Events,
        message::{self, Call},
        registry,
    },
    output::Report,
    reply::Stop,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The webhook
    #[arg(add = offered::hooks())]
    pub(crate) id: String,
    /// The body, in a file; `-` is stdin
    #[arg(long, value_name = "BODY")]
    pub(crate) file: PathBuf,
    /// A header that comes with it, such as `X-GitHub-Event: push`
    #[arg(long, value_name = "NAME: VALUE")]
    pub(crate) header: Vec<String>,
}

/// What would be sent.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Tried {
    pub(crate) id: String,
    /// As what the body was read.
    pub(crate) format: &'static str,
    /// The content of the message; null where the call would be answered without one.
    pub(crate) message: Option<Value>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Tried> {
    let config = context.config()?;
    let Some(hook) = registry::find(&config.data, &args.id)? else {
        return Err(Stop::absent("webhook", "id", &args.id));
    };
    let largest = config.hooks.largest_body.0;
    let body = if args.file == Path::new("-") {
        stdin_text("the body", largest)?
    } else {
        files::read_input(&args.file, files::PATIENCE)?
    };
    if body.len() as u64 > largest {
        return Err(Failure::request(format!(
            "the body is larger than {largest} bytes (`hooks.largest_body`)"
        ))
        .into());
    }
    let header = |wanted: &str| {
        args.header.iter().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim())
        })
    };
    if let Some(line) = args.header.iter().find(|line| !line.contains(':')) {
        return Err(Failure::request(format!("`{}` is no header", line.escape_debug()))
            .hinted("write it as `--header 'X-GitHub-Event: push'`")
            .into());
    }
    let events = Events { github: header("X-GitHub-Event"), gitlab: header("X-Gitlab-Event") };
    let kind = header("Content-Type").unwrap_or_default();
    let call = Call { kind, events, body: body.as_bytes() };
    let read = message::read(call, hook.format, hook.template.as_ref()).map_err(|flaw| {
        Failure::request(format!(
            "the webhook `{}` would refuse this: {}",
            hook.id,
            flaw.sentence()
        ))
    })?;
    let format = if hook.template.is_some() { "template" } else { read.format.word() };
    Ok(Reply::done(Tried { id: hook.id, format, message: read.content }))
}

impl Report for Tried {
    fn text(&self, page: &mut String) -> fmt::Result {
        match &self.message {
            Some(message) => writeln!(page, "{}", message["body"].as_str().unwrap_or_default()),
            None => writeln!(page, "no message: its sender only asks whether somebody is there"),
        }
    }

    fn details(&self, page: &mut String) -> fmt::Result {
        writeln!(page, "read as: {}", self.format)?;
        match self.message.as_ref().and_then(|message| message["formatted_body"].as_str()) {
            Some(html) => writeln!(page, "HTML: {html}"),
            None => Ok(()),
        }
    }
}
