//! The same questions for Dendrite, which has no admin API of Synapse's: what a member of a room may ask as well, and
//! what its own admin API does, in the words of Synapse's pages. All else is refused before anything is sent.

use std::{collections::BTreeMap, net::SocketAddr};

use http::{HeaderValue, Method, header};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::Error;

/// A request as it goes over the wire.
pub(super) type Wire = http::Request<Vec<u8>>;

/// How an answer is read as if Synapse had given it; the name of our server and what the path named come along.
type Read = fn(&Value, &[String]) -> Value;

/// What is asked in the place of a request.
pub(super) enum Asked {
    /// As it is.
    Same(Wire),
    /// Others, one after the other; what the last one answers is the answer.
    Others { requests: Vec<Wire>, read: Read, named: Vec<String> },
    /// Nothing: it is known.
    Known(Value),
}

const SYNAPSE: &str = "/_synapse/admin/";
const CLIENT: &str = "/_matrix/client/v3";

/// The rooms that somebody is in, with what is listed of them and nothing that was said.
const ROOMS: &str = r#"{"presence":{"limit":0},"account_data":{"limit":0},"room":{"timeline":{"limit":1},"ephemeral":{"limit":0},"account_data":{"limit":0},"state":{"lazy_load_members":false}}}"#;

/// Says a request in Dendrite's words.
pub(super) fn asked(wire: Wire, ours: &str) -> Result<Asked, Error> {
    let path = wire.uri().path().to_owned();
    if let Some(media) = path.strip_prefix("/_matrix/client/v1/media/")
        && (media.starts_with("download/") || media.starts_with("thumbnail/"))
    {
        // It has only the endpoints that ask for no token.
        return Ok(Asked::Same(elsewhere(&wire, &format!("/_matrix/media/v3/{media}"))?));
    }
    let Some(admin) = path.strip_prefix(SYNAPSE) else { return Ok(Asked::Same(wire)) };
    let words: Vec<&str> = admin.split('/').collect();
    let others = |requests: Vec<Wire>, read: Read| {
        let decoded = |word: &&str| percent_decode_str(word).decode_utf8_lossy().into_owned();
        let named = [ours.to_owned()].into_iter().chain(words.iter().map(decoded)).collect();
        Ok(Asked::Others { requests, read, named })
    };
    let one = |path: String, read: Read| others(vec![elsewhere(&wire, &path)?], read);
    match (wire.method(), &words[..]) {
        (_, ["v1", "register"]) => Ok(Asked::Same(wire)),
        (&Method::GET, ["v1", "rooms"]) => {
            let filter: String = form_urlencoded::byte_serialize(ROOMS.as_bytes()).collect();
            others(vec![plain(&wire, &format!("{CLIENT}/sync?timeout=0&filter={filter}"))?], rooms)
        }
        (&Method::GET, ["v1", "rooms", room]) => {
            one(format!("{CLIENT}/rooms/{room}/state"), room_of)
        }
        (&Method::GET, ["v1", "rooms", room, "members"]) => {
            one(format!("{CLIENT}/rooms/{room}/joined_members"), members)
        }
        (&Method::GET, ["v1", "rooms", room, "state"]) => {
            one(format!("{CLIENT}/rooms/{room}/state"), |answer, _| json!({ "state": answer }))
        }
        (&Method::GET, ["v1", "rooms", room, "context", event]) => {
            one(format!("{CLIENT}/rooms/{room}/context/{event}"), same)
        }
        (&Method::GET, ["v1", "rooms", room, "messages"]) => {
            one(format!("{CLIENT}/rooms/{room}/messages"), same)
        }
        (&Method::GET, ["v1", "rooms", room, "hierarchy"]) => {
            one(format!("/_matrix/client/v1/rooms/{room}/hierarchy"), same)
        }
        (&Method::GET, ["v2", "users", user]) => one(format!("{CLIENT}/profile/{user}"), user_of),
        (&Method::GET, ["v1", "whois", user]) => one(format!("{CLIENT}/admin/whois/{user}"), whois),
        (&Method::GET, ["v1", "username_available"]) => {
            one(format!("{CLIENT}/register/available"), same)
        }
        (&Method::POST, ["v1", "reset_password", user]) => {
            let mut body: Value = serde_json::from_slice(wire.body()).unwrap_or_default();
            body["password"] = body["new_password"].take();
            let path = format!("/_dendrite/admin/resetPassword/{user}");
            others(vec![post(&wire, &path, &body)?], |_, _| json!({}))
        }
        (&Method::DELETE, ["v2", "rooms", room]) => {
            let body: Value = serde_json::from_slice(wire.body()).unwrap_or_default();
            if body["block"] == true || body["new_room_user_id"].is_string() {
                return Err(not_offered(&wire));
            }
            // Only what nobody of this server is in can be taken away.
            let all = ["evacuateRoom", "purgeRoom"]
                .map(|word| post(&wire, &format!("/_dendrite/admin/{word}/{room}"), &json!({})));
            let all: Result<Vec<Wire>, Error> = all.into_iter().collect();
            others(all?, |_, _| json!({ "delete_id": "done" }))
        }
        (&Method::GET, ["v2", "rooms", "delete_status", _]) => {
            Ok(Asked::Known(json!({ "status": "complete" })))
        }
        _ => Err(not_offered(&wire)),
    }
}

