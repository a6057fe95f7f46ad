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
    /// The type of what is answered.
    kind: &'static str,
}

const JSON: &str = "application/json";
/// A file is of any type, and has no schema.
const FILE: &str = "*/*";
const STREAM: &str = "text/event-stream";
/// What goes on after 101 is no answer any more.
const SOCKET: &str = "";

const fn get(path: &'static str, says: &'static str, answer: &'static str) -> Operation {
    Operation { method: "get", path, says, query: &[], body: None, done: 200, answer, kind: JSON }
}

const fn file(path: &'static str, says: &'static str) -> Operation {
    Operation { kind: FILE, ..get(path, says, "") }
}

const fn send(
    method: &'static str,
    path: &'static str,
    says: &'static str,
    body: fn() -> Value,
    answer: &'static str,
) -> Operation {
    Operation { method, path, says, query: &[], body: Some(body), done: 200, answer, kind: JSON }
}

const fn remove(
    path: &'static str,
    says: &'static str,
    query: &'static [(&'static str, bool)],
    answer: &'static str,
) -> Operation {
    Operation { method: "delete", path, says, query, body: None, done: 200, answer, kind: JSON }
}

const fn with(operation: Operation, query: &'static [(&'static str, bool)]) -> Operation {
    Operation { query, ..operation }
}

/// The answer to what is made anew.
const fn made(operation: Operation) -> Operation {
    Operation { done: 201, ..operation }
}

/// What is no harm to repeat only with a key.
const REPEATED: [(&str, &str); 5] = [
    ("post", "/conversations"),
    ("post", "/conversations/{which}/messages"),
    ("post", "/conversations/{which}/files"),
    ("post", "/event/{which}/message"),
    ("put", "/messages/{id}"),
];

