//! The processes that the settings ask for.

use super::{Check, Flow, Found, Look, Subject};
use crate::services;

pub(crate) static SERVICES: Check = Check {
    name: "services",
    about: "the services that the settings ask for fit together and can be started",
    remedy: "`manage services` lists them",
    flows: &[
        Flow::Install,
        Flow::Start,
        Flow::Restart,
        Flow::Change,
        Flow::Scale,
        Flow::ConfigCheck,
    ],
    look: Look::Here(look),
};

fn look(subject: &Subject<'_>) -> Found {
    if subject.services.is_none() {
        services::outline(subject.config)?;
    }
    Ok(Vec::new())
}
