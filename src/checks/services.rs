//! The processes that the settings ask for.

use super::{Check, EVERY, Found, Look, Subject};
use crate::{supervisor::kept, synapse::workers};

pub(crate) static SERVICES: Check = Check {
    name: "services",
    about: "the services that the settings ask for fit together and can be started",
    remedy: "`manage services` lists them",
    flows: EVERY,
    look: Look::Here(look),
};

fn look(subject: &Subject<'_>) -> Found {
    if !kept::is_inside() {
        workers::by_address(subject.config)?;
    }
    subject.outline()?;
    Ok(Vec::new())
}
