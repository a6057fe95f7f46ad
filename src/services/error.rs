//! What can be wrong with the services that the settings ask for.

use std::path::PathBuf;

use crate::{
    config,
    error::{Explain, Kind},
    supervisor::order,
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Order(#[from] order::Error),
    #[error("the service `{service}` cannot start `{program}`: {looked}")]
    Program { service: String, program: String, looked: &'static str },
    #[error("the service `{service}` cannot run in `{}`: there is no such folder", folder.display())]
    Folder { service: String, folder: PathBuf },
    #[error("the service `{service}` cannot have its variables")]
    EnvFile { service: String, source: Box<config::Error> },
    #[error("the service `{0}` has the name of a built-in service")]
    Name(String),
    #[error("the service `{service}` needs `{need}`, which is not in the profile `{profile}`")]
    Need { service: String, need: String, profile: String, suggestion: Option<String> },
    #[error("the service `{service}` would wait for `{need}` for ever: that {why}")]
    NeverMet { service: String, need: String, why: &'static str },
    #[error("the services `{one}` and `{other}` both use port {port}")]
    Port { one: String, other: String, port: u16 },
    #[error("the profile `{profile}` has variables for the {kind} `{name}`, which is not in it")]
    Nobody { profile: String, kind: &'static str, name: String, suggestion: Option<String> },
    #[error(
        "the profile `{profile}` may not set `{variable}` for the service `{service}`: this program sets it itself, or needs it as it is"
    )]
    Variable { profile: String, variable: String, service: String },
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::EnvFile { source, .. } => source.kind(),
            _ => Kind::Setting,
        }
    }

    fn hint(&self) -> Option<String> {
        let change = |key: &str, service: &str| {
            Some(format!("change `services.{service}.{key}` in `settings.yaml`"))
        };
        match self {
            Self::Order(_) => Some("`needs` in `settings.yaml` says who waits for whom".into()),
            Self::Program { service, .. } => change("command", service),
            Self::Folder { service, .. } => change("folder", service),
            Self::EnvFile { service, .. } => change("env_files", service),
            Self::Name(_) => Some("choose another name in `settings.yaml`".into()),
            Self::Need { suggestion: Some(it), .. } | Self::Nobody { suggestion: Some(it), .. } => {
                Some(format!("did you mean `{it}`?"))
            }
            Self::Need { .. } | Self::Nobody { .. } => {
                Some("`manage services --profile NAME` lists the services of a profile".into())
            }
            Self::NeverMet { service, need, .. } => change(&format!("needs.{need}"), service),
            Self::Port { other, .. } => {
                Some(format!("change `endpoints` or `health` of `services.{other}`"))
            }
            Self::Variable { .. } => {
                Some("take it out of `environment` of the profile; what is a setting goes into `settings`".into())
            }
        }
    }
}
