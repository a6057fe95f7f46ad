//! What stands in front of Synapse: the certificate, nginx and the client for browsers.

use super::{Check, EVERY, Flow, Found, Look, Subject};
use crate::{
    clock,
    config::{
        Config,
        sections::{encryption::ShareWith, stack::Part, web::Client},
    },
    error::Explain as _,
    proxy, tls, web,
};

pub(crate) static CERTIFICATE: Check = Check {
    name: "certificate",
    about: "the certificate of `tls.certificate` fits its key, the names of the homeserver and the time",
    remedy: "`config set tls.certificate own` has one made",
    flows: EVERY,
    look: Look::Here(|subject| Ok(tls::check(subject.config, clock::now())?)),
};

pub(crate) static PROXY: Check = Check {
    name: "proxy-program",
    about: "nginx is there where the profile has a proxy",
    remedy: "`config set proxy.program PATH` names one that is elsewhere",
    flows: EVERY,
    look: Look::Here(|subject| {
        if subject.config.has(Part::Proxy) {
            proxy::program(subject.config)?;
        }
        Ok(Vec::new())
    }),
};

/// Without a client all else works: only where its settings are judged it is in the way.
pub(crate) static WEB: Check = Check {
    name: "web-client",
    about: "the client for browsers that `web.client` names is there and its settings can be read",
    remedy: "`config set web.client ''` does without a client",
    flows: EVERY,
    look: Look::Here(web_client),
};

/// Hydrogen has no identities: its devices are signed by nobody.
fn unread(config: &Config) -> Option<String> {
    let is_unsigned = config.web.client == Some(Client::Hydrogen);
    let encryption = &config.encryption;
    (is_unsigned && encryption.enabled && encryption.share_with != ShareWith::All).then(|| {
        "Hydrogen cannot sign its devices, so nobody reads with it what this program says in encrypted rooms: \
         `config set encryption.share_with all` gives keys to every device"
            .to_owned()
    })
}

fn web_client(subject: &Subject<'_>) -> Found {
    if [Flow::Install, Flow::ConfigCheck].contains(&subject.flow) {
        web::check(subject.config)?;
        return Ok(unread(subject.config).into_iter().collect());
    }
    let complaint = web::complaint(subject.config);
    let text = |error: web::Error| format!("{error}: {}", error.hint().unwrap_or_default());
    Ok(complaint.map(text).into_iter().collect())
}
