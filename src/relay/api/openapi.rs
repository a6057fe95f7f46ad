//! What the interface takes and answers, as a document of `OpenAPI` 3.1: for whoever makes a client of it.

use axum::response::Response;
use http::StatusCode;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{answer, conversations as talks, files, messages as said, people};

/// Something that can be asked for.
#[derive(Clone, Copy)]
struct Operation {
    method: &'static str,
    path: &'static str,
    /// What it does, as a sentence without a full stop.
    says: &'static str,
    /// Of the query, with whether each has to be there.
    query: &'static [(&'static str, bool)],
    body: Option<fn() -> Value>,
    /// The status of what was done, and the name of the schema of its answer.
    done: u16,
    answer: &'static str,
}

/// What is answered with a file, in the place of the name of a schema.
const FILE: &str = "";

const fn get(path: &'static str, says: &'static str, answer: &'static str) -> Operation {
    Operation { method: "get", path, says, query: &[], body: None, done: 200, answer }
}

const fn send(
    method: &'static str,
    path: &'static str,
    says: &'static str,
    body: fn() -> Value,
    answer: &'static str,
) -> Operation {
    Operation { method, path, says, query: &[], body: Some(body), done: 200, answer }
}

const fn remove(
    path: &'static str,
    says: &'static str,
    query: &'static [(&'static str, bool)],
    answer: &'static str,
) -> Operation {
    Operation { method: "delete", path, says, query, body: None, done: 200, answer }
}

const fn with(operation: Operation, query: &'static [(&'static str, bool)]) -> Operation {
    Operation { query, ..operation }
}

/// The answer to what is made anew.
const fn made(operation: Operation) -> Operation {
    Operation { done: 201, ..operation }
}

const OPERATIONS: &[Operation] = &[
    made(send(
        "post",
        "/conversations",
        "Make a conversation, or find the one of that id",
        body::<talks::NewConversation>,
        "Conversation",
    )),
    with(
        get("/conversations", "List conversations by their ids", "Conversations"),
        &[("after id", false), ("limit", false)],
    ),
    get("/conversations/{which}", "Show a conversation and who takes part in it", "Conversation"),
    send(
        "post",
        "/conversations/{which}/participants",
        "Bring somebody in",
        body::<talks::NewParticipant>,
        "Joined",
    ),
    remove("/conversations/{which}/participants/{user}", "Take somebody out", &[], "Left"),
    send(
        "post",
        "/conversations/{which}/typing",
        "Tell whether somebody is typing",
        body::<talks::Typing>,
        "Told",
    ),
    made(send(
        "post",
        "/conversations/{which}/messages",
        "Say something",
        body::<said::NewMessage>,
        "Message",
    )),
    with(
        get("/conversations/{which}/messages", "Read what was said", "Messages"),
        &[("before", false), ("after", false), ("limit", false)],
    ),
    made(send(
        "post",
        "/conversations/{which}/files",
        "Show a file of an address; with another content type the body is the file",
        body::<files::NewFile>,
        "Message",
    )),
    get("/messages/{id}/file", "Load the file that a message shows", FILE),
    send("put", "/users/{id}", "Name a user", body::<people::Profile>, "User"),
    get("/users/{id}", "Show a user", "User"),
    get("/users/{id}/avatar", "Load the picture of a user", FILE),
    send(
        "put",
        "/users/{id}/presence",
        "Tell whether a user is there",
        body::<people::Presence>,
        "Present",
    ),
    send("put", "/messages/{id}", "Edit a message", body::<said::Edit>, "Message"),
    remove("/messages/{id}", "Delete a message", &[("user_id", true)], "Message"),
    send(
        "post",
        "/messages/{id}/reactions",
        "React to a message",
        body::<said::Reaction>,
        "Reacted",
    ),
    remove(
        "/messages/{id}/reactions",
        "Take a reaction back",
        &[("user_id", true), ("key", true)],
        "Unreacted",
    ),
    send(
        "post",
        "/messages/{id}/receipts",
        "Tell that somebody has read up to a message",
        body::<said::Reading>,
        "Read",
    ),
    with(
        get("/events", "Read what has happened, oldest first", "Events"),
        &[("after", false), ("conversation_id", false), ("limit", false)],
    ),
    send(
        "post",
        "/event/{which}/join",
        "Bring somebody in",
        body::<talks::NewParticipant>,
        "Joined",
    ),
    send(
        "post",
        "/event/{which}/typing",
        "Tell whether somebody is typing",
        body::<talks::Typing>,
        "Told",
    ),
    made(send(
        "post",
        "/event/{which}/message",
        "Say something",
        body::<said::NewMessage>,
        "Message",
    )),
];

