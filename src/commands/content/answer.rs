//! What the commands here share: whom they act as and how long, their answers, and the texts they read.

use std::{
    fmt::{self, Write as _},
    io::Read as _,
    path::Path,
    time::Duration,
};

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::{
    clock,
    config::sections::synapse::Mode,
    context::Context,
    error::Failure,
    files,
    matrix::{self, client::Client, message, names, room},
    output::{self, Output, Report},
};

// How long a command tries that only the operator can do. No doc comment here and below: clap would
// show it as the help of each command.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Patience {
    /// Try for this many seconds; 60 where it is not given
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: Option<u64>,
}

impl Patience {
    pub(super) fn timeout(self) -> Duration {
        self.given().unwrap_or(Duration::from_mins(1))
    }

    /// What was typed.
    pub(super) fn given(self) -> Option<Duration> {
        self.timeout.map(Duration::from_secs)
    }

    pub(super) fn operator(self, context: &Context) -> Result<Client, Failure> {
        context.operator(self.timeout())
    }
}

// Whom a command acts as, and how long it tries.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Reach {
    /// Act as this user instead of the operator
    #[arg(long = "as", value_name = "USER")]
    pub(super) acting: Option<String>,
    #[command(flatten)]
    patience: Patience,
}

impl Reach {
    pub(super) fn timeout(&self) -> Duration {
        self.patience.timeout()
    }

    /// The time that was typed.
    pub(super) fn given(&self) -> Option<Duration> {
        self.patience.given()
    }

    pub(super) async fn client(&self, context: &Context) -> Result<Client, Failure> {
        context.client(self.acting.as_deref(), self.timeout()).await
    }

    pub(super) fn operator(&self, context: &Context) -> Result<Client, Failure> {
        self.patience.operator(context)
    }

    /// For what only the operator can do: `--as` would promise something else.
    pub(super) fn only_operator(&self) -> Result<Patience, Failure> {
        if self.acting.is_some() {
            return Err(Failure::request("`--as` does not go with what only the operator does")
                .hinted("leave `--as` out"));
        }
        Ok(self.patience)
    }

    /// The room that was meant; names are looked up by the operator, who sees all.
    pub(super) async fn room(
        &self,
        context: &Context,
        client: &Client,
        text: &str,
    ) -> Result<ruma::OwnedRoomId, Failure> {
        let server = client.session().server_name;
        let needs_operator =
            self.acting.is_some() && matches!(names::room(text, &server)?, names::Room::Name(_));
        if needs_operator {
            return Ok(room::resolve(&self.operator(context)?, text).await?);
        }
        Ok(resolved(context, client, text).await?)
    }

    /// Does something within a room; where it is refused, whoever acts enters the room and does it
    /// again: the operator into any, a user into one that is open or that they are invited to.
    pub(super) async fn within<T>(
        &self,
        client: &Client,
        room: &ruma::RoomId,
        output: &Output,
        act: impl AsyncFn() -> Result<T, matrix::Error>,
    ) -> Result<T, matrix::Error> {
        match act().await {
            Err(error) if error.is("M_FORBIDDEN") => {
                if self.acting.is_none() {
                    enter(client, room, output).await?;
                } else if room::join(client, room).await.is_ok() {
                    let user = client.session().user_id;
                    output.warn(format!("{user} joined the room `{room}`"));
                } else {
                    return Err(error);
                }
                act().await
            }
            other => other,
        }
    }
}

/// The room that a text means. Where this server talks to no other, the alias of another is refused
/// at once; only such an alias makes us read the settings.
pub(super) async fn resolved(
    context: &Context,
    client: &Client,
    text: &str,
) -> Result<ruma::OwnedRoomId, matrix::Error> {
    let server = client.session().server_name;
    if let names::Room::Alias(alias) = names::room(text, &server)?
        && alias.server_name() != server
        && context.config().is_ok_and(|config| config.synapse.federation == Mode::Off)
    {
        return Err(matrix::Error::Elsewhere(text.to_owned()));
    }
    room::resolve(client, text).await
}

/// Lets the operator into a room and says so.
pub(super) async fn enter(
    client: &Client,
    room: &ruma::RoomId,
    output: &Output,
) -> Result<(), matrix::Error> {
    let how = match room::enter(client, room).await? {
        room::Entered::Joined => "",
        room::Entered::AsAdmin => " as an admin of it",
    };
    output.warn(format!("the operator joined the room `{room}`{how}"));
    Ok(())
}

/// An answer that is a few fields.
pub(super) struct Answer {
    text: String,
    id: Option<String>,
    fields: Value,
    /// Whether the text is all there is to say, in detail or not.
    whole: bool,
}

impl Answer {
    /// With `-q` only the id is printed, and nothing where there is none.
    pub(super) fn new(text: impl Into<String>, id: Option<&str>, fields: Value) -> Self {
        let id = Some(id.unwrap_or_default().to_owned());
        Self { text: text.into(), id, fields, whole: false }
    }

