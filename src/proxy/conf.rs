//! `nginx.conf`. Whatever comes into it from the settings has a type that cannot hold a sign which
//! nginx would understand: ports, addresses, server names, URLs.

use std::{net::IpAddr, path::Path};

use data_encoding::HEXLOWER;
use minijinja::{Environment as Templates, UndefinedBehavior, context};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{Error, pool, temporary};
use crate::{
    config::{
        Config,
        sections::{rooms::E2EE, stack::Part, web::Client},
    },
    error::Failure,
    files, hooks,
    synapse::workers::{Worker, endpoints::Endpoint},
    tls, web,
};

/// What Synapse takes in any case, in bytes: 200 events of the largest size (`MAX_REQUEST_SIZE` in
/// its `api/constants.py`), as other servers send them.
const LARGEST_TRANSACTION: u64 = 200 * 65_536;

#[derive(Debug, Serialize)]
struct Encryption {
    /// Paths of the certificate with its intermediates and of its key.
    certificate: String,
    key: String,
    /// sha256 of the certificate, in hexadecimal.
    hash: String,
    https_port: u16,
    /// For other servers, where there are any.
    federation_port: Option<u16>,
    /// Where whoever comes without encryption is sent: `https://example.org:8443`.
    public: String,
}

/// Renders the file; `endpoints` are what the workers answer.
pub(super) fn render(
    config: &Config,
    workers: &[Worker],
    endpoints: &[Endpoint],
) -> Result<String, Failure> {
    /// Not all kinds are as busy as they may be at the same time.
    const BUSY: usize = 3;
    let (data, proxy) = (&config.data, &config.proxy);
    let pools = pool::pools(config, workers);
    // Two connections a request, and some for those who only keep theirs open.
    let busy = u64::try_from(pools.len().min(BUSY)).unwrap_or(1);
    let connections = u64::from(proxy.requests_at_once) * 2 * busy + 1024;
    let values = context! {
        root => rustix::process::geteuid().is_root(),
        processes => if pools.len() > 1 { "auto" } else { "1" },
        connections => connections,
        pid => data.run().join("nginx.pid").display().to_string(),
        temporary => temporary(data).display().to_string(),
        largest_body => config.synapse.max_upload_size.0.max(LARGEST_TRANSACTION),
        requests_at_once => proxy.requests_at_once.max(1),
        pools => minijinja::value::Serde(&pools),
        lines => minijinja::value::Serde(&pool::lines(endpoints, workers)),
        main => pool::MAIN,
        address => match proxy.address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        },
        http_port => proxy.http_port.0,
        behind_proxy => config.server.behind_proxy,
        tls => minijinja::value::Serde(&encryption(config)?),
        web => minijinja::value::Serde(&client_files(config)?),
        web_elsewhere => match &config.web.client {
            Some(Client::Hosted(_)) => config.web_url(),
            _ => None,
        },
        hooks => minijinja::value::Serde(&hooks::are_there(data).then(|| Hooks {
            url: config.hooks_url(),
            largest_body: config.hooks.largest_body.0,
        })),
        relay => minijinja::value::Serde(&relay(config)),
        client => proxy.well_known.then(|| client(config)),
        federation => (proxy.well_known && config.serves_federation())
            .then(|| federation(config)),
    };
    let mut templates = Templates::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    let template = include_str!("../../templates/nginx.conf.j2");
    let text = templates.render_named_str("nginx.conf.j2", template, &values);
    Ok(text.map_err(Error::Template)? + "\n")
}

/// Where webhooks are taken.
#[derive(Debug, Serialize)]
struct Hooks {
    url: String,
    largest_body: u64,
}

/// Chat for an application, where that is for everybody.
#[derive(Debug, Serialize)]
struct Relay {
    url: String,
    largest_body: u64,
}

fn relay(config: &Config) -> Option<Relay> {
    let is_public = config.relay.public && config.has(Part::Relay);
    is_public.then(|| Relay { url: config.relay_url(), largest_body: config.largest_for_relay() })
}

/// The client for browsers.
#[derive(Debug, Serialize)]
struct Served {
    root: String,
    /// What it is told.
    config: String,
    /// The names of files below `assets/` hold a hash of what is in them.
    hashed: bool,
}

fn client_files(config: &Config) -> Result<Option<Served>, Failure> {
    let Some(root) = web::root(config) else { return Ok(None) };
    can_be_written(&root)?;
    Ok(Some(Served {
        root: root.display().to_string(),
        config: web::config_json(&config.data).display().to_string(),
        hashed: config.served_client() == Some(&Client::Hydrogen),
    }))
}

/// Whether a path means itself within quotes.
fn can_be_written(path: &Path) -> Result<(), Failure> {
    if path.to_string_lossy().contains(['"', '$', '\\']) {
        return Err(Error::Path(path.to_owned()).into());
    }
    Ok(())
}

fn encryption(config: &Config) -> Result<Option<Encryption>, Failure> {
    let Some(tls::Pair { certificate, key }) = tls::pair(config)? else { return Ok(None) };
    let proxy = &config.proxy;
    can_be_written(&certificate)?;
    can_be_written(&key)?;
    // Our own is made right before it is used.
    let text = files::read_if_exists(&certificate)?.unwrap_or_default();
    let public = config.public_url();
    let origin = public.strip_prefix("https://").map(|rest| rest.split('/').next().unwrap_or(rest));
    Ok(Some(Encryption {
        hash: HEXLOWER.encode(&Sha256::digest(text)),
        certificate: certificate.display().to_string(),
        key: key.display().to_string(),
        https_port: proxy.https_port.0,
        federation_port: config.serves_federation().then_some(proxy.federation_port.0),
        public: match origin {
            Some(origin) => format!("https://{origin}"),
            None => config.proxy_https_url(),
        },
    }))
}

/// `/.well-known/matrix/client` ([spec], server discovery), with what Element and its kin look for beside it.
///
/// [spec]: https://spec.matrix.org/latest/client-server-api/#well-known-uri
fn client(config: &Config) -> String {
    let mut told = json!({ "m.homeserver": { "base_url": config.public_url() } });
    if let Some(encrypt) = config.clients_encrypt() {
        told[E2EE] = json!({ "default": encrypt });
    }
    told.to_string()
}

/// `/.well-known/matrix/server` ([spec], resolving server names).
///
/// [spec]: https://spec.matrix.org/latest/server-server-api/#getwell-knownmatrixserver
fn federation(config: &Config) -> String {
    json!({ "m.server": config.federation_address() }).to_string()
}
