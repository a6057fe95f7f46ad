//! Workers on other machines.

use super::{Check, Flow, Found, Look, Subject};
use crate::synapse::workers::{self, Worker};

/// A scale asks for those alone that it would start.
pub(crate) static ELSEWHERE: Check = Check {
    name: "workers-elsewhere",
    about: "no worker that is to run here runs on another machine still",
    remedy: "stop it there first",
    flows: &[Flow::Start, Flow::Restart, Flow::Change],
    look: Look::Here(look),
};

fn look(subject: &Subject<'_>) -> Found {
    let config = subject.config;
    if !config.is_joined() {
        let here = workers::here(config, &workers::chosen(config).unwrap_or_default());
        let names: Vec<String> = here.into_iter().map(Worker::name).collect();
        workers::not_elsewhere(config, &names)?;
    }
    Ok(Vec::new())
}