    /// One whose text is what was asked for; the ids in it are what `-q` prints, if it has any.
    pub(super) fn page(text: String, ids: Option<String>, fields: Value) -> Self {
        Self { text, id: ids, fields, whole: true }
    }
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.fields.serialize(serializer)
    }
}

impl Report for Answer {
    fn text(&self, page: &mut String) -> fmt::Result {
        page.write_str(&self.text)
    }

    /// The fields that the text does not tell, as far as they are single values.
    fn details(&self, page: &mut String) -> fmt::Result {
        let Value::Object(fields) = &self.fields else { return Ok(()) };
        if self.whole {
            return Ok(());
        }
        let untold = fields.iter().filter_map(|(name, value)| {
            let shown = match value {
                Value::Bool(_) | Value::Number(_) => value.to_string(),
                Value::String(text) if !self.text.contains(text.as_str()) => text.clone(),
                _ => return None,
            };
            Some(match (name.strip_suffix("_ms"), value.as_u64().map(clock::of_ms)) {
                (Some(name), Some(moment)) => (name.replace('_', " "), moment),
                _ => (name.replace('_', " "), shown),
            })
        });
        let untold: Vec<(String, String)> = untold.collect();
        let rows: Vec<(&str, String)> =
            untold.iter().map(|(name, shown)| (name.as_str(), shown.clone())).collect();
        output::fields(page, &rows)
    }

    fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

/// With `--dry-run`: says what would be done, and true.
pub(super) fn only_planned(context: &Context, output: &Output, what: &str) -> bool {
    if context.dry_run {
        let fields = serde_json::json!({ "would": what });
        output.emit(&Answer::new(format!("would {what}"), None, fields));
    }
    context.dry_run
}

/// The text of a message: the argument, or stdin where it is `-` or missing. It is valid UTF-8
/// without NUL and fits into an event.
pub(super) fn message_text(argument: Option<String>) -> Result<String, Failure> {
    let text = match argument {
        Some(text) if text != "-" => text,
        None if output::stdin_is_terminal() => {
            return Err(
                Failure::request("there is no text").hinted("give it as TEXT or through a pipe")
            );
        }
        _ => stdin_text("the message", message::LARGEST as u64)?,
    };
    if text.contains('\0') {
        return Err(Failure::request("the message holds a NUL byte")
            .hinted("send it as a file with `content send-media`"));
    }
    if text.len() > message::LARGEST {
        return Err(too_large());
    }
    if text.trim().is_empty() {
        let how = if text.is_empty() { "empty" } else { "blank" };
        return Err(Failure::request(format!("the message is {how}")));
    }
    Ok(text)
}

fn too_large() -> Failure {
    let largest = message::LARGEST;
    Failure::request(format!(
        "the message is too large: {largest} bytes are allowed (an event has 65,536, and the server adds its own part)"
    ))
    .hinted("split the text, or send it as a file with `content send-media`")
}

/// All of stdin but one line end, at most `largest` bytes.
pub(super) fn stdin_text(what: &str, largest: u64) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    std::io::stdin()
        .take(largest + 2)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::environment(format!("stdin cannot be read: {error}")))?;
    if bytes.pop_if(|byte| *byte == b'\n').is_some() {
        bytes.pop_if(|byte| *byte == b'\r');
    }
    if bytes.len() as u64 > largest {
        return Err(if what == "the message" {
            too_large()
        } else {
            Failure::request(format!("{what} on stdin is longer than {largest} bytes"))
        });
    }
    String::from_utf8(bytes)
        .map_err(|_| Failure::request(format!("{what} on stdin is not valid UTF-8")))
}

/// A list of mappings out of a YAML or JSON file.
pub(super) fn items(path: &Path) -> Result<Vec<Value>, Failure> {
    let text = files::read_input(path)?;
    let shape = || {
        Failure::request(format!("`{}` is not a list of mappings in YAML or JSON", path.display()))
            .hinted("each item needs at least `name`")
    };
    match serde_yaml::from_str::<Value>(&text).map_err(|_| shape())? {
        Value::Array(items) if items.iter().all(Value::is_object) => Ok(items),
        item @ Value::Object(_) => Ok(vec![item]),
        _ => Err(shape()),
    }
}

/// An error of a change whose outcome is unknown says how a repeat is harmless.
pub(super) fn repeatable(error: matrix::Error, command: &str, transaction: &str) -> Failure {
    let unknown = error.is_outcome_unknown();
    let failure = Failure::from(error);
    if unknown {
        failure.hinted(format!(
            "the transaction id is {transaction}; a repeat with it is harmless: `{command} --transaction-id {transaction}`"
        ))
    } else {
        failure
    }
}

/// A word as a shell takes it.
pub(super) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}
