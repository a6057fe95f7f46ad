//! `content get-room`.

use serde_json::{Value, json};

use super::answer::{Answer, Patience, resolved};
use crate::{
    commands::{Outcome, Result},
    context::Context,
    matrix::{admin::rooms, room},
    output::{self, Output},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The room: id, alias or exact name
    pub(super) room: String,
    #[command(flatten)]
    pub(super) patience: Patience,
}

pub(crate) async fn run(args: Args, context: &Context, output: &Output) -> Result {
    let operator = args.patience.operator(context)?;
    let found = match resolved(context, &operator, &args.room).await {
        Ok(id) => room::details(&operator, &id).await?,
        Err(error) if error.is_not_found() => None,
        Err(error) => return Err(error.into()),
    };
    let Some(room) = found else {
        return Ok(absent(&args.room, output));
    };
    let request = rooms::members::Request { room_id: room.room_id.clone().into() };
    let members = operator.send(request).await?.members;
    let mut text = String::new();
    let mut rows = vec![
        ("Room", room.room_id.to_string()),
        ("Name", room.name.clone().unwrap_or_default()),
        ("Alias", room.canonical_alias.clone().unwrap_or_default()),
        ("Topic", room.topic.clone().unwrap_or_default()),
        ("Version", room.version.clone().unwrap_or_default()),
        ("Encrypted", room.encryption.is_some().to_string()),
        ("Members", members.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
    ];
    if output.verbose {
        rows.extend([
            ("Creator", room.creator.clone().unwrap_or_default()),
            ("Type", room.room_type.clone().unwrap_or_default()),
            ("Public", room.public.to_string()),
        ]);
    }
    rows.retain(|(_, value)| !value.is_empty());
    output::fields(&mut text, &rows).ok();
    let mut fields = fields(&room);
    fields["members"] = json!(members);
    output.emit(&Answer::page(text, Some(room.room_id.to_string()), fields));
    Ok(Outcome::Done)
}

/// Says that there is no such room: exit 2.
pub(super) fn absent(name: &str, output: &Output) -> Outcome {
    let fields = json!({ "room": name, "found": false });
    output.emit(&Answer::new(format!("there is no room `{name}`"), None, fields));
    Outcome::Moot
}

/// A room as machines read it.
pub(super) fn fields(room: &rooms::list::Room) -> Value {
    json!({
        "room_id": room.room_id, "name": room.name, "alias": room.canonical_alias,
        "topic": room.topic, "members_count": room.joined_members,
        "local_members_count": room.joined_local_members, "version": room.version,
        "creator": room.creator, "encrypted": room.encryption.is_some(), "public": room.public,
        "type": room.room_type,
    })
}
