//! The order in which services start: every one after those it needs, otherwise as they were given.

use super::service::Service;

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    #[error("the service `{service}` needs `{need}`, which is not there")]
    Unknown { service: String, need: String },
    #[error("{}", in_circle(.0))]
    Circle(Vec<String>),
    #[error("there are two services `{0}`")]
    Twice(String),
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn in_circle(names: &[String]) -> String {
    match names {
        [one] => format!("the service `{one}` needs itself"),
        names => format!("the services {} need each other in a circle", quoted(names)),
    }
}

pub(crate) fn sort(mut services: Vec<Service>) -> Result<Vec<Service>, Error> {
    for (i, service) in services.iter().enumerate() {
        if services[..i].iter().any(|other| other.name == service.name) {
            return Err(Error::Twice(service.name.clone()));
        }
        for need in &service.needs {
            if !services.iter().any(|other| other.name == need.service) {
                let (service, need) = (service.name.clone(), need.service.clone());
                return Err(Error::Unknown { service, need });
            }
        }
    }
    let mut sorted: Vec<Service> = Vec::with_capacity(services.len());
    while !services.is_empty() {
        let is_sorted = |name: &str| sorted.iter().any(|service| service.name == name);
        let next = services.iter().position(|s| s.needs.iter().all(|n| is_sorted(&n.service)));
        let Some(next) = next else {
            return Err(Error::Circle(circle(&services)));
        };
        sorted.push(services.remove(next));
    }
    Ok(sorted)
}

/// Those of services that cannot be sorted which need each other, without what only needs them.
fn circle(services: &[Service]) -> Vec<String> {
    let mut path: Vec<&Service> = services.first().into_iter().collect();
    while let Some(last) = path.last() {
        let needed = |other: &&Service| last.needs.iter().any(|need| need.service == other.name);
        let Some(next) = services.iter().find(needed) else { break };
        if let Some(start) = path.iter().position(|service| service.name == next.name) {
            path.drain(..start);
            break;
        }
        path.push(next);
    }
    path.into_iter().map(|service| service.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::service::sample, *};

    fn sorted(services: &[(&str, &[&str])]) -> Result<String, Error> {
        let services = services.iter().map(|(name, needs)| sample(name, needs)).collect();
        let names: Vec<String> = sort(services)?.into_iter().map(|service| service.name).collect();
        Ok(names.join(" "))
    }

    #[test]
    fn every_service_comes_after_what_it_needs() {
        let order = sorted(&[
            ("proxy", &["main"]),
            ("main", &["db", "cache"]),
            ("db", &[]),
            ("cache", &[]),
        ]);
        assert_eq!(order.unwrap(), "db cache main proxy");
    }

    #[test]
    fn a_circle_is_named() {
        let error = sorted(&[("a", &["b"]), ("b", &["a"]), ("c", &[])]).unwrap_err();
        assert_eq!(error.to_string(), "the services `a`, `b` need each other in a circle");
        let error = sorted(&[("x", &["a"]), ("a", &["b"]), ("b", &["a"])]).unwrap_err();
        assert_eq!(error.to_string(), "the services `a`, `b` need each other in a circle");
        let error = sorted(&[("a", &["a"])]).unwrap_err();
        assert_eq!(error.to_string(), "the service `a` needs itself");
    }

    #[test]
    fn an_unknown_need_and_a_double_name_are_named() {
        let error = sorted(&[("a", &["b"])]).unwrap_err();
        assert_eq!(error.to_string(), "the service `a` needs `b`, which is not there");
        let error = sorted(&[("a", &[]), ("a", &[])]).unwrap_err();
        assert_eq!(error.to_string(), "there are two services `a`");
    }
}
