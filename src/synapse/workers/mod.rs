//! Synapse's processes beside the main one: which there are, and what each kind is.
//!
//! Facts are those of [Synapse's documentation][workers] and of `synapse/config/workers.py` of the
//! version this program installs.
//!
//! [workers]: https://element-hq.github.io/synapse/latest/workers.html

use std::{net::SocketAddr, path::PathBuf};

pub(crate) use crate::config::sections::workers::Kind;
use crate::{
    config::{
        Config,
        sections::{stack::Part, workers::Counts},
        values::shape::Words as _,
    },
    data_dir::DataDir,
    error::{self, Explain},
};
pub(crate) use place::{
    by_address, elsewhere, here, is_apart, media_socket, not_elsewhere, ports, sockets,
};

pub(crate) mod costs;
pub(crate) mod endpoints;
pub(crate) mod kind;
pub(crate) mod load;
mod place;
mod preset;
pub(crate) mod routes;
mod shared;
mod yaml;

pub(crate) use preset::cores;
pub(crate) use shared::{matters_to, shared};
pub(crate) use yaml::{File, are_current, metrics_port, render, write};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("there can be {most} `{}` at most, not {asked}", kind.word())]
    TooMany { kind: Kind, most: u32, asked: u32 },
    #[error("{0} workers are more than one machine can run")]
    Crowd(u32),
    #[error("`{}` needs federation, which is off", .0.word())]
    NoFederation(Kind),
    #[error("`workers.elsewhere` names `{name}`, which is none of the workers")]
    Nobody { name: String, suggestion: Option<String> },
    #[error("`media-1` keeps its files on this machine and cannot run on another one")]
    MediaElsewhere,
    #[error("workers run on other machines, and `workers.address` names no address of this one")]
    NoAddress,
    #[error("`{0}` is no address, and other machines are known by theirs")]
    Named(String),
    #[error("`{name}` still runs at {address}")]
    StillElsewhere { name: String, address: SocketAddr },
    #[error("the ports of the workers end above 65535: `workers.port` is {0}")]
    Ports(u16),
    #[error("this data folder is for workers of a homeserver elsewhere, and names none")]
    NoneHere,
    #[error(
        "this data folder is for workers of a homeserver elsewhere, and may not start another one"
    )]
    SecondHomeserver,
}

impl Explain for Error {
    fn kind(&self) -> error::Kind {
        error::Kind::Setting
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::StillElsewhere { name, .. } => format!(
                "`manage stop {name}` there first: two of that name would write the same events"
            ),
            Self::Nobody { suggestion: Some(name), .. } => format!("did you mean `{name}`?"),
            Self::MediaElsewhere => "take it out of `workers.elsewhere`".into(),
            Self::NoAddress => {
                "`config set workers.address ADDRESS`: one that the machines of `workers.elsewhere` reach".into()
            }
            Self::Named(_) => {
                "names are for containers; `config set workers.address ADDRESS` and `config set workers.elsewhere NAME=ADDRESS`".into()
            }
            Self::Ports(_) => "`config set workers.port 9300`".into(),
            Self::SecondHomeserver => {
                "`--instance NAME` or MATRIX_SYNAPSE_DATA_DIR names a data folder for a homeserver".into()
            }
            Self::NoneHere => "`manage start worker NAME --join FILE` says which".into(),
            Self::NoFederation(_) => {
                "`config set synapse.federation private` switches it on, or list other workers with `config set workers.list …`".into()
            }
            _ => "`config set workers.list …` sets how many of each there are".into(),
        })
    }
}

/// One process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Worker {
    pub(crate) kind: Kind,
    /// Counted from 1 within its kind.
    pub(crate) number: u32,
}

impl Worker {
    /// `synchrotron-1`: its `worker_name` in Synapse, and the name of its service.
    pub(crate) fn name(self) -> String {
        format!("{}-{}", self.kind.word().replace('_', "-"), self.number)
    }

    /// What Synapse reads for it beside homeserver.yaml.
    pub(crate) fn yaml(self, data: &DataDir) -> PathBuf {
        folder(data).join(format!("{}.yaml", self.name()))
    }
}

/// Where the workers' own files are.
pub(crate) fn folder(data: &DataDir) -> PathBuf {
    data.synapse().join("workers")
}

/// More than so many are a slip of the finger.
const MOST: u32 = 200;