/// What a body has to be.
fn body<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

/// A parameter by its name, wherever it stands.
fn parameter(name: &str, place: &str, required: bool) -> Value {
    let schema = match name {
        "which" | "key" => json!({ "type": "string", "minLength": 1, "pattern": "^[^\\u0000]+$" }),
        "limit" => json!({ "type": "integer", "minimum": 1, "maximum": 200, "default": 50 }),
        "before" | "after" => json!({ "type": "integer", "minimum": 0, "maximum": i64::MAX }),
        _ => uuid(),
    };
    let says = match name {
        "which" => "Its id or its slug",
        "id" => "The message or the user",
        "key" => "What they reacted with",
        "limit" => "How many at most",
        "before" | "after" | "after id" => "From where on",
        "conversation_id" => "Of this conversation alone",
        _ => "The user",
    };
    // Conversations are listed by their ids, all else by numbers.
    let name = name.trim_end_matches(" id");
    json!({ "name": name, "in": place, "required": required, "description": says, "schema": schema })
}

fn uuid() -> Value {
    json!({ "type": "string", "format": "uuid" })
}

fn or_null(schema: &Value) -> Value {
    json!({ "anyOf": [schema, { "type": "null" }] })
}

/// An object that has these, and no others.
fn object(fields: &Value) -> Value {
    let names: Vec<String> =
        fields.as_object().map(|it| it.keys().cloned().collect()).unwrap_or_default();
    json!({ "type": "object", "properties": fields, "required": names, "additionalProperties": false })
}

fn list(name: &str) -> Value {
    json!({ "type": "array", "items": { "$ref": format!("#/components/schemas/{name}") } })
}

/// What is answered, by name.
fn schemas() -> Value {
    let (text, number, yes) =
        (json!({ "type": "string" }), json!({ "type": "integer" }), json!({ "type": "boolean" }));
    let kinds = ["text", "notice", "emote", "image", "audio", "video", "file"];
    let participant = object(&json!({
        "user_id": uuid(),
        "name": or_null(&text),
        "avatar_url": or_null(&text),
        "role": { "enum": ["member", "moderator"] },
        "matrix_user_id": text,
    }));
    let summary = json!({
        "id": uuid(),
        "slug": or_null(&text),
        "name": or_null(&text),
        "created_at_ms": number,
        "last_sequence": number,
    });
    let mut conversation = summary.clone();
    conversation["matrix_room_id"] = or_null(&text);
    conversation["participants"] = json!({ "type": "array", "items": participant });
    json!({
        "Conversation": object(&conversation),
        "Conversations": object(&json!({
            "conversations": { "type": "array", "items": object(&summary) },
            "next": or_null(&uuid()),
        })),
        "Message": object(&json!({
            "id": uuid(),
            "conversation_id": uuid(),
            "sequence_number": number,
            "sender_id": uuid(),
            "kind": { "enum": kinds },
            "plaintext": text,
            "media": { "type": ["object", "null"] },
            "reply_to": or_null(&uuid()),
            "created_at_ms": number,
            "edited_at_ms": or_null(&number),
            "deleted_at_ms": or_null(&number),
            "matrix_event_id": or_null(&text),
        })),
        "Messages": object(&json!({ "messages": list("Message") })),
        "Event": object(&json!({
            "position": number,
            "type": text,
            "conversation_id": uuid(),
            "at_ms": number,
            "document": { "type": "object" },
        })),
        "Events": object(&json!({ "events": list("Event"), "next": number })),
        "Joined": object(&json!({ "conversation_id": uuid(), "joined": yes })),
        "Left": object(&json!({ "conversation_id": uuid(), "left": yes })),
        "Told": object(&json!({ "conversation_id": uuid() })),
        "Reacted": object(&json!({ "message_id": uuid(), "added": yes })),
        "Unreacted": object(&json!({ "message_id": uuid(), "removed": yes })),
        "Read": object(&json!({ "message_id": uuid(), "read": yes })),
        "User": object(&json!({
            "user_id": uuid(),
            "name": or_null(&text),
            "avatar_url": or_null(&text),
            "avatar_trouble": or_null(&text),
            "matrix_user_id": text,
            "of_matrix": yes,
        })),
        "Present": object(&json!({ "user_id": uuid() })),
        "Problem": object(&json!({
            "type": text, "title": text, "status": number, "detail": text,
        })),
    })
}

