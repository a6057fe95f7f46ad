//! A second front door: the verbs as tools for programs that speak the Model Context Protocol. Each call is a run of this
//! program with the same data folder, so that what a tool does is what the verb does, and its end ends nothing else.
//!
//! Source: the [protocol](https://modelcontextprotocol.io/specification/2026-07-28).

mod call;
mod http;
mod input;
mod server;
mod tools;

use std::{io, net::SocketAddr};

use rmcp::{ServiceExt as _, transport::stdio};

use crate::{
    commands::agents::Args,
    context::Context,
    error::{Explain, Failure, Kind},
    instance::guard,
    reply::Outcome,
};
use server::Server;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("whoever started this does not speak the Model Context Protocol")]
    Spoken(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("{0} cannot be listened on")]
    Listen(SocketAddr, #[source] io::Error),
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Spoken(_) => Kind::Request,
            Self::Listen(..) => Kind::Environment,
        }
    }

    fn hint(&self) -> Option<String> {
        if let Self::Listen(..) = self {
            return Some("`--http 0` takes a port that is free".into());
        }
        Some("a client starts it: its command is this program, its arguments are `mcp` and `--data-dir FOLDER`".into())
    }
}

/// Answers on standard input and output until the client goes, or over HTTP.
pub(crate) async fn serve(args: Args, context: &Context) -> Result<Outcome, Failure> {
    let server = Server::new(args.allow, context)?;
    if let Some(port) = args.http {
        // Where there is nothing yet, the folder may be mistyped.
        guard::installed(&context.data()?)?;
        http::serve(server, port, context).await?;
        return Ok(Outcome::Done);
    }
    let running = server.serve(stdio()).await.map_err(|error| Error::Spoken(error.into()))?;
    running.waiting().await.map_err(|error| Error::Spoken(error.into()))?;
    Ok(Outcome::Done)
}