/// The workers that the settings ask for, in the order of their kinds; none where the profile has none.
pub(crate) fn chosen(config: &Config) -> Result<Vec<Worker>, Error> {
    if !config.has(Part::Workers) {
        return Ok(Vec::new());
    }
    let counts = if config.workers.list.0.is_empty() {
        preset::counts(config)
    } else {
        config.workers.list.clone()
    };
    let mut workers = Vec::new();
    for (kind, count) in counts.0 {
        let most = kind.facts().most;
        if count > most {
            return Err(Error::TooMany { kind, most, asked: count });
        }
        if count > 0 && kind.facts().federation && !preset::federates(config) {
            return Err(Error::NoFederation(kind));
        }
        workers.extend((1..=count).map(|number| Worker { kind, number }));
    }
    let number = u32::try_from(workers.len()).unwrap_or(u32::MAX);
    if number > MOST {
        return Err(Error::Crowd(number));
    }
    place::check(config, &workers)?;
    Ok(workers)
}

/// The URL of the process that tells application services, and its socket where it listens on one: only there a ping
/// makes it tell again at once what could not be told.
pub(crate) fn tells_services(config: &Config) -> Result<(String, Option<PathBuf>), Error> {
    let worker = chosen(config)?.into_iter().find(|worker| worker.kind == Kind::Appservice);
    Ok(worker.map_or_else(|| (config.local_url(), None), |worker| worker.place(config).url("")))
}

/// How many processes of Synapse there are, the main one among them. Settings that ask for what cannot
/// be count as none: who starts it says so.
pub(crate) fn processes(config: &Config) -> u32 {
    let workers = chosen(config).map_or(0, |workers| workers.len());
    u32::try_from(workers).unwrap_or(u32::MAX).saturating_add(1)
}

/// A list as it is written in the settings: `synchrotron=2,event_persister=1`.
pub(crate) fn listed(config: &Config) -> Result<String, Error> {
    let mut counts = Counts::default();
    for worker in chosen(config)? {
        *counts.0.entry(worker.kind).or_default() += 1;
    }
    let words: Vec<String> =
        counts.0.iter().map(|(kind, count)| format!("{}={count}", kind.word())).collect();
    Ok(words.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sources::environment::Environment;

    fn names(flags: &[&str]) -> Result<String, Error> {
        let data = DataDir::new("/nowhere".into());
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let config = Config::load(data, &flags, &Environment::default()).unwrap();
        Ok(chosen(&config)?.into_iter().map(Worker::name).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn a_profile_without_workers_has_none() {
        assert_eq!(names(&["workers.list=pusher=3"]).unwrap(), "");
    }

    #[test]
    fn a_list_wins_over_a_preset() {
        let all = names(&["stack.profile=scale", "workers.list=event_persister=2,pusher,media=0"]);
        assert_eq!(all.unwrap(), "event-persister-1 event-persister-2 pusher-1");
    }

    #[test]
    fn what_synapse_allows_once_is_not_there_twice() {
        let error = names(&["stack.profile=scale", "workers.list=typing=2"]).unwrap_err();
        assert_eq!(error.to_string(), "there can be 1 `typing` at most, not 2");
        let error = names(&["stack.profile=scale", "workers.list=generic=4000"]).unwrap_err();
        assert_eq!(error.to_string(), "4000 workers are more than one machine can run");
        let error = names(&["stack.profile=scale", "workers.list=federation_sender"]).unwrap_err();
        assert_eq!(error.to_string(), "`federation_sender` needs federation, which is off");
    }

    #[test]
    fn presets_are_sets_that_can_be() {
        for preset in ["none", "small", "one-of-each", "by-load"] {
            for federation in ["off", "open"] {
                for cores in ["1", "2", "8", "32", "256"] {
                    let set = |key: &str, value: &str| format!("{key}={value}");
                    let all = names(&[
                        "stack.profile=scale",
                        &set("workers.preset", preset),
                        &set("synapse.federation", federation),
                        &set("workers.cores", cores),
                    ]);
                    assert_eq!(all.unwrap().is_empty(), preset == "none");
                }
            }
        }
        assert_eq!(
            names(&["stack.profile=scale"]).unwrap(),
            "generic-1 synchrotron-1 event-persister-1 background-1"
        );
    }
}