fn operation(it: &Operation) -> Value {
    let names = it.path.split(['{', '}']).skip(1).step_by(2);
    let mut parameters: Vec<Value> = names.map(|name| parameter(name, "path", true)).collect();
    parameters.extend(it.query.iter().map(|(name, must)| parameter(name, "query", *must)));
    if it.body.is_some() {
        parameters.push(json!({
            "name": "Idempotency-Key",
            "in": "header",
            "description": "A request that has it may be repeated: the second is the first",
            "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" },
        }));
    }
    let content = if it.answer == FILE {
        json!({ "*/*": {} })
    } else {
        let schema = format!("#/components/schemas/{}", it.answer);
        json!({ "application/json": { "schema": { "$ref": schema } } })
    };
    let answered = json!({ "description": "Done", "content": content });
    let mut responses = Map::new();
    responses.insert(it.done.to_string(), answered.clone());
    if it.done == 201 && it.answer == "Conversation" {
        responses.insert("200".to_owned(), answered);
    }
    responses.insert("default".to_owned(), json!({ "$ref": "#/components/responses/Problem" }));
    let mut operation = json!({
        "summary": it.says,
        "parameters": parameters,
        "responses": responses,
    });
    if let Some(body) = it.body {
        operation["requestBody"] = json!({
            "required": true,
            "content": { "application/json": { "schema": body() } },
        });
    }
    operation
}

pub(super) fn document() -> Value {
    let mut paths = Map::new();
    for it in OPERATIONS {
        let path = paths.entry(format!("/api/chat{}", it.path)).or_insert_with(|| json!({}));
        path[it.method] = operation(it);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Chat for an application",
            "version": "1",
            "description": "What is said is stored first, and then told to Matrix once and in order.",
        },
        "paths": paths,
        "components": {
            "securitySchemes": { "key": { "type": "http", "scheme": "bearer" } },
            "schemas": schemas(),
            "responses": { "Problem": {
                "description": "Why nothing was done (RFC 9457)",
                "content": { "application/problem+json": {
                    "schema": { "$ref": "#/components/schemas/Problem" },
                } },
            } },
        },
        "security": [{ "key": [] }],
    })
}

pub(super) async fn show() -> Response {
    answer(StatusCode::OK, &document())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn all_that_is_routed_is_in_the_document() {
        // Those that answer with no JSON are told of in docs/relay.md.
        let others = ["/stream", "/socket", "/openapi.json"];
        let routed: BTreeSet<String> = include_str!("mod.rs")
            .lines()
            .filter_map(|line| line.trim().strip_prefix(".route(\"")?.split('"').next())
            .filter(|path| !others.contains(path) && !path.starts_with("/_matrix"))
            .filter(|path| !["/health", "/metrics"].contains(path))
            .map(|path| format!("/api/chat{path}"))
            .collect();
        let told = document()["paths"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(routed, told);
    }

    #[test]
    fn each_schema_that_is_named_is_there() {
        let document = document();
        let text = document.to_string();
        let named = text.split("#/components/schemas/").skip(1);
        let named = named.filter_map(|rest| rest.split('"').next());
        for name in named {
            assert!(document["components"]["schemas"][name].is_object(), "{name}");
        }
        assert!(!text.contains("$defs"));
    }
}
