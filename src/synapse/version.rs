//! Which Synapse it is: the one that is asked for, and the one that is installed.

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

#[cfg(test)]
mod tests {
    use super::is_before;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(is_before("1.99.0", "1.100.0") && is_before("1.163.1", "1.163.2"));
        assert!(!is_before("1.163.2", "1.163.2") && !is_before("2.0.0", "1.163.2"));
        assert!(!is_before("1.150.0rc1", "1.163.2"));
    }
}
