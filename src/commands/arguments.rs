//! Arguments of the verbs about services: what several of them take is one type, with its help.

use std::time::Duration;

use crate::{
    commands::offered,
    config::{Config, values::shape::Span},
    context::{self, Context},
};

// No doc comments on the structs here: clap would show them as the help of each command.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct ServicesArg {
    /// Only these services, by name or tag; `manage services` lists them
    #[arg(value_name = "SERVICE", add = offered::services())]
    pub(crate) services: Vec<String>,
}

// The services of a profile, whatever is set.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct ProfileArg {
    /// Only the services of this profile: core, isms, compliance, scale, full or one of your own
    #[arg(long, value_name = "NAME", add = offered::profiles())]
    profile: Option<String>,
}

impl ProfileArg {
    pub(crate) fn is_given(&self) -> bool {
        self.profile.is_some()
    }

    /// The context in which that profile is set; the settings as they are where it was not typed.
    pub(crate) fn within(&self, context: &Context) -> Context {
        context.with(context::profile(self.profile.as_deref()))
    }

    /// What it is typed as behind another command, with a blank before it; nothing where it was not.
    pub(crate) fn typed(&self) -> String {
        let profile = self.profile.as_deref();
        profile.map(|name| format!(" --profile {name}")).unwrap_or_default()
    }
}

// A profile that is kept in the settings.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct NewProfileArg {
    /// Start the services of this profile from now on: core, isms, compliance, scale, full or one of your own
    #[arg(long, value_name = "NAME", add = offered::profiles())]
    profile: Option<String>,
}

impl NewProfileArg {
    pub(crate) fn is_given(&self) -> bool {
        self.profile.is_some()
    }

    /// The context in which that profile is set; the settings as they are where it was not typed.
    pub(crate) fn within(&self, context: &Context) -> Context {
        context.with(context::profile(self.profile.as_deref()))
    }
}

// Until when all has to be ready.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(crate) struct ReadyArg {
    /// How long it may take until all is ready, such as 90 or 3m
    #[arg(long, value_name = "TIME")]
    timeout: Option<Span>,
}

impl ReadyArg {
    /// The time that was typed.
    pub(crate) fn given(self) -> Option<Duration> {
        self.timeout.map(|span| span.0)
    }

    /// That time, or the one that is set.
    pub(crate) fn or_set(self, config: &Config) -> Duration {
        self.given().unwrap_or(config.supervision.start_timeout.0)
    }
}

// How processes are stopped.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(crate) struct KillArg {
    /// Kill the processes instead of asking them to end
    #[arg(long)]
    pub(crate) force: bool,
}
