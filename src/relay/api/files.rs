//! Files that messages show: from an address or a request's body, and back again.

use std::{
    borrow::Cow,
    path::Path as FilePath,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    BoxError,
    body::{Body, Bytes, HttpBody},
    extract::{Request, State},
    response::Response,
};
use data_encoding::HEXLOWER;
use http::{HeaderValue, StatusCode, header};
use hyper::body::Frame;
use ring::digest::{SHA256, digest};
use ruma::MxcUri;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::{sync::mpsc, time::timeout};
use uuid::Uuid;

use super::{
    answer,
    asked::Asked,
    conversations::{self, Answered, Relay, short},
    messages::sayable,
    parts::{Path, Who, uuid},
    problem::{Problem, absent},
};
use crate::{
    listener::request::{announced, read},
    matrix::{download::Download, media, segment::escaped},
    relay::{Shared, fetch, files, keys::Scope, places::PATIENCE},
};

/// How many pieces of a file wait for who reads it.
const PIECES: usize = 4;
/// How long those are that come from the database, in bytes.
const PIECE: i32 = 256 << 10;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewFile {
    #[serde(default)]
    id: Option<Uuid>,
    /// Of a user's token it is that user.
    #[serde(default)]
    sender_id: Who,
    /// Where the relay fetches it from.
    #[schemars(url)]
    url: String,
    #[serde(default)]
    #[schemars(
        length(min = 1, max = 255),
        regex(pattern = r"^[^\u0000/\\]*[^\u0000/\\.][^\u0000/\\]*$")
    )]
    name: Option<String>,
    #[serde(default)]
    #[schemars(length(max = 100), regex(pattern = "^[!-~]*$"))]
    mime: Option<String>,
    #[serde(default)]
    #[schemars(length(min = 1, max = 30000), regex(pattern = r"^[^\u0000]*$"))]
    caption: Option<String>,
    #[serde(default)]
    reply_to: Option<Uuid>,
}

/// What is stored of a message that shows a file.
struct Message {
    id: Option<Uuid>,
    sender: Uuid,
    caption: Option<String>,
    reply_to: Option<Uuid>,
    media: Value,
    bytes: Option<Bytes>,
}

/// A MIME type that says something; with another the name decides.
fn mime(said: Option<&str>, name: &str) -> Result<Option<String>, Problem> {
    let said = match said {
        None => None,
        Some(said) if said.len() > 100 || HeaderValue::from_str(said).is_err() => {
            return Err(Problem::bad("`mime` is no MIME type"));
        }
        Some(said) => files::bare(said),
    };
    Ok(said.or_else(|| media::guessed(FilePath::new(name)).map(str::to_owned)))
}

fn named(name: &str) -> Result<(), Problem> {
    short("name", name)?;
    if name.contains(['/', '\\']) || name.chars().all(|letter| letter == '.') {
        return Err(Problem::bad("`name` is the name of a file, without a folder"));
    }
    Ok(())
}

fn content_type(asked: &Asked) -> Option<&str> {
    asked.head.headers.get(header::CONTENT_TYPE)?.to_str().ok()
}

fn asked_id(asked: &Asked, name: &str) -> Result<Option<Uuid>, Problem> {
    asked.query(name).map(|id| uuid(name, &id)).transpose()
}

impl Message {
    fn of_address(new: NewFile, own: Option<Uuid>) -> Result<Self, Problem> {
        fetch::address(&new.url).map_err(|error| Problem::bad(error.to_string()))?;
        let name = new.name.or_else(|| fetch::name_of(&new.url));
        let name = name.unwrap_or_else(|| "file".to_owned());
        named(&name)?;
        let mime = mime(new.mime.as_deref(), &name)?;
        Ok(Self {
            id: new.id,
            sender: new.sender_id.acting("sender_id", own)?,
            caption: new.caption,
            reply_to: new.reply_to,
            media: json!({ "name": name, "mime": mime, "size": null, "source": new.url }),
            bytes: None,
        })
    }

