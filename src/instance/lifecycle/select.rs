//! Services by the names people type: a name, a name as other launchers write it (`matrix-synapse`),
//! or a tag that several share.

use crate::{
    config::nearest,
    error::{Explain, Kind},
    supervisor::{record::Snapshot, service::Service},
};

#[derive(Debug, thiserror::Error)]
#[error("there is no service `{name}`")]
pub(crate) struct Unknown {
    pub(crate) name: String,
    pub(crate) suggestion: Option<String>,
    pub(crate) there: Vec<String>,
}

impl Explain for Unknown {
    fn kind(&self) -> Kind {
        Kind::Request
    }

    fn hint(&self) -> Option<String> {
        Some(match &self.suggestion {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("there are {}", self.there.join(", ")),
        })
    }
}

/// A service that can be named, with its tags.
pub(crate) type Named<'a> = (&'a str, &'a [String]);

pub(crate) fn running(now: &Snapshot) -> Vec<Named<'_>> {
    let named = |name: &'_ String| Some((now.services.get_key_value(name)?, ()));
    let pairs = now.order.iter().filter_map(named);
    pairs.map(|((name, report), ())| (name.as_str(), report.tags.as_slice())).collect()
}

pub(crate) fn listed(services: &[Service]) -> Vec<Named<'_>> {
    services.iter().map(|service| (service.name.as_str(), service.tags.as_slice())).collect()
}

/// The services that were meant, each once, in their order.
pub(crate) fn resolve(words: &[String], there: &[Named<'_>]) -> Result<Vec<String>, Unknown> {
    let mut chosen = vec![false; there.len()];
    for word in words {
        let bare = word.strip_prefix("matrix-").unwrap_or(word);
        let exact = there.iter().position(|(name, _)| name == word || *name == bare);
        let meant: Vec<usize> = match exact {
            Some(place) => vec![place],
            None => {
                (0..there.len()).filter(|i| there[*i].1.iter().any(|tag| tag == word)).collect()
            }
        };
        if meant.is_empty() {
            return Err(Unknown {
                name: word.clone(),
                suggestion: nearest(word, there.iter().map(|(name, _)| *name)),
                there: there.iter().map(|(name, _)| (*name).to_owned()).collect(),
            });
        }
        for i in meant {
            chosen[i] = true;
        }
    }
    let picked = there.iter().zip(chosen).filter(|(_, chosen)| *chosen);
    Ok(picked.map(|((name, _), _)| (*name).to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_found_by_its_name_by_that_of_other_launchers_and_by_a_tag() {
        let tags = ["worker".to_owned()];
        let there: [Named<'_>; 4] =
            [("postgres", &[]), ("synapse", &[]), ("synchrotron-1", &tags), ("pusher-1", &tags)];
        let find = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            resolve(&words, &there).map(|found| found.join(" "))
        };
        assert_eq!(find(&["synapse", "matrix-postgres"]).unwrap(), "postgres synapse");
        assert_eq!(find(&["worker", "pusher-1"]).unwrap(), "synchrotron-1 pusher-1");
        let error = find(&["synaps"]).unwrap_err();
        assert_eq!(error.to_string(), "there is no service `synaps`");
        assert_eq!(error.hint().unwrap(), "did you mean `synapse`?");
    }
}