/// That there is nothing that could be asked.
pub(super) fn not_offered(wire: &Wire) -> Error {
    Error::NotOffered(format!("{} {}", wire.method(), wire.uri().path()))
}

/// Whether it cannot read the id of a room: those of version 12 and later name no server.
pub(super) fn is_of_new_room(error: &Error) -> bool {
    matches!(error, Error::Refused { message, .. } if message.contains("':' is expected in the room id"))
}

/// Whether it says that it knows no such room, which it does to whoever is in none.
pub(super) fn is_of_no_room(error: &Error) -> bool {
    matches!(error, Error::Refused { message, .. } if message.contains("room does not exist"))
}

/// What Synapse says to who is not in a room.
pub(super) fn outside() -> Error {
    Error::Refused {
        status: 403,
        errcode: "M_FORBIDDEN".to_owned(),
        message: "only who is in the room can see that".to_owned(),
        retry_after: None,
    }
}

fn same(answer: &Value, _: &[String]) -> Value {
    answer.clone()
}

/// The same request at another path, with its query.
fn elsewhere(wire: &Wire, path: &str) -> Result<Wire, Error> {
    let query = wire.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut other = plain(wire, &format!("{path}{query}"))?;
    other.headers_mut().extend(wire.headers().clone());
    Ok(other)
}

/// A GET at the same server.
fn plain(wire: &Wire, address: &str) -> Result<Wire, Error> {
    let start = wire.uri().to_string();
    let end = start.len() - wire.uri().path_and_query().map_or(0, |it| it.as_str().len());
    let request = http::Request::builder().uri(format!("{}{address}", &start[..end]));
    request.body(Vec::new()).map_err(|source| Error::Request("dendrite", source.into()))
}

fn post(wire: &Wire, path: &str, body: &Value) -> Result<Wire, Error> {
    let mut request = plain(wire, path)?;
    *request.method_mut() = Method::POST;
    *request.body_mut() = body.to_string().into_bytes();
    let json = HeaderValue::from_static("application/json");
    request.headers_mut().insert(header::CONTENT_TYPE, json);
    Ok(request)
}

fn members(answer: &Value, _: &[String]) -> Value {
    let joined = answer["joined"].as_object();
    json!({ "members": joined.map(|all| all.keys().cloned().collect::<Vec<_>>()).unwrap_or_default() })
}

/// Where somebody is logged in, with addresses as Synapse says them: without a port.
fn whois(answer: &Value, _: &[String]) -> Value {
    let mut answer = answer.clone();
    for device in answer["devices"].as_object_mut().into_iter().flat_map(Map::values_mut) {
        for session in device["sessions"].as_array_mut().into_iter().flatten() {
            for connection in session["connections"].as_array_mut().into_iter().flatten() {
                let ip = connection["ip"].as_str().and_then(|ip| ip.parse::<SocketAddr>().ok());
                if let Some(address) = ip {
                    connection["ip"] = address.ip().to_string().into();
                }
            }
        }
    }
    answer
}

/// An account, of which it says no more than anybody may know.
fn user_of(answer: &Value, named: &[String]) -> Value {
    json!({
        "name": named.last(),
        "displayname": answer["displayname"],
        "avatar_url": answer["avatar_url"].as_str().filter(|url| !url.is_empty()),
    })
}

fn room_of(answer: &Value, named: &[String]) -> Value {
    let events = answer.as_array().map(Vec::as_slice).unwrap_or_default();
    room(named.last().map_or("", String::as_str), &named[0], events.iter())
}

fn rooms(answer: &Value, named: &[String]) -> Value {
    let joined = answer["rooms"]["join"].as_object();
    let listed = |(id, room_of): (&String, &Value)| {
        let part = |name: &str| room_of[name]["events"].as_array().into_iter().flatten();
        room(id, &named[0], part("state").chain(part("timeline")))
    };
    let mut all: Vec<Value> = joined.into_iter().flatten().map(listed).collect();
    all.sort_by_key(|room| room["name"].as_str().map(str::to_lowercase));
    json!({ "rooms": all })
}

