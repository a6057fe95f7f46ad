//! The tools over HTTP, on this machine alone and for who knows the token.
//!
//! Source: [streamable HTTP](https://modelcontextprotocol.io/specification/2026-07-28/basic/transports).

use std::{net::Ipv4Addr, path::PathBuf, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
};
use rand::rng;
use ring::digest::{SHA256, digest};
use rmcp::transport::{
    StreamableHttpServerConfig, StreamableHttpService,
    streamable_http_server::session::local::LocalSessionManager,
};
use tokio::net::TcpListener;

use super::{Error, server::Server};
use crate::{context::Context, error::Failure, files, listener, secret::Secret};

/// More clients than one machine has.
const CONNECTIONS: usize = 64;
const PATH: &str = "/mcp";
/// Whether in capitals or not is the client's choice (RFC 9110, 11.1).
const BEARER: &str = "Bearer ";

/// The token of whoever may call, mode 0600.
fn token(context: &Context) -> Result<(PathBuf, Secret), Failure> {
    let data = context.data()?;
    files::private_folder(&data.secrets())?;
    let path = data.secret("mcp_token");
    let token = Secret::read_or_generate(&path, &mut rng())?;
    Ok((path, token))
}

/// Answers until the process is ended.
pub(super) async fn serve(server: Server, port: u16, context: &Context) -> Result<(), Failure> {
    let (path, token) = token(context)?;
    let address = (Ipv4Addr::LOCALHOST, port).into();
    let socket = TcpListener::bind(address).await;
    let socket = socket.map_err(|source| Error::Listen(address, source))?;
    let address = socket.local_addr().unwrap_or(address);
    context.say(format!(
        "http://{address}{PATH}, with `Authorization: Bearer` and the token in {}",
        path.display()
    ));
    // A page in a browser of this machine has an origin, and no business here.
    let config = StreamableHttpServerConfig::default().enforce_origin_validation();
    let sessions = Arc::new(LocalSessionManager::default());
    let service = StreamableHttpService::new(move || Ok(server.clone()), sessions, config);
    let known = Arc::new(token.expose().to_owned());
    let router = Router::new()
        .route_service(PATH, service)
        .layer(middleware::from_fn_with_state(known, only_who_knows_the_token));
    listener::serve(&socket, CONNECTIONS, router).await;
    Ok(())
}

async fn only_who_knows_the_token(
    State(known): State<Arc<String>>,
    request: Request,
    next: Next,
) -> Response {
    let hash = |bytes: &[u8]| digest(&SHA256, bytes).as_ref().to_vec();
    let given = request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    // Of hashes nobody learns how far a guess was right.
    let given = given.and_then(|given| given.split_at_checked(BEARER.len()));
    let given = given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case(BEARER.as_bytes()));
    if given.is_some_and(|(_, given)| hash(given) == hash(known.as_bytes())) {
        return next.run(request).await;
    }
    let mut answer = (StatusCode::UNAUTHORIZED, "the token is missing or wrong\n").into_response();
    answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    answer
}
