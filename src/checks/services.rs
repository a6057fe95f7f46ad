//! The processes that the settings ask for.

use super::{Check, Flow, Found, Look, Subject};

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
    subject.outline()?;
    Ok(Vec::new())
}