    async fn of_body(shared: &Shared, asked: Asked) -> Result<Self, Problem> {
        if content_type(&asked).is_some_and(files::is_form) {
            return Err(Problem::bad(
                "the body says that it is a form: JSON needs `Content-Type: application/json`, and a file its own",
            ));
        }
        let (own, reply_to) = (asked_id(&asked, "id")?, asked_id(&asked, "reply_to")?);
        let sender = asked.acting("sender_id")?;
        let name = asked.required("name")?;
        named(&name)?;
        let caption = asked.query("caption").map(Cow::into_owned);
        let mime = mime(content_type(&asked), &name)?;
        announced(&asked.head.headers, shared.largest_file)?;
        let bytes = read(asked.body, shared.largest_file).await?;
        if bytes.is_empty() {
            return Err(Problem::bad("the body is the file, and it is empty"));
        }
        // Tells a repeat from another file.
        let hash = HEXLOWER.encode(digest(&SHA256, &bytes).as_ref());
        let media = json!({ "name": name, "mime": mime, "size": bytes.len(), "sha256": hash });
        Ok(Self { id: own, sender, caption, reply_to, media, bytes: Some(bytes) })
    }

    /// The message, its file and what the homeserver is to be told: all of it or nothing.
    async fn store(self, shared: &Shared, conversation: Uuid) -> Result<Value, Problem> {
        if let Some(caption) = &self.caption {
            sayable("caption", caption)?;
        }
        let name = self.media["name"].as_str().unwrap_or_default().to_owned();
        let mut change = shared.pool.begin().await?;
        let document: Value = sqlx::query_scalar(
            "SELECT relay.post_message($1, $2, $3, coalesce($4, gen_random_uuid()), $5, $6, $7)",
        )
        .bind(conversation)
        .bind(self.sender)
        .bind(self.caption.unwrap_or(name))
        .bind(self.id)
        .bind(files::kind(self.media["mime"].as_str()))
        .bind(self.reply_to)
        .bind(&self.media)
        .fetch_one(&mut *change)
        .await?;
        if let Some(bytes) = self.bytes {
            // Of a repeat it is there, or in Matrix, or deleted.
            sqlx::query(
                "INSERT INTO relay.files (message_id, bytes) SELECT id, $2 FROM relay.messages
                WHERE id = $1::uuid AND media IS NOT NULL AND media->>'url' IS NULL
                ON CONFLICT DO NOTHING",
            )
            .bind(document["id"].as_str().unwrap_or_default())
            .bind(&bytes[..])
            .execute(&mut *change)
            .await?;
        }
        change.commit().await?;
        Ok(document)
    }
}

pub(super) async fn post(
    State(shared): Relay,
    Path(which): Path<String>,
    request: Request,
) -> Answered {
    let asked = Asked::of(&shared, request, Scope::Write).await?;
    let conversation = conversations::of(&shared, &which).await?;
    let operation = asked.operation(&format!("/conversations/{conversation}/files"))?;
    let is_json = content_type(&asked).and_then(files::bare).as_deref() == Some("application/json");
    let place;
    let mut message = if is_json {
        let own = asked.own();
        Message::of_address(asked.json(&shared).await?, own)?
    } else {
        place = shared.places.take(asked.own()).await;
        if place.is_none() {
            let why = "as many files come at the moment as are taken at once";
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, why).later(PATIENCE));
        }
        Message::of_body(&shared, asked).await?
    };
    let is_named = message.id.is_some();
    message.id = message.id.or(operation);
    let _turn = conversations::turn(&shared, conversation).await?;
    let stored = timeout(super::PATIENCE, message.store(&shared, conversation)).await;
    let stored = stored.unwrap_or_else(|_| Err(Problem::unanswered()));
    let stored = stored.map_err(|why| why.of_repeat(operation.filter(|_| !is_named)))?;
    Ok(answer(StatusCode::CREATED, &stored))
}

