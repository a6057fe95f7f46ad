//! The environment. Nothing else reads variables, so that every variable is a declared setting or
//! stands here.

use std::{collections::BTreeMap, ffi::OsString, path::PathBuf};

/// The variables of this process, each read when it is asked for: a short command needs two of what
/// may be hundreds. By default there are none, for whoever wants to know what stands in files.
#[derive(Clone, Debug)]
pub(crate) struct Environment(Option<BTreeMap<String, String>>);

impl Default for Environment {
    fn default() -> Self {
        Self(Some(BTreeMap::new()))
    }
}

impl Environment {
    pub(crate) fn of_this_process() -> Self {
        Self(None)
    }

    #[cfg(test)]
    pub(crate) fn with(variables: &[(&str, &str)]) -> Self {
        Self(Some(variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()))
    }

    /// A variable; one that is empty counts as not set.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let value = match &self.0 {
            None => std::env::var(name).ok(),
            Some(variables) => variables.get(name).cloned(),
        };
        value.filter(|value| !value.is_empty())
    }

    /// The variables of this process that a process of this program reads, and no others: those may hold
    /// secrets of whoever called, and it may run for months.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub(crate) fn handed_on(
        names: impl Iterator<Item = &'static str>,
    ) -> Vec<(&'static str, OsString)> {
        let own = [
            "MATRIX_SYNAPSE_DATA_DIR",
            "MATRIX_SYNAPSE_INSTANCE",
            "VROOLI_ROOT",
            "RMS_RESOURCE_DIR",
            "RUST_BACKTRACE",
        ];
        names.chain(own).filter_map(|name| Some((name, std::env::var_os(name)?))).collect()
    }

    pub(crate) fn home(&self) -> Option<PathBuf> {
        self.get("HOME").map(PathBuf::from)
    }

    /// The Vrooli installation that called us.
    pub(crate) fn vrooli_root(&self) -> Option<PathBuf> {
        self.get("VROOLI_ROOT").map(PathBuf::from)
    }

    /// The folder of this resource; `cli.sh` says it.
    pub(crate) fn resource_dir(&self) -> Option<PathBuf> {
        self.get("RMS_RESOURCE_DIR").map(PathBuf::from)
    }

    /// Whether Vrooli's orchestrator called: it exports its own functions. It takes every code but 0
    /// for a failed install.
    pub(crate) fn is_orchestrator(&self) -> bool {
        self.get("BASH_FUNC_resource_auto::install_resource%%").is_some()
    }

    /// `DRY_RUN=true`, as the platform's framework has it.
    pub(crate) fn dry_run(&self) -> bool {
        self.get("DRY_RUN").as_deref() == Some("true")
    }
}