/// What those who read along say.
const READING: &[(&str, bool)] =
    &[("after", false), ("conversation_id", false), ("user_id", false)];

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
    file("/messages/{id}/file", "Load the file that a message shows"),
    send("put", "/users/{id}", "Name a user", body::<people::Profile>, "User"),
    get("/users/{id}", "Show a user", "User"),
    file("/users/{id}/avatar", "Load the picture of a user"),
    send(
        "put",
        "/users/{id}/presence",
        "Tell whether a user is there",
        body::<people::Presence>,
        "Present",
    ),
    send("put", "/messages/{id}", "Edit a message", body::<said::Edit>, "Message"),
    remove("/messages/{id}", "Delete a message", &[("user_id", false)], "Message"),
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
        &[("user_id", false), ("key", true)],
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
        &[("after", false), ("conversation_id", false), ("user_id", false), ("limit", false)],
    ),
    Operation {
        kind: STREAM,
        ..with(
            get("/stream", "Hear what happens, as server-sent events: the `data` of each", "Heard"),
            READING,
        )
    },
    Operation {
        kind: SOCKET,
        done: 101,
        ..with(
            get("/socket", "Hear what happens, over a WebSocket: each text is a `Heard`", "Heard"),
            READING,
        )
    },
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
        "which" | "key" | "conversation_id" => {
            json!({ "type": "string", "minLength": 1, "pattern": "^[^\\u0000]+$" })
        }
        "limit" => json!({ "type": "integer", "minimum": 1, "maximum": 200, "default": 50 }),
        "before" | "after" => json!({ "type": "integer", "minimum": 0, "maximum": i64::MAX }),
        _ => uuid(),
    };
    let says = match name {
        "which" => "Its id or its slug",
        "user_id" => "The user; of a user's token it is that user",
        "id" => "The message or the user",
        "key" => "What they reacted with",
        "limit" => "How many at most",
        "before" | "after" | "after id" => "From where on",
        "conversation_id" => "Of this conversation alone, by its id or its slug",
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

fn named(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn list(name: &str) -> Value {
    json!({ "type": "array", "items": named(name) })
}

/// One of these, told by its `type`, which is the name of its schema.
fn one_of(types: &[&str]) -> Value {
    let all: Vec<Value> = types.iter().map(|name| named(name)).collect();
    let mapping: Map<String, Value> =
        types.iter().map(|name| ((*name).to_owned(), named(name)["$ref"].clone())).collect();
    json!({ "oneOf": all, "discriminator": { "propertyName": "type", "mapping": mapping } })
}

/// What is kept of what happens, and what is not.
const KEPT: [&str; 9] = [
    "message.new",
    "message.edited",
    "message.deleted",
    "reaction.added",
    "reaction.removed",
    "participant.joined",
    "participant.changed",
    "participant.left",
    "receipt",
];
const PASSING: [&str; 2] = ["typing", "presence"];

/// What each type of event says, by its name.
fn events() -> Map<String, Value> {
    let (text, number, yes) =
        (json!({ "type": "string" }), json!({ "type": "integer" }), json!({ "type": "boolean" }));
    let about = |name: &str| match name {
        "reaction.added" | "reaction.removed" => {
            object(&json!({ "message_id": uuid(), "user_id": uuid(), "key": text }))
        }
        "participant.joined" | "participant.changed" => {
            let text = or_null(&text);
            object(&json!({ "user_id": uuid(), "role": role(), "name": text, "avatar_url": text }))
        }
        "participant.left" => object(&json!({ "user_id": uuid() })),
        "receipt" => {
            object(&json!({ "message_id": uuid(), "user_id": uuid(), "read_up_to": number }))
        }
        "typing" => object(&json!({ "user_id": uuid(), "typing": yes })),
        "presence" => object(&json!({
            "user_id": uuid(),
            "presence": { "enum": ["online", "unavailable", "offline"] },
            "status": or_null(&text),
        })),
        _ => named("Message"),
    };
    let event = |name: &str| {
        let mut fields = json!({
            "type": { "const": name }, "conversation_id": uuid(), "document": about(name),
        });
        if KEPT.contains(&name) {
            fields["position"] = number.clone();
            fields["at_ms"] = number.clone();
        }
        (name.to_owned(), object(&fields))
    };
    let mut all: Map<String, Value> = KEPT.into_iter().chain(PASSING).map(event).collect();
    let end = json!({ "type": { "const": "end" }, "reason": text, "resume": number });
    all.insert("end".to_owned(), object(&end));
    all.insert("Event".to_owned(), one_of(&KEPT));
    all.insert("Heard".to_owned(), one_of(&[&KEPT[..], &PASSING, &["end"]].concat()));
    all
}

fn role() -> Value {
    json!({ "enum": ["member", "moderator"] })
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
        "role": role(),
        "matrix_user_id": text,
        "read_up_to": number,
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
    let message = json!({
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
    });
    let mut past = message.clone();
    let reaction = object(&json!({ "key": text, "user_id": uuid() }));
    past["matrix_refused"] = or_null(&text);
    past["reactions"] = json!({ "type": "array", "items": reaction });
    let mut all = json!({
        "Conversation": object(&conversation),
        "Conversations": object(&json!({
            "conversations": { "type": "array", "items": object(&summary) },
            "next": or_null(&uuid()),
        })),
        "Message": object(&message),
        "PastMessage": object(&past),
        "Messages": object(&json!({ "messages": list("PastMessage") })),
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
    });
    // Only where there is a position to go on from.
    all["Problem"]["properties"]["resume"] = number;
    all.as_object_mut().into_iter().for_each(|all| all.extend(events()));
    all
}

fn operation(it: &Operation) -> Value {
    let names = it.path.split(['{', '}']).skip(1).step_by(2);
    let mut parameters: Vec<Value> = names.map(|name| parameter(name, "path", true)).collect();
    parameters.extend(it.query.iter().map(|(name, must)| parameter(name, "query", *must)));
    if REPEATED.contains(&(it.method, it.path)) {
        parameters.push(json!({
            "name": "Idempotency-Key",
            "in": "header",
            "description": "A request that has it may be repeated: the second is the first",
            "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" },
        }));
    }
    if it.kind == STREAM {
        parameters.push(json!({
            "name": "Last-Event-ID",
            "in": "header",
            "description": "The last position that was heard, in the place of `after`",
            "schema": { "type": "integer", "minimum": 0 },
        }));
    }
    let answered = match it.kind {
        SOCKET => json!({ "description": it.says }),
        FILE => json!({ "description": "Done", "content": { FILE: {} } }),
        kind => {
            json!({ "description": "Done", "content": { kind: { "schema": named(it.answer) } } })
        }
    };
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
        "servers": [{ "url": "/", "description": "Where this document is" }],
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
        let routed: BTreeSet<String> = include_str!("mod.rs")
            .lines()
            .filter_map(|line| line.trim().strip_prefix(".route(\"")?.split('"').next())
            .filter(|path| !path.starts_with("/_matrix"))
            .filter(|path| !["/health", "/metrics", "/openapi.json"].contains(path))
            .map(|path| format!("/api/chat{path}"))
            .collect();
        let told = document()["paths"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(routed, told);
    }

    #[test]
    fn each_type_of_event_that_is_told_of_is_in_it() {
        let told = include_str!("../../../docs/relay.md");
        let told = told.split("as it happens: ").nth(1).unwrap().split(". ").next().unwrap();
        let told: BTreeSet<&str> = told.split('`').skip(1).step_by(2).collect();
        assert_eq!(told, KEPT.into_iter().chain(PASSING).collect());
        let document = document();
        for name in told {
            let of = &document["components"]["schemas"][name];
            assert_eq!(of["properties"]["type"]["const"], name);
        }
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
