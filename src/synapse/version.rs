//! Which Synapse it is: the one that is asked for, the one that is installed, and the one that runs.

use crate::{
    config::{Config, exports},
    python::{self, Set},
};

/// The version that the settings ask for.
pub(crate) fn wanted(config: &Config) -> String {
    Set::synapse(config.synapse.version.as_deref()).version
}

/// The version that an install has to do with: the one that is installed, which only `manage upgrade` and
/// `manage rollback` change; the one that is asked for, where none is.
pub(crate) fn kept(config: &Config) -> String {
    let installed = config.data.is_installed().then(|| exports::version(&config.data)).flatten();
    installed.unwrap_or_else(|| wanted(config))
}

/// The packages of Synapse in this version, and of what goes beside it.
pub(crate) fn packages(config: &Config, version: &str) -> Result<Set, python::Error> {
    let mut set = Set::synapse_in(version, &config.data.locks())?;
    if config.media.s3_bucket.is_some() {
        set = set.with_s3();
    }
    match &config.synapse.modules {
        Some(list) => set.with_modules(&python::lock::read(list)?),
        None => Ok(set),
    }
}

/// Whether a version is earlier than another; of those that are no numbers nobody knows.
pub(crate) fn is_before(one: &str, other: &str) -> bool {
    let numbers = |text: &str| text.split('.').map(str::parse).collect::<Result<Vec<u32>, _>>();
    match (numbers(one), numbers(other)) {
        (Ok(one), Ok(other)) => one < other,
        _ => false,
    }
}

/// The version of the process, by the environment whose files it has in use: another one may be installed
/// by now.
pub(crate) fn running(pid: u32) -> Option<String> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
    of(&maps)
}

fn of(maps: &str) -> Option<String> {
    let (_, rest) = maps.split_once("/environments/synapse-")?;
    let (version, _hash) = rest.split('/').next()?.rsplit_once('-')?;
    Some(version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{is_before, of};

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(is_before("1.99.0", "1.100.0") && is_before("1.163.1", "1.163.2"));
        assert!(!is_before("1.163.2", "1.163.2") && !is_before("2.0.0", "1.163.2"));
        assert!(!is_before("1.150.0rc1", "1.163.2"));
    }

    #[test]
    fn the_files_of_a_process_say_its_version() {
        let line = |path: &str| format!("7f3c-7f3d r-xp 00000000 08:01 123 {path}\n");
        let maps = line("/usr/lib/libc.so.6")
            + &line("/d/environments/synapse-1.163.2-20c8e2e3/lib/python3.11/site-packages/x.so");
        assert_eq!(of(&maps).as_deref(), Some("1.163.2"));
        assert_eq!(of(&line("/usr/bin/python3")), None);
    }
}
