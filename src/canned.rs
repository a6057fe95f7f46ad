//! An HTTP server for unit tests: it gives the answers it was told to, and notes what it was asked.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{HeaderName, Method, Request, Response, Uri, header};
use http_body_util::Full;
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinSet};

/// What is answered to some requests.
#[derive(Clone)]
pub(crate) struct Answer {
    status: u16,
    body: String,
    header: Option<(HeaderName, String)>,
    after: Duration,
    method: Option<Method>,
    path: String,
    token: Option<&'static str>,
    times: Option<usize>,
    given: usize,
}

impl Answer {
    /// To every request, until it is told otherwise.
    pub(crate) fn new(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            body: body.into(),
            header: None,
            after: Duration::ZERO,
            method: None,
            path: String::new(),
            token: None,
            times: None,
            given: 0,
        }
    }

    pub(crate) fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.header = Some((name, value.into()));
        self
    }

    pub(crate) fn after(mut self, wait: Duration) -> Self {
        self.after = wait;
        self
    }

    /// Only where the path has this in it.
    pub(crate) fn at(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    pub(crate) fn with_method(mut self, method: Method) -> Self {
        self.method = Some(method);
        self
    }

    /// Only to whoever shows this access token.
    pub(crate) fn for_token(mut self, token: &'static str) -> Self {
        self.token = Some(token);
        self
    }

    /// As often as this and no more, and the test fails where it was less.
    pub(crate) fn times(mut self, times: usize) -> Self {
        self.times = Some(times);
        self
    }

    fn is_for(&self, asked: &Request<Incoming>) -> bool {
        let shown = asked.headers().get(header::AUTHORIZATION).and_then(|it| it.to_str().ok());
        let shown = shown.and_then(|it| it.strip_prefix("Bearer "));
        self.times.is_none_or(|times| self.given < times)
            && self.method.as_ref().is_none_or(|method| method == asked.method())
            && self.token.is_none_or(|token| shown == Some(token))
            && asked.uri().path().contains(&self.path)
    }
}

#[derive(Default)]
struct State {
    answers: Vec<Answer>,
    asked: Vec<Uri>,
}

pub(crate) struct Server {
    authority: String,
    state: Arc<Mutex<State>>,
    /// Ends with the server.
    _tasks: JoinSet<()>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let state = Arc::<Mutex<State>>::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, Arc::clone(&state)));
        Self { authority, state, _tasks: tasks }
    }

    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.authority)
    }

    /// Of several that are for a request, the one that was told first is given.
    pub(crate) fn answers(&self, answer: Answer) {
        self.state.lock().unwrap().answers.push(answer);
    }

    pub(crate) fn asked(&self) -> Vec<Uri> {
        self.state.lock().unwrap().asked.clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        for answer in &self.state.lock().unwrap().answers {
            let wanted = answer.times.unwrap_or(answer.given);
            let what = format!("{} `{}`", answer.status, answer.path);
            assert_eq!(answer.given, wanted, "how often {what} was asked for");
        }
    }
}

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        let service = service_fn(move |asked| answer(asked, Arc::clone(&state)));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        connections.spawn(async { drop(connection.await) });
    }
}

async fn answer(
    asked: Request<Incoming>,
    state: Arc<Mutex<State>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let found = {
        let mut state = state.lock().unwrap();
        state.asked.push(asked.uri().clone());
        let found = state.answers.iter_mut().find(|answer| answer.is_for(&asked));
        found.map(|found| {
            found.given += 1;
            found.clone()
        })
    };
    let found = found.unwrap_or_else(|| Answer::new(404, ""));
    tokio::time::sleep(found.after).await;
    let mut response = Response::builder().status(found.status);
    if let Some((name, value)) = found.header {
        response = response.header(name, value);
    }
    Ok(response.body(Full::from(found.body)).unwrap())
}
