//! The operator's own services, made into processes like ours. What can be wrong with them is looked
//! for here, before anything is changed.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::{Error, variables};
use crate::{
    config::{
        self, Config,
        named::custom::{self, Custom, Health, Question},
        sources::dotenv,
    },
    process,
    supervisor::service::{Condition, Launch, Live, Need, Probe, Restart, Service, Signal},
};

/// How long one without a probe has to run before it counts as ready, and one with a probe before it
/// is asked: another program may answer in the place of one that could not start.
const LASTS: Duration = Duration::from_secs(1);
const LASTS_BEFORE_ASKED: Duration = Duration::from_millis(300);

/// Those of the profile.
pub(super) fn services(config: &Config) -> Result<Vec<Service>, Error> {
    let chosen = |custom: &&Custom| {
        config.profile.custom.as_ref().is_none_or(|names| names.contains(&custom.name))
    };
    config.custom.iter().filter(chosen).map(|custom| service(config, custom)).collect()
}

fn service(config: &Config, custom: &Custom) -> Result<Service, Error> {
    let supervision = &config.supervision;
    let name = &custom.name;
    let folder = config.data.root().join(custom.folder.as_deref().unwrap_or("".as_ref()));
    // A data folder that is not made yet is no reason to refuse its settings.
    if custom.folder.is_some() && !folder.is_dir() {
        return Err(Error::Folder { service: name.clone(), folder });
    }
    let environment = environment(config, custom)?;
    let launch = |words: &[String]| -> Result<Launch, Error> {
        let program = program(name, words, &folder, environment.get("PATH"))?;
        let mut launch = Launch::new(program, &folder).args(words.iter().skip(1));
        launch.environment.clone_from(&environment);
        Ok(launch)
    };
    let (mut ready, mut live) = (vec![Probe::Lasts(LASTS)], Vec::new());
    if let Some(Health { question, interval, timeout, hung_after }) = &custom.health {
        let probe = match question {
            Question::Http(url) => Probe::Web(url.clone()),
            Question::Tcp(address) => Probe::Tcp(address.clone()),
            Question::Exec(words) => Probe::Exec(launch(words)?),
        };
        let probe = Probe::Within(Box::new(probe), timeout.0);
        ready = vec![Probe::Lasts(LASTS_BEFORE_ASKED), probe.clone()];
        let interval = interval.unwrap_or(supervision.probe_interval).0;
        live.push(Live { probe, interval, restart_after: hung_after.map(|span| span.0) });
    }
    let (budget, window) = (supervision.restarts, Duration::from_mins(10));
    let restart = match custom.restart {
        custom::Restart::Always => Restart::Always { budget, window },
        custom::Restart::OnFailure => Restart::OnFailure { budget, window },
        custom::Restart::Never => Restart::Never,
    };
    if restart == Restart::Never && custom.health.is_none() {
        ready.clear();
    }
    let needs = custom.needs.iter().map(|(name, condition)| {
        let bare = name.strip_prefix("matrix-").unwrap_or(name);
        let known = config.custom.iter().any(|custom| custom.name == *name);
        Need::new(if known { name } else { bare }, condition_of(*condition))
    });
    let grace = custom.stop_grace.unwrap_or(supervision.stop_timeout).0;
    let mut tags = custom.tags.clone();
    tags.push(super::CUSTOM.to_owned());
    let mut service = Service {
        name: name.clone(),
        summary: custom.summary.clone(),
        tags,
        needs: needs.collect(),
        launch: launch(&custom.command)?,
        revision: String::new(),
        reload: None,
        ready,
        live,
        restart,
        stop: vec![(signal(custom.stop_signal), grace)],
        endpoints: custom.endpoints.clone(),
        starter: None,
    };
    service.revision = revision(&service);
    Ok(service)
}

/// Of all that is said of it, its variables among it: another one, and it is another service.
fn revision(service: &Service) -> String {
    let text = serde_json::to_vec(service).unwrap_or_default();
    HEXLOWER.encode(&Sha256::digest(text)[..8])
}

fn condition_of(condition: custom::Condition) -> Condition {
    match condition {
        custom::Condition::Started => Condition::Started,
        custom::Condition::Healthy => Condition::Healthy,
        custom::Condition::Completed => Condition::Completed,
    }
}

fn signal(signal: custom::StopSignal) -> Signal {
    match signal {
        custom::StopSignal::Term => Signal::TERM,
        custom::StopSignal::Int => Signal::INT,
        custom::StopSignal::Quit => Signal::QUIT,
        custom::StopSignal::Hup => Signal::HUP,
        custom::StopSignal::Usr1 => Signal::USR1,
        custom::StopSignal::Usr2 => Signal::USR2,
    }
}

/// Where the homeserver is, then its files, its own variables, and those of the profile.
fn environment(config: &Config, custom: &Custom) -> Result<BTreeMap<String, OsString>, Error> {
    let mut found: BTreeMap<String, OsString> = BTreeMap::from([
        ("MATRIX_SYNAPSE_URL".to_owned(), config.local_url().into()),
        ("MATRIX_SYNAPSE_SERVER_NAME".to_owned(), config.server.name.to_string().into()),
    ]);
    for file in &custom.env_files {
        let path = config.data.root().join(file);
        let unread = |source| Error::EnvFile { service: custom.name.clone(), source };
        let read = dotenv::read(&path).map_err(|error| unread(Box::new(error)))?;
        let missing = || config::Error::NoEnvFile(path.clone());
        let variables = read.ok_or_else(|| unread(Box::new(missing())))?;
        found.extend(variables::exposed(&variables));
    }
    found.extend(variables::exposed(&custom.environment));
    for variables in variables::of(config, &custom.name, &custom.tags) {
        found.extend(variables::exposed(variables));
    }
    Ok(found)
}

/// The program itself: in a folder of PATH, or relative to the folder of the service.
fn program(
    service: &str,
    words: &[String],
    folder: &Path,
    path: Option<&OsString>,
) -> Result<PathBuf, Error> {
    let word = words.first().map(String::as_str).unwrap_or_default();
    let (found, looked) = if word.contains('/') {
        let file = folder.join(word);
        (process::is_program(&file).then_some(file), "no such file can be executed")
    } else {
        let found = match path {
            Some(path) => std::env::split_paths(path)
                .map(|folder| folder.join(word))
                .find(|file| process::is_program(file)),
            None => process::find(word),
        };
        (found, "no folder of PATH has it")
    };
    found.ok_or_else(|| {
        let (service, program) = (service.to_owned(), word.to_owned());
        Error::Program { service, program, looked }
    })
}
