//! What has the proxy read its certificate again when that changes, and renews our own.

use super::{CERTIFICATES, PROXY};
use crate::{
    config::{Config, sections::stack::Part},
    supervisor::service::Service,
};

pub(super) fn service(config: &Config) -> Option<Service> {
    config.tls.certificate.as_ref().filter(|_| config.has(Part::Proxy))?;
    let summary = "renews certificates, and has the proxy read new ones";
    let revision = format!("{:?} {:?}", config.tls, config.server);
    Some(super::own(config, CERTIFICATES, summary, &[PROXY], revision))
}
