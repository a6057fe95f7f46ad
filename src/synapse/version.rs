//! Which Synapse it is: the one that is asked for, the one that is installed, and the one that runs.

use crate::{
    config::Config,
    python::{self, Set},
};

/// The version that the settings ask for.
pub(crate) fn wanted(config: &Config) -> String {
    Set::synapse(config.synapse.version.as_deref()).version
}

/// The packages of Synapse and of what goes beside it.
pub(crate) fn packages(config: &Config) -> Result<Set, python::Error> {
    let mut set = Set::synapse(config.synapse.version.as_deref());
    if config.media.s3_bucket.is_some() {
        set = set.with_s3();
    }
    match &config.synapse.modules {
        Some(list) => set.with_modules(&python::lock::read(list)?),
        None => Ok(set),
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
    use super::of;

    #[test]
    fn the_files_of_a_process_say_its_version() {
        let line = |path: &str| format!("7f3c-7f3d r-xp 00000000 08:01 123 {path}\n");
        let maps = line("/usr/lib/libc.so.6")
            + &line("/d/environments/synapse-1.163.2-20c8e2e3/lib/python3.11/site-packages/x.so");
        assert_eq!(of(&maps).as_deref(), Some("1.163.2"));
        assert_eq!(of(&line("/usr/bin/python3")), None);
    }
}
