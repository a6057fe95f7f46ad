//! `content execute`: any endpoint of the Matrix or admin API, as the operator.

use crate::commands::content::{answer::Answer, answer::only_planned, arguments::Sending};
use http::Method;
use serde_json::{Value, json};

use crate::{
    commands::{Outcome, Result},
    context::Context,
    error::Failure,
    output::Output,
};

#[derive(clap::Args)]
#[command(
    override_usage = "resource-matrix-synapse content execute --name '<METHOD> <PATH>' --options <JSON>"
)]
pub(crate) struct Args {
    /// The method and the path: `GET /_synapse/admin/v1/server_version`
    #[arg(long)]
    name: String,
    /// The body, as JSON
    #[arg(long, value_name = "JSON")]
    options: Option<String>,
    #[command(flatten)]
    sending: Sending,
}

pub(crate) async fn run(args: Args, context: &Context, output: &Output) -> Result {
    let Some((method, path)) = parse(&args.name) else {
        let text = format!(
            "`{}` is not executable: write METHOD and a path below /_matrix/ or /_synapse/",
            args.name.escape_debug()
        );
        let fields = json!({ "name": args.name, "executable": false });
        output.emit(&Answer::new(text, None, fields));
        return Ok(Outcome::Moot);
    };
    let body: Option<Value> = args
        .options
        .as_deref()
        .map(|text| {
            serde_json::from_str(text)
                .map_err(|error| Failure::request(format!("`--options` is not JSON: {error}")))
        })
        .transpose()?;
    let body = body.or_else(|| [Method::POST, Method::PUT].contains(&method).then(|| json!({})));
    if only_planned(context, output, &format!("call {method} {path}")) {
        return Ok(Outcome::Done);
    }
    let client = args.sending.client(context).await?;
    let answer = client.raw(method, path, body.as_ref()).await?;
    let text = serde_json::to_string_pretty(&answer).unwrap_or_default();
    let fields = if answer.is_object() { answer } else { json!({ "answer": answer }) };
    output.emit(&Answer::page(text, None, fields));
    Ok(Outcome::Done)
}

/// The method and a path of the Matrix or admin API.
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
    let ours = path.starts_with("/_matrix/") || path.starts_with("/_synapse/");
    (ours && path.bytes().all(|byte| byte.is_ascii_graphic())).then_some((method, path))
}
