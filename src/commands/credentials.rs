//! `credentials`: what a program needs to talk to the homeserver itself. Secrets are masked unless
//! they are asked for.

use std::{
    fmt::{self, Write as _},
    path::PathBuf,
};

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{Answered, Reply},
    config::sections::tls::Certificate,
    context::Context,
    instance::status::{self, State},
    matrix::session::{self, Session},
    output::{self, Report},
    secret::Secret,
};

#[derive(clap::Args)]
pub(crate) struct Args {}

/// The platform's credentials schema.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Credentials {
    resource: &'static str,
    /// `running`, `stopped` or `error`.
    status: &'static str,
    connections: Vec<Connection>,
}

#[derive(Serialize, JsonSchema)]
struct Connection {
    id: &'static str,
    name: &'static str,
    credential_type: &'static str,
    #[serde(rename = "connection")]
    address: Address,
    auth: Auth,
    metadata: Metadata,
}

#[derive(Serialize, JsonSchema)]
struct Address {
    host: String,
    port: u16,
    path: &'static str,
    ssl: bool,
}

#[derive(Serialize, JsonSchema)]
struct Auth {
    username: String,
    token: String,
    header_name: &'static str,
    header_value: String,
}

#[derive(Serialize, JsonSchema)]
struct Metadata {
    description: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    capabilities: [&'static str; 4],
    url: String,
    server_name: String,
    user_id: String,
    /// The CA of our own certificate: who has this file believes the proxy, and other servers ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    ca_file: Option<PathBuf>,
}

pub(crate) async fn run(_: Args, context: &Context) -> Answered<Credentials> {
    let data = context.data()?;
    let mut status = status::fast(&data).await?;
    if !status.installed
        && let Ok(config) = context.config()
    {
        // Data that an uninstall kept are taken up again where the settings say.
        status.would_be(config);
    }
    let session = Session::load(&session::operator_file(&data))?;
    let moot = session.is_none();
    let answer = Credentials {
        resource: "matrix-synapse",
        status: match status.state {
            State::Running | State::Starting => "running",
            State::Unhealthy => "error",
            State::Stopped | State::NotInstalled => "stopped",
        },
        connections: session
            .map(|session| connection(session, &status, context))
            .into_iter()
            .collect(),
    };
    Ok(Reply::done_if(!moot, answer))
}

fn connection(session: Session, status: &status::Status, context: &Context) -> Connection {
    let Session { user_id, server_name, access_token, .. } = session;
    let (user_id, server_name) = (user_id.to_string(), server_name.to_string());
    let bearer = Secret::new(format!("Bearer {}", access_token.expose()));
    let host = status.health_url.trim_start_matches("http://");
    Connection {
        id: "api",
        name: "Matrix client API",
        credential_type: "httpHeaderAuth",
        address: Address {
            host: host.rsplit_once(':').map_or(host, |(host, _)| host).to_owned(),
            port: status.port,
            path: "/_matrix/client/v3",
            ssl: false,
        },
        auth: Auth {
            username: user_id
                .trim_start_matches('@')
                .split(':')
                .next()
                .unwrap_or_default()
                .to_owned(),
            token: context.masked(&access_token),
            header_name: "Authorization",
            header_value: context.masked(&bearer),
        },
        metadata: Metadata {
            description: "The operator, a server admin",
            version: status.version.clone(),
            capabilities: ["users", "rooms", "messages", "admin"],
            url: status.api_url.trim_end_matches("/_matrix/client/v3").to_owned(),
            server_name,
            user_id,
            ca_file: ca_file(context),
        },
    }
}

/// None where the certificate is not our own; settings that cannot be read are no reason to hide the
/// rest.
fn ca_file(context: &Context) -> Option<PathBuf> {
    let config = context.config().ok()?;
    let file = config.data.ca();
    (config.tls.certificate == Some(Certificate::Own) && file.exists()).then_some(file)
}

impl Report for Credentials {
    /// The values hold nothing that a shell would look at twice.
    fn variables(&self) -> Option<String> {
        let lines = |it: &Connection| {
            let Connection { auth, metadata, .. } = it;
            [
                format!("MATRIX_SYNAPSE_URL={}\n", metadata.url),
                format!("MATRIX_SYNAPSE_SERVER_NAME={}\n", metadata.server_name),
                format!("MATRIX_SYNAPSE_USER_ID={}\n", metadata.user_id),
                format!("MATRIX_SYNAPSE_ACCESS_TOKEN={}\n", auth.token),
                metadata.ca_file.as_ref().map_or_else(String::new, |file| {
                    format!("MATRIX_SYNAPSE_CA_FILE={}\n", file.display())
                }),
            ]
            .concat()
        };
        Some(self.connections.iter().map(lines).collect())
    }

    fn text(&self, page: &mut String) -> fmt::Result {
        let Some(Connection { auth, metadata, name, address, .. }) = self.connections.first()
        else {
            return writeln!(
                page,
                "No credentials yet: `manage install --start` creates the operator"
            );
        };
        writeln!(page, "{name} ({})\n", metadata.description)?;
        let mut rows = vec![
            ("URL", format!("{}{}", metadata.url, address.path)),
            ("Server name", metadata.server_name.clone()),
            ("User", metadata.user_id.clone()),
            ("Access token", auth.token.clone()),
            (auth.header_name, auth.header_value.clone()),
        ];
        rows.extend(metadata.ca_file.as_ref().map(|file| ("CA", file.display().to_string())));
        output::fields(page, &rows)
    }
}
