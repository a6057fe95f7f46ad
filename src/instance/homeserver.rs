//! An installed homeserver, or the workers of one elsewhere, with the services that its settings make: made
//! once by a command, after it has the lock, and handed on.

use tokio::time::Instant;

use super::{guard, lifecycle::select};
use crate::{
    checks::{Flow, Subject},
    config::Config,
    error::Failure,
    services,
    supervisor::service::Service,
};

pub(crate) struct Homeserver<'a> {
    pub(crate) config: &'a Config,
    /// In the order in which they start.
    pub(crate) services: Vec<Service>,
}

impl<'a> Homeserver<'a> {
    /// What is wrong with its services is said before anything is changed.
    pub(crate) fn of(config: &'a Config) -> Result<Self, Failure> {
        guard::installed(&config.data)?;
        Ok(Self { config, services: services::outline(config)? })
    }

    /// Takes in that files have changed which a service reads.
    pub(crate) fn renew(&mut self) -> Result<(), Failure> {
        self.services = services::outline(self.config)?;
        Ok(())
    }

    /// What checks are to look at.
    pub(crate) fn subject(&self, flow: Flow, deadline: Instant) -> Subject<'_> {
        let mut subject = Subject::new(self.config, flow, deadline);
        subject.services = Some(&self.services);
        subject
    }

    /// The services that are meant with these words.
    pub(crate) fn select(&self, words: &[String]) -> Result<Vec<String>, select::Unknown> {
        select::resolve(words, &select::listed(&self.services))
    }

    /// These with all they need; without names, none: all are meant then.
    pub(crate) fn with_needs(&self, names: &[String]) -> Vec<String> {
        let mut found = names.to_vec();
        // Those that are needed stand before those that need them.
        for service in self.services.iter().rev() {
            if found.contains(&service.name) {
                found.extend(service.needs.iter().map(|need| need.service.clone()));
            }
        }
        found
    }
}
