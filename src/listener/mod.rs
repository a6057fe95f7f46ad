//! Takes connections, so many at once, and answers what comes over them.

pub(crate) mod rate;
pub(crate) mod request;

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{Router, body::Bytes};
use hyper::{server::conn::http1, service::Service as _};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use rustix::{
    net::sockopt::set_tcp_user_timeout,
    process::{Resource, getrlimit},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};

/// How long the head of a request may take, and a connection be idle.
const HEAD: Duration = Duration::from_secs(10);
/// How long a client may leave unread what it was sent.
const UNREAD: Duration = Duration::from_mins(1);
/// How long what a refused client still sends is swallowed, so that it hears the answer.
const LINGER: Duration = Duration::from_secs(1);
/// Files that are open besides the connections.
const OTHER_FILES: u64 = 128;

/// What goes on over a connection after the answer 101. Each request has one among its extensions, and whoever
/// answers so fills it; the connection keeps its place until that ends.
#[derive(Clone, Default)]
pub(crate) struct Onward(Arc<Mutex<Option<Then>>>);

/// It is given the connection and what was read of it already, and gives it back to be closed.
type Then = Box<dyn FnOnce(TcpStream, Bytes) -> Going + Send>;
type Going = Pin<Box<dyn Future<Output = TcpStream> + Send>>;

impl Onward {
    pub(crate) fn with<F>(&self, then: impl FnOnce(TcpStream, Bytes) -> F + Send + 'static)
    where
        F: Future<Output = TcpStream> + Send + 'static,
    {
        let then: Then = Box::new(|stream, read| Box::pin(then(stream, read)));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(then);
    }

    fn take(&self) -> Option<Then> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Answers until the process ends. Who comes while there are as many `connections` waits for one of them to end.
pub(crate) async fn serve(listener: &TcpListener, connections: usize, router: Router) {
    serve_within(HEAD, listener, connections, router).await;
}

async fn serve_within(head: Duration, listener: &TcpListener, connections: usize, router: Router) {
    let places = Arc::new(Semaphore::new(there_is_room_for(connections)));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(answer(stream, router.clone(), head, place));
            }
            // Such as too many open files.
            Err(error) => {
                tracing::warn!("a connection cannot be accepted: {error}");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Each connection is an open file, and without any more of those nothing else goes on either.
fn there_is_room_for(connections: usize) -> usize {
    let Some(files) = getrlimit(Resource::Nofile).current else { return connections };
    let most = usize::try_from(files.saturating_sub(OTHER_FILES).max(files / 2)).unwrap_or(1);
    if most < connections {
        tracing::warn!(
            "there is room for {most} connections and not {connections}: the limit of open files is {files}"
        );
    }
    connections.min(most)
}

async fn answer(stream: TcpStream, router: Router, head: Duration, place: OwnedSemaphorePermit) {
    drop(stream.set_nodelay(true));
    let unread = u32::try_from(UNREAD.as_millis()).unwrap_or(u32::MAX);
    set_tcp_user_timeout(&stream, unread).ok();
    let onward = Onward::default();
    let router = TowerToHyperService::new(router);
    let connection = {
        let onward = onward.clone();
        let service = hyper::service::service_fn(move |mut request: http::Request<_>| {
            request.extensions_mut().insert(onward.clone());
            router.call(request)
        });
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(head)
            .serve_connection(TokioIo::new(stream), service)
    };
    // A client that is cut off, or too slow, is no business of ours.
    let Ok(parts) = connection.without_shutdown().await else { return };
    let stream = parts.io.into_inner();
    let Some(then) = onward.take() else { return part(stream).await };
    // In a task of its own: what HTTP needed is given back.
    tokio::spawn(async move {
        part(then(stream, parts.read_buf).await).await;
        drop(place);
    });
}

/// Closed with something unread, the connection would be reset and the answer lost.
async fn part(mut stream: TcpStream) {
    let swallow = async {
        stream.shutdown().await?;
        let mut rest = [0; 512];
        while stream.read(&mut rest).await? > 0 {}
        Ok::<_, io::Error>(())
    };
    drop(timeout(LINGER, swallow).await);
}

#[cfg(test)]
mod tests {
    use axum::{
        extract::Request,
        response::IntoResponse as _,
        routing::{get, post},
    };
    use http::StatusCode;
    use tokio::time::Instant;

    use super::*;

    async fn said(stream: &mut TcpStream, words: &str) -> String {
        stream.write_all(words.as_bytes()).await.unwrap();
        let mut heard = String::new();
        stream.read_to_string(&mut heard).await.unwrap();
        heard
    }

    async fn started(head: Duration, connections: usize, router: Router) -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { serve_within(head, &listener, connections, router).await });
        // Who says nothing has all places.
        let mut silent = Vec::new();
        for _ in 0..connections {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        let stream = TcpStream::connect(address).await.unwrap();
        tokio::spawn(async move {
            sleep(Duration::from_mins(1)).await;
            drop(silent);
        });
        stream
    }

    #[tokio::test]
    async fn who_says_nothing_keeps_others_out_no_longer_than_a_head_may_take() {
        let head = Duration::from_millis(100);
        let router = Router::new().route("/", get(|| async { "here" }));
        let mut stream = started(head, 20, router).await;
        let begun = Instant::now();
        let heard =
            said(&mut stream, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        assert!(heard.ends_with("here"), "{heard}");
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn a_body_that_stands_still_is_answered_with_408() {
        let patience = Duration::from_millis(300);
        let handler = move |request: Request| async move {
            let read = request::read_within(patience, request.into_body(), 100).await;
            read.map_err(|why| why.status())
        };
        let router = Router::new().route("/", post(handler));
        let head = "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 9\r\n\r\n";
        let mut stream = started(Duration::from_millis(100), 1, router.clone()).await;
        let heard = said(&mut stream, &format!("{head}four")).await;
        assert!(heard.starts_with("HTTP/1.1 408 "), "{heard}");
        // Who goes on takes longer altogether only as long as enough comes.
        let mut stream = started(Duration::from_millis(100), 1, router).await;
        for piece in [head, "a", "b", "c", "d", "e", "f", "g", "h"] {
            stream.write_all(piece.as_bytes()).await.unwrap();
            sleep(patience / 5).await;
        }
        let heard = said(&mut stream, "").await;
        assert!(heard.starts_with("HTTP/1.1 408 "), "{heard}");
    }

    #[tokio::test]
    async fn what_goes_on_after_101_has_the_connection_and_what_was_read_of_it() {
        let handler = |request: Request| async move {
            let onward = request.extensions().get::<Onward>().unwrap();
            onward.with(|mut stream, read| async move {
                stream.write_all(&read).await.unwrap();
                stream
            });
            let upgrade = [("upgrade", "echo"), ("connection", "upgrade")];
            (StatusCode::SWITCHING_PROTOCOLS, upgrade).into_response()
        };
        let router = Router::new().route("/", get(handler));
        let mut stream = started(Duration::from_millis(100), 1, router).await;
        let head = "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
        let heard = said(&mut stream, &format!("{head}and more")).await;
        assert!(
            heard.starts_with("HTTP/1.1 101 ") && heard.ends_with("\r\n\r\nand more"),
            "{heard}"
        );
    }
}
