//! `content read-messages`: what was said, oldest first, and with `--follow` what is being said.

use std::collections::BTreeSet;

use http::Method;
use jiff::Timestamp;
use ruma::RoomId;
use serde_json::{Value, json};

use super::answer::{Answer, Reach};
use crate::{
    commands::{Outcome, Result, moment::moment},
    context::Context,
    matrix::{Error, client::Client, room},
    output::Output,
};

const PAGE: usize = 100;
/// How long the server may hold a request of a stream open, in milliseconds.
const HOLD: u64 = 20_000;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The room: id, alias or exact name
    room: String,
    /// Show at most this many messages
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// Show those since then: a time (2026-11-21T05:00:00Z) or a span (10m, 2h, 3d)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Go on with what comes
    #[arg(long)]
    follow: bool,
    #[command(flatten)]
    reach: Reach,
}

pub(crate) async fn run(args: Args, context: &Context, output: &Output) -> Result {
    let since = args.since.map(Timestamp::as_millisecond);
    let mut client = args.reach.client(context).await?;
    let room = args.reach.room(context, &client, &args.room).await?;
    let (found, token) = if args.follow {
        // The place in the stream first: what comes in between is then seen twice, not missed.
        let start = async || {
            let (token, _) = sync(&client, &room, None).await?;
            past(&client, &room, false, args.limit, since).await.map(|found| (found, token))
        };
        args.reach.within(&client, &room, output, start).await?
    } else {
        // The operator reads what it is no member of; others see what they may.
        let admin = args.reach.acting.is_none();
        let read = past(&client, &room, admin, args.limit, since).await;
        let read = read.map_err(|error| match error {
            error if error.is_not_found() => Error::NoRoom(args.room.clone()),
            error => error,
        });
        let read = read?;
        // Synapse's admin API says nothing about a room that it does not know.
        if admin && read.is_empty() && room::details(&client, &room).await?.is_none() {
            return Err(Error::NoRoom(args.room.clone()).into());
        }
        (read, String::new())
    };
    if !args.follow {
        let text: String = found.iter().map(|message| line(message) + "\n").collect();
        let fields = json!({ "room_id": room, "messages": found, "total": found.len() });
        output.emit(&Answer::new(text, None, fields));
        return Ok(Outcome::Done);
    }
    let show =
        |message: &Value| output.emit_line(&Answer::new(line(message), None, message.clone()));
    let mut read = found.iter().all(show);
    let id = |message: &Value| message["event_id"].as_str().unwrap_or_default().to_owned();
    let mut seen: BTreeSet<String> = found.iter().map(id).collect();
    let mut token = token;
    // Until nobody reads any more.
    while read {
        client.restart_clock();
        match sync(&client, &room, Some(&token)).await {
            Ok((next, messages)) => {
                read = messages.iter().filter(|message| !seen.contains(&id(message))).all(show);
                if !messages.is_empty() {
                    seen = messages.iter().map(id).collect();
                }
                token = next;
            }
            // The server is away: it comes back, and the token still says where we were.
            Err(
                Error::Unreachable { .. }
                | Error::Lost { .. }
                | Error::Deadline { .. }
                | Error::Refused { status: 500.., .. }
                | Error::NotMatrix { .. },
            ) => tokio::time::sleep(std::time::Duration::from_secs(1)).await,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Outcome::Done)
}

/// The latest messages, oldest first.
async fn past(
    client: &Client,
    room: &RoomId,
    admin: bool,
    limit: usize,
    since: Option<i64>,
) -> std::result::Result<Vec<Value>, Error> {
    let base = if admin { "/_synapse/admin/v1" } else { "/_matrix/client/v3" };
    let room = room::escaped(room.as_str());
    let (mut found, mut from) = (Vec::new(), String::new());
    'pages: while found.len() < limit {
        let path = format!("{base}/rooms/{room}/messages?dir=b&limit={PAGE}{from}");
        let page = client.raw(Method::GET, &path, None).await?;
        let chunk = page["chunk"].as_array().ok_or_else(|| Error::lacks(&path, "chunk"))?;
        for event in chunk {
            if since.is_some_and(|since| event["origin_server_ts"].as_i64().unwrap_or(0) < since) {
                break 'pages;
            }
            found.extend(message(event));
            if found.len() == limit {
                break 'pages;
            }
        }
        match page["end"].as_str() {
            Some(end) if !chunk.is_empty() => from = format!("&from={end}"),
            _ => break,
        }
    }
    found.reverse();
    Ok(found)
}