/// What is listed of a room, from its state.
fn room<'a>(id: &str, ours: &str, events: impl Iterator<Item = &'a Value>) -> Value {
    let mut state: BTreeMap<&str, &Value> = BTreeMap::new();
    let mut people: Map<String, Value> = Map::new();
    for event in events {
        let Some(key) = event["state_key"].as_str() else { continue };
        match event["type"].as_str().unwrap_or_default() {
            "m.room.member" => {
                people.insert(key.to_owned(), event["content"]["membership"].clone());
            }
            kind if key.is_empty() => {
                state.insert(kind, event);
            }
            _ => {}
        }
    }
    let of = |kind: &str, field: &str| {
        state.get(kind).map(|event| event["content"][field].clone()).unwrap_or_default()
    };
    let create = state.get("m.room.create").copied().unwrap_or(&Value::Null);
    let creator = create["sender"].as_str().unwrap_or_default();
    let joined = people.iter().filter(|(_, is)| **is == "join");
    let joined: Vec<&String> = joined.map(|(user, _)| user).collect();
    let is_local = |user: &&&String| user.split_once(':').is_some_and(|(_, server)| server == ours);
    let local = joined.iter().filter(is_local);
    json!({
        "room_id": id,
        "name": of("m.room.name", "name"),
        "canonical_alias": of("m.room.canonical_alias", "alias"),
        "topic": of("m.room.topic", "topic"),
        "joined_members": joined.len(),
        "joined_local_members": local.count(),
        "version": create["content"]["room_version"].as_str().unwrap_or("1"),
        "creator": creator,
        "encryption": of("m.room.encryption", "algorithm"),
        "public": of("m.room.join_rules", "join_rule") == "public",
        "room_type": create["content"]["type"],
        "join_rules": of("m.room.join_rules", "join_rule"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(method: Method, path: &str, body: &str) -> Wire {
        let request = http::Request::builder().method(method).uri(format!("http://h:1{path}"));
        request.body(body.as_bytes().to_vec()).unwrap()
    }

    fn others(method: Method, path: &str, body: &str) -> (Vec<String>, Read, Vec<String>) {
        match asked(wire(method, path, body), "h").unwrap() {
            Asked::Others { requests, read, named } => {
                let said = |it: &Wire| {
                    format!("{} {} {}", it.method(), it.uri(), String::from_utf8_lossy(it.body()))
                };
                (requests.iter().map(said).collect(), read, named)
            }
            _ => panic!("{path}"),
        }
    }

    #[test]
    fn what_a_member_may_ask_is_asked_so() {
        let (requests, read, named) = others(Method::GET, "/_synapse/admin/v1/rooms/!r:h", "");
        assert_eq!(requests, ["GET http://h:1/_matrix/client/v3/rooms/!r:h/state "]);
        let state = json!([
            { "type": "m.room.create", "state_key": "", "sender": "@a:h", "content": { "room_version": "11" } },
            { "type": "m.room.name", "state_key": "", "sender": "@a:h", "content": { "name": "Ops" } },
            { "type": "m.room.member", "state_key": "@a:h", "sender": "@a:h", "content": { "membership": "join" } },
            { "type": "m.room.member", "state_key": "@b:x", "sender": "@b:x", "content": { "membership": "join" } },
            { "type": "m.room.member", "state_key": "@c:x", "sender": "@c:x", "content": { "membership": "leave" } },
        ]);
        let room = read(&state, &named);
        assert_eq!((&room["room_id"], &room["name"]), (&json!("!r:h"), &json!("Ops")));
        assert_eq!(
            (&room["joined_members"], &room["joined_local_members"]),
            (&json!(2), &json!(1))
        );
        let path = "/_synapse/admin/v1/rooms/!r:h/messages?dir=b&limit=3";
        let (requests, ..) = others(Method::GET, path, "");
        assert_eq!(
            requests,
            ["GET http://h:1/_matrix/client/v3/rooms/!r:h/messages?dir=b&limit=3 "]
        );
    }

    #[test]
    fn its_own_admin_api_does_what_it_can() {
        let body = r#"{"new_password":"p","logout_devices":true}"#;
        let (requests, ..) = others(Method::POST, "/_synapse/admin/v1/reset_password/@a%3Ah", body);
        assert!(requests[0].starts_with("POST http://h:1/_dendrite/admin/resetPassword/@a%3Ah {"));
        assert!(requests[0].contains(r#""password":"p""#), "{requests:?}");
        let (requests, ..) = others(Method::DELETE, "/_synapse/admin/v2/rooms/!r:h", "{}");
        assert_eq!(requests.len(), 2);
    }

    #[test]
    fn all_else_is_refused_before_anything_is_sent() {
        for (method, path, body) in [
            (Method::GET, "/_synapse/admin/v3/users?from=0", ""),
            (Method::PUT, "/_synapse/admin/v2/users/@a:h", "{}"),
            (Method::POST, "/_synapse/admin/v1/purge_history/!r:h", "{}"),
            (Method::DELETE, "/_synapse/admin/v2/rooms/!r:h", r#"{"block":true}"#),
        ] {
            let refused = asked(wire(method, path, body), "h").map(|_| ()).unwrap_err().to_string();
            assert!(refused.contains("Dendrite"), "{refused}");
        }
        let same = asked(wire(Method::GET, "/_matrix/client/v3/account/whoami", ""), "h");
        assert!(matches!(same, Ok(Asked::Same(_))));
    }
}
