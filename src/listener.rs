//! Takes connections, so many at once, and answers what comes over them.

use std::{sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};

/// How long the head of a request may take, and a connection be idle.
const HEAD: Duration = Duration::from_secs(10);
/// How long what a refused client still sends is swallowed, so that it hears the answer.
const LINGER: Duration = Duration::from_secs(1);

/// Answers until the process ends. Who comes while there are as many `connections` waits for one of them to end.
pub(crate) async fn serve(listener: TcpListener, connections: usize, router: Router) {
    let places = Arc::new(Semaphore::new(connections));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let router = router.clone();
                tokio::spawn(async move {
                    answer(stream, router).await;
                    drop(place);
                });
            }
            // Such as too many open files.
            Err(error) => {
                tracing::warn!("a connection cannot be accepted: {error}");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn answer(stream: TcpStream, router: Router) {
    drop(stream.set_nodelay(true));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    // A client that is cut off, or too slow, is no business of ours.
    let Ok(parts) = connection.without_shutdown().await else { return };
    // Closed with something unread, the connection would be reset and the answer lost.
    let mut stream = parts.io.into_inner();
    let swallow = async {
        stream.shutdown().await?;
        let mut rest = [0; 4096];
        while stream.read(&mut rest).await? > 0 {}
        Ok::<_, std::io::Error>(())
    };
    drop(timeout(LINGER, swallow).await);
}
