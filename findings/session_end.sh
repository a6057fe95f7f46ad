#!/usr/bin/env bash
# Guess: a client that ends its session with a server of the same protocol hears that this went well.
# Truth: the session is over, and the client reports "Session termination failed: 202". The server of the Rust SDK answers
#        the DELETE with 202, and the Python client takes only 200 and 204 for a success. The specification names the
#        request and no status for it, so that each may be right, and logs have a warning for every session.
# Version: rmcp 3.11.0 (crates.io), mcp 2.3.0 (PyPI)
# Source: https://modelcontextprotocol.io/specification/2025-06-18/basic/transports#session-management
set -euo pipefail
folder=$(mktemp -d)
trap '[[ -z ${server:-} ]] || kill "$server"; rm -rf -- "$folder"' EXIT
cd -- "$folder"
mkdir src
cat >Cargo.toml <<'X'
[package]
name = "server"
version = "0.0.0"
edition = "2024"
[dependencies]
axum = "0.8"
rmcp = { version = "=3.11.0", default-features = false, features = ["server", "transport-streamable-http-server"] }
tokio = { version = "1", features = ["full"] }
X
cat >src/main.rs <<'X'
use rmcp::transport::{StreamableHttpService, streamable_http_server::session::local::LocalSessionManager};
#[derive(Clone)]
struct Nothing;
impl rmcp::ServerHandler for Nothing {}
#[tokio::main]
async fn main() {
    let service = StreamableHttpService::new(|| Ok(Nothing), std::sync::Arc::new(LocalSessionManager::default()), Default::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    axum::serve(listener, axum::Router::new().route_service("/mcp", service)).await.unwrap();
}
X
cargo build --quiet
python3 -m venv venv && venv/bin/pip install --quiet mcp==2.3.0
target/debug/server >address &
server=$!
until [[ -s address ]]; do sleep 0.1; done
said=$(venv/bin/python - "http://$(cat address)/mcp" <<'X' 2>&1
import asyncio, logging, sys
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
logging.basicConfig(level=logging.WARNING)
async def main():
    async with streamable_http_client(sys.argv[1]) as streams:
        async with ClientSession(streams[0], streams[1]) as session:
            await session.initialize()
asyncio.run(main())
X
)
printf 'rmcp 3.11.0, mcp 2.3.0\n%s\n' "$said"
[[ $said == *'Session termination failed: 202'* ]]
