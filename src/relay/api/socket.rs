//! The same as a WebSocket, for programs that have those: each event is a text. Only reading goes on over it. What is kept
//! for a reader is little, for there may be many who hear nothing for hours.

use std::{io, sync::Arc, time::Duration};

use axum::{
    body::Bytes,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::json;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};

use super::{
    asked::Asked,
    frames::{self, Heard, Incoming},
    origins,
    problem::Problem,
    reader::{End, PATIENCE, Reader, Wire, asks},
};
use crate::{
    listener::Onward,
    relay::{Shared, keys::Scope, tail::Item},
};

/// How long nothing may come, not even an answer to a ping.
const SILENCE: Duration = Duration::from_secs(45);
/// Browsers can say nothing else in a handshake: this, and the token after it.
const BEARER: &str = "bearer";
/// What is kept for what goes out next.
const KEPT: usize = 256;

struct Socket {
    stream: TcpStream,
    incoming: Incoming,
    /// When something came last.
    heard: Instant,
    /// What is to be sent, and how much of it is: a frame that was begun is ended.
    out: Vec<u8>,
    sent: usize,
}

impl Socket {
    /// With what was read of it already: nobody says much before they were answered.
    fn of(stream: TcpStream, read: &[u8]) -> Self {
        let mut incoming = Incoming::default();
        let came = incoming.space().len().min(read.len());
        incoming.space()[..came].copy_from_slice(&read[..came]);
        incoming.came(came);
        Self { stream, incoming, heard: Instant::now(), out: Vec::new(), sent: 0 }
    }

    async fn flush(&mut self) -> Result<(), End> {
        while self.sent < self.out.len() {
            self.stream.writable().await.map_err(|_| End::Gone)?;
            match self.stream.try_write(&self.out[self.sent..]) {
                Ok(more) => self.sent += more,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Err(End::Gone),
            }
        }
        self.sent = 0;
        self.out.clear();
        self.out.shrink_to(KEPT);
        Ok(())
    }

    fn understand(&mut self) -> Result<(), End> {
        while let Some(heard) = self.incoming.next() {
            match heard {
                Heard::Pong => {}
                Heard::Ping(said) => frames::pong(&mut self.out, &said),
                Heard::Close(_) => return Err(End::Left),
                Heard::Message => return Err(End::Spoke),
                Heard::Broken => return Err(End::Broken),
            }
        }
        Ok(())
    }
}

impl Wire for Socket {
    async fn item(&mut self, item: &Item) -> Result<(), End> {
        frames::text(&mut self.out, item.text());
        self.flush().await
    }

    async fn beat(&mut self) -> Result<(), End> {
        if self.heard.elapsed() > SILENCE {
            return Err(End::Silent);
        }
        frames::ping(&mut self.out);
        self.flush().await
    }

    async fn heard(&mut self) -> Result<(), End> {
        loop {
            self.understand()?;
            if !self.out.is_empty() {
                return Ok(());
            }
            self.stream.readable().await.map_err(|_| End::Gone)?;
            match self.stream.try_read(self.incoming.space()) {
                Ok(0) => return Err(End::Gone),
                Ok(more) => {
                    self.incoming.came(more);
                    self.heard = Instant::now();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Err(End::Gone),
            }
        }
    }

    async fn answer(&mut self) -> Result<(), End> {
        self.flush().await
    }

    async fn end(&mut self, why: End, resume: i64) {
        let (code, reason) = match (why, why.reason()) {
            (End::Gone, _) => return,
            (End::Spoke, Some(reason)) => (1003, reason),
            (End::Broken, Some(reason)) => (1002, reason),
            (End::Expired | End::Removed, Some(reason)) => (1008, reason),
            // To be tried again later.
            (_, Some(reason)) => (1013, reason),
            (_, None) => (1000, ""),
        };
        if !reason.is_empty() {
            let words = json!({ "type": "end", "reason": reason, "resume": resume });
            frames::text(&mut self.out, &words.to_string());
        }
        frames::close(&mut self.out, code, reason);
        drop(timeout(PATIENCE, self.flush()).await);
    }
}

/// Whether a header has this word among its others.
fn says(headers: &HeaderMap, name: header::HeaderName, word: &str) -> bool {
    let all = headers.get_all(name).into_iter().filter_map(|it| it.to_str().ok());
    all.flat_map(|it| it.split(',')).any(|it| it.trim().eq_ignore_ascii_case(word))
}

/// The token among the protocols.
fn token(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).into_iter();
    let mut words =
        all.filter_map(|it| it.to_str().ok()).flat_map(|it| it.split(',')).map(str::trim);
    words.find(|word| word.eq_ignore_ascii_case(BEARER))?;
    words.next()
}

/// What is answered to the handshake; none where it is none.
fn accepted(headers: &HeaderMap) -> Option<HeaderValue> {
    let is_handshake = says(headers, header::UPGRADE, "websocket")
        && says(headers, header::CONNECTION, "upgrade")
        && says(headers, header::SEC_WEBSOCKET_VERSION, "13");
    let key = headers.get(header::SEC_WEBSOCKET_KEY)?.to_str().ok().filter(|_| is_handshake)?;
    frames::accepted(key)?.try_into().ok()
}

pub(super) async fn socket(
    State(shared): State<Arc<Shared>>,
    mut request: Request,
) -> Result<Response, Problem> {
    let is_get = request.method() == Method::GET;
    let headers = request.headers_mut();
    let answer = accepted(headers).filter(|_| is_get).ok_or_else(|| {
        Problem::new(StatusCode::UPGRADE_REQUIRED, "this is for a WebSocket (version 13)")
    })?;
    origins::admit(headers, &shared.origins)?;
    let protocol = token(headers).map(|token| HeaderValue::try_from(format!("Bearer {token}")));
    let is_named = protocol.is_some();
    if let Some(Ok(token)) = protocol
        && !headers.contains_key(header::AUTHORIZATION)
    {
        headers.insert(header::AUTHORIZATION, token);
    }
    let onward = request.extensions().get::<Onward>().cloned();
    let asked = Asked::of(&shared, request, Scope::Read).await?;
    let reader = Reader::of(shared, asks(&asked)?).await?;
    let onward = onward.ok_or_else(|| Problem::bad("this connection cannot go on"))?;
    onward.with(|stream, read| read_along(reader, stream, read));
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, answer);
    if is_named {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(BEARER));
    }
    Ok(response)
}

async fn read_along(reader: Reader, stream: TcpStream, read: Bytes) -> TcpStream {
    let mut socket = Socket::of(stream, &read);
    drop(read);
    reader.run(&mut socket).await;
    socket.stream
}
