//! Who people are: their names and pictures, and whether they are there.

use axum::extract::{Request, State};
use http::StatusCode;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::{
    answer,
    asked::Asked,
    conversations::{self, Answered, Relay, short},
    files::from_homeserver,
    parts::Path,
    problem::{Problem, absent},
};
use crate::relay::{Shared, fetch, keys::Scope, user::parsed};

/// The longest that somebody says of themselves, in characters.
const LONGEST_STATUS: usize = 255;
/// The longest address of a picture, in bytes.
const LONGEST_ADDRESS: usize = 2000;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Profile {
    #[serde(default)]
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[^\u0000]*$"))]
    name: Option<String>,
    /// An empty one takes the picture away.
    #[serde(default)]
    #[schemars(schema_with = "address_or_nothing")]
    avatar_url: Option<String>,
}

fn address_or_nothing(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "anyOf": [
        { "type": "null" },
        { "type": "string", "maxLength": 0 },
        { "type": "string", "format": "uri", "maxLength": LONGEST_ADDRESS },
    ] })
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Level {
    Online,
    Unavailable,
    Offline,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Presence {
    presence: Level,
    #[serde(default)]
    #[schemars(length(max = 255), regex(pattern = r"^[^\u0000]*$"))]
    status: Option<String>,
}

async fn document(shared: &Shared, id: Uuid) -> Result<Value, Problem> {
    let found =
        sqlx::query_scalar("SELECT relay.user_document(u) FROM relay.users u WHERE id = $1")
            .bind(id)
            .fetch_optional(&shared.pool)
            .await?;
    found.ok_or_else(|| absent("user", &id.to_string()))
}

pub(super) async fn show(State(shared): Relay, Path(id): Path<Uuid>, request: Request) -> Answered {
    Asked::of(&shared, request, Scope::Read).await?;
    Ok(answer(StatusCode::OK, &document(&shared, id).await?))
}

/// Makes a user known, or gives them another name or picture.
pub(super) async fn put(State(shared): Relay, Path(id): Path<Uuid>, request: Request) -> Answered {
    let asked = Asked::of(&shared, request, Scope::Write).await?;
    let Profile { name, avatar_url } = asked.json(&shared).await?;
    name.as_deref().map_or(Ok(()), |name| short("name", name))?;
    if let Some(url) = avatar_url.as_deref().filter(|url| !url.is_empty()) {
        if url.len() > LONGEST_ADDRESS {
            return Err(Problem::bad(format!("`avatar_url` has up to {LONGEST_ADDRESS} bytes")));
        }
        fetch::address(url).map_err(|error| Problem::bad(error.to_string()))?;
    }
    let _turn = conversations::turn(&shared, id).await?;
    sqlx::query("SELECT relay.put_user($1, $2, $3)")
        .bind(id)
        .bind(name)
        .bind(avatar_url)
        .execute(&shared.pool)
        .await?;
    let document = document(&shared, id).await?;
    of_ours(&document)?;
    Ok(answer(StatusCode::OK, &document))
}

fn of_ours(document: &Value) -> Result<(), Problem> {
    if document["of_matrix"] == true {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "this is somebody of Matrix, who says such things themselves",
        ));
    }
    Ok(())
}

/// The picture, from the homeserver.
pub(super) async fn avatar(
    State(shared): Relay,
    Path(id): Path<Uuid>,
    request: Request,
) -> Answered {
    Asked::of(&shared, request, Scope::Read).await?;
    let document = document(&shared, id).await?;
    match document["avatar_url"].as_str() {
        Some(url) if url.starts_with("mxc://") => from_homeserver(&shared, url, None, None).await,
        // The application has it.
        _ => Err(Problem::new(StatusCode::NOT_FOUND, "they have no picture in Matrix")),
    }
}

/// It is passed on and not kept.
pub(super) async fn is_present(
    State(shared): Relay,
    Path(id): Path<Uuid>,
    request: Request,
) -> Answered {
    let asked = Asked::of(&shared, request, Scope::Write).await?;
    let Presence { presence, status } = asked.json(&shared).await?;
    let off = match (shared.presence, shared.matrix) {
        (false, _) => Some("presence is off in the homeserver (`synapse.presence`)"),
        (_, false) => Some("nothing goes to Matrix (`relay.matrix`)"),
        _ => None,
    };
    off.map_or(Ok(()), |why| Err(Problem::new(StatusCode::CONFLICT, why)))?;
    if status.as_deref().is_some_and(|it| it.chars().count() > LONGEST_STATUS) {
        return Err(Problem::bad(format!("`status` has up to {LONGEST_STATUS} characters")));
    }
    let document = document(&shared, id).await?;
    of_ours(&document)?;
    let Some(user) = document["matrix_user_id"].as_str().and_then(parsed) else {
        return Err(absent("user", &id.to_string()));
    };
    let presence = match presence {
        Level::Online => "online",
        Level::Unavailable => "unavailable",
        Level::Offline => "offline",
    };
    let said = shared.told.is_present(&user, presence, status.as_deref()).await;
    said.map_err(|error| Problem::of_homeserver(&error))?;
    sqlx::query("SELECT relay.is_present($1, $2, $3)")
        .bind(id)
        .bind(presence)
        .bind(status)
        .execute(&shared.pool)
        .await?;
    Ok(answer(StatusCode::OK, &serde_json::json!({ "user_id": id })))
}
