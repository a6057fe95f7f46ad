//! What cannot be had in a cluster, each by its name.

use crate::{
    bridges,
    config::{
        Config,
        sections::{kubernetes::Entrance, stack, web::Client},
    },
    error::{Explain, Failure, Kind},
    python::Set,
    synapse::{own_files, version},
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(
        "`{prefix}`, the name of the data folder, is too long for objects of Kubernetes: at most {most} characters"
    )]
    LongName { prefix: String, most: usize },
    #[error("in Kubernetes there is no {what}")]
    Missing { what: String, hint: &'static str },
    #[error("`kubernetes.entrance_class` has to be the Gateway, NAMESPACE/NAME")]
    Gateway,
    #[error("`{0}` cannot be the key of a Secret")]
    Key(String),
    #[error("this homeserver has no keys yet")]
    NoKeys,
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NoKeys => Kind::Request,
            _ => Kind::Setting,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::LongName { .. } => {
                "`--instance NAME` names another one; an existing one can be moved while it is stopped".into()
            }
            Self::Missing { hint, .. } => (*hint).into(),
            Self::Gateway => "`config set kubernetes.entrance_class NAMESPACE/NAME`".into(),
            Self::Key(_) => "give it a name of letters, digits, `-`, `_` and `.`".into(),
            Self::NoKeys => "`manage render --target kubernetes --with-secrets --out FOLDER` makes them, as does `manage install --target kubernetes`".into(),
        })
    }
}

pub(super) fn check(config: &Config) -> Result<(), Failure> {
    let missing = |what: String, hint| Err(Failure::from(Error::Missing { what, hint }));
    let profile = &config.profile.name;
    if !stack::typed().any(|it| it.name == profile) {
        return missing(
            format!("profile `{profile}` of your own"),
            "`config set stack.profile NAME` with one of the program's; what else is to run there is a deployment of yours",
        );
    }
    if let Some(service) = config.custom.first() {
        return missing(
            format!("service `{}` of your own", service.name),
            "take it out of `services`, and make a deployment of its own image",
        );
    }
    if let Some((bridge, _)) = bridges::all(&config.data)?.iter().find_map(bridges::Found::whole) {
        return missing(
            format!("bridge `{}` of this program", bridge.name),
            "run it as a deployment of its own image, and put its registration into `homeserver.d` as `app_service_config_files`",
        );
    }
    if config.has_relay() {
        return missing(
            "TURN relay of this program: its ports have to be those of the node".into(),
            "`config set turn.enabled false`, and `turn.uris` with a relay outside of the cluster",
        );
    }
    if config.synapse.modules.is_some() || version::wanted(config) != Set::synapse(None).version {
        return missing(
            "Synapse other than that of the image".into(),
            "build an image with it, without `synapse.modules` and `synapse.version`",
        );
    }
    if matches!(config.web.client, Some(Client::Hydrogen | Client::Folder(_))) {
        return missing(
            "web client that the proxy serves".into(),
            "`config set web.client https://…` names one that is served elsewhere",
        );
    }
    if !config.synapse.federation_custom_ca_list.is_empty() {
        return missing(
            "file of CAs from this machine".into(),
            "build an image with them among its CAs, without `synapse.federation_custom_ca_list`",
        );
    }
    let kubernetes = &config.kubernetes;
    let is_gateway = kubernetes.entrance == Entrance::Gateway;
    let names =
        |class: &String| class.split_once('/').is_some_and(|(a, b)| !a.is_empty() && !b.is_empty());
    if is_gateway && !kubernetes.entrance_class.as_ref().is_some_and(names) {
        return Err(Error::Gateway.into());
    }
    for path in own_files(&config.data) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if !name.chars().all(is_plain) {
            return Err(Error::Key(name).into());
        }
    }
    Ok(())
}