/// What came since a token, and the next token. The first call only takes one.
async fn sync(
    client: &Client,
    room: &RoomId,
    since: Option<&str>,
) -> std::result::Result<(String, Vec<Value>), Error> {
    let filter = json!({
        "presence": { "types": [] }, "account_data": { "types": [] },
        "room": {
            "rooms": [room], "ephemeral": { "types": [] }, "account_data": { "types": [] },
            "state": { "types": [] }, "timeline": { "types": ["m.room.message"], "limit": 1000 },
        },
    });
    let filter = escaped(&filter.to_string());
    let position = match since {
        Some(since) => format!("&since={since}&timeout={HOLD}"),
        None => "&timeout=0".to_owned(),
    };
    let path = format!("/_matrix/client/v3/sync?filter={filter}{position}");
    let answer = client.raw(Method::GET, &path, None).await?;
    let next = answer["next_batch"].as_str();
    let next =
        next.ok_or_else(|| Error::lacks("/_matrix/client/v3/sync", "next_batch"))?.to_owned();
    let timeline = &answer["rooms"]["join"][room.as_str()]["timeline"];
    let events = timeline["events"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut messages = Vec::new();
    if let (Some(since), Some(gap), true) =
        (since, timeline["prev_batch"].as_str(), timeline["limited"] == true)
    {
        messages = between(client, room, since, gap).await?;
    }
    messages.extend(events.iter().filter_map(message));
    Ok((next, messages))
}

/// What a stream left out because it was too much at once, oldest first.
async fn between(
    client: &Client,
    room: &RoomId,
    since: &str,
    gap: &str,
) -> std::result::Result<Vec<Value>, Error> {
    let room = room::escaped(room.as_str());
    let (mut found, mut from) = (Vec::new(), gap.to_owned());
    loop {
        let path = format!(
            "/_matrix/client/v3/rooms/{room}/messages?dir=b&limit={PAGE}&from={from}&to={since}"
        );
        let page = client.raw(Method::GET, &path, None).await?;
        let chunk = page["chunk"].as_array().ok_or_else(|| Error::lacks(&path, "chunk"))?;
        found.extend(chunk.iter().filter_map(message));
        match page["end"].as_str() {
            Some(end) if !chunk.is_empty() => end.clone_into(&mut from),
            _ => break,
        }
    }
    found.reverse();
    Ok(found)
}

/// A text within a query: every byte escaped.
fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut all, byte| {
        all.push('%');
        all.push_str(&format!("{byte:02X}"));
        all
    })
}

/// A message as we show it; nothing for other events and for what was taken away.
fn message(event: &Value) -> Option<Value> {
    let content = &event["content"];
    if event["type"] != "m.room.message" || content["msgtype"].is_null() {
        return None;
    }
    let mut shown = json!({
        "event_id": event["event_id"], "sender": event["sender"],
        "sent_ms": event["origin_server_ts"], "msgtype": content["msgtype"],
        "body": content["body"],
    });
    for (name, value) in [
        ("formatted_body", &content["formatted_body"]),
        ("url", &content["url"]),
        ("info", &content["info"]),
        ("reply_to", &content["m.relates_to"]["m.in_reply_to"]["event_id"]),
    ] {
        if !value.is_null() {
            shown[name] = value.clone();
        }
    }
    if content["m.relates_to"]["rel_type"] == "m.replace" {
        shown["replaces"] = content["m.relates_to"]["event_id"].clone();
    }
    Some(shown)
}

fn line(message: &Value) -> String {
    let sent = message["sent_ms"].as_i64().unwrap_or(0);
    let at = Timestamp::from_millisecond(sent).unwrap_or_default();
    let word = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
    format!("{} {}: {}", at.strftime("%Y-%m-%dT%H:%M:%SZ"), word("sender"), word("body"))
}