/// The file that a message shows, from the homeserver or, before it is there, as it came.
pub(super) async fn get(State(shared): Relay, Path(id): Path<Uuid>, request: Request) -> Answered {
    Asked::of(&shared, request, Scope::Read).await?;
    let row: Option<(Value, Option<i64>)> = sqlx::query_as(
        "SELECT m.media, octet_length(f.bytes)::bigint FROM relay.messages m LEFT JOIN relay.files f ON f.message_id = m.id
        WHERE m.id = $1 AND m.media IS NOT NULL",
    )
    .bind(id)
    .fetch_optional(&shared.pool)
    .await?;
    let Some((media, kept)) = row else {
        return Err(absent("file of the message", &id.to_string()));
    };
    let name = media["name"].as_str().unwrap_or("file");
    let mime = media["mime"].as_str();
    match (kept, media["url"].as_str()) {
        (Some(length), _) => {
            let pieces = from_database(shared.pool.clone(), id);
            Ok(given(name, mime, u64::try_from(length).ok(), Body::new(pieces)))
        }
        (None, Some(url)) => from_homeserver(&shared, url, Some(name), mime).await,
        (None, None) => Err(Problem::new(StatusCode::NOT_FOUND, "the file was not fetched yet")),
    }
}

/// What a browser saves and never shows: anybody may have sent it.
fn given(name: &str, mime: Option<&str>, length: Option<u64>, body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    let mime = mime.and_then(|mime| HeaderValue::from_str(mime).ok());
    let unknown = HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, mime.unwrap_or(unknown));
    let name = format!("attachment; filename*=UTF-8''{}", escaped(name).replace(':', "%3A"));
    if let Ok(name) = HeaderValue::from_str(&name) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
    response
}

/// Passes on what waits to be sent, as fast as it is read: not all of it has to be held for that.
fn from_database(pool: PgPool, message: Uuid) -> Pieces {
    let (pieces, waiting) = mpsc::channel(PIECES);
    tokio::spawn(async move {
        let mut at = 1;
        loop {
            let piece: Result<Vec<u8>, _> = sqlx::query_scalar(
                "SELECT substring(bytes FROM $2 FOR $3) FROM relay.files WHERE message_id = $1",
            )
            .bind(message)
            .bind(at)
            .bind(PIECE)
            .fetch_one(&pool)
            .await;
            // One that is shorter ends it; after an error the connection is cut.
            let is_whole = |it: &Vec<u8>| i32::try_from(it.len()).is_ok_and(|it| it == PIECE);
            let is_last = !piece.as_ref().is_ok_and(is_whole);
            if pieces.send(piece.map(Bytes::from).map_err(Into::into)).await.is_err() || is_last {
                return;
            }
            at += PIECE;
        }
    });
    Pieces(waiting)
}

/// Passes on what the homeserver has at that address.
pub(super) async fn from_homeserver(
    shared: &Shared,
    url: &str,
    name: Option<&str>,
    mime: Option<&str>,
) -> Answered {
    let gone = || Problem::new(StatusCode::NOT_FOUND, "the homeserver does not have the file");
    let Ok((server, id)) = <&MxcUri>::from(url).parts() else { return Err(gone()) };
    let service = shared.told.user(shared.told.service());
    let mut download = match Download::open(&service, server.as_str(), id).await {
        Ok(download) => download,
        Err(error) if error.is_not_found() => return Err(gone()),
        Err(error) => return Err(Problem::of_homeserver(&error)),
    };
    let name = name.map(str::to_owned).or_else(|| download.name.clone());
    let mime = mime.map(str::to_owned).or_else(|| download.mimetype.clone());
    let length = download.total;
    let (pieces, waiting) = mpsc::channel(PIECES);
    tokio::spawn(async move {
        loop {
            let piece = match download.next().await {
                Ok(Some(piece)) => Ok(piece.into()),
                Ok(None) => return,
                Err(error) => Err(error.into()),
            };
            // After an error the connection is cut, and who reads knows that something is missing.
            let is_last = piece.is_err();
            if pieces.send(piece).await.is_err() || is_last {
                return;
            }
        }
    });
    let name = name.unwrap_or_else(|| "file".to_owned());
    Ok(given(&name, mime.as_deref(), length, Body::new(Pieces(waiting))))
}

/// A file on its way.
struct Pieces(mpsc::Receiver<Result<Bytes, BoxError>>);

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}
