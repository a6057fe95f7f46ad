//! `manage`: the life of the homeserver on this machine.

use std::fmt::{self, Write as _};

use serde::Serialize;

use super::table::commands;
use crate::output::{Output, Report};

mod endpoint;
mod events;
mod install;
mod join_file;
mod restart;
mod scale;
mod services;
mod simulate;
mod start;
mod stop;
mod uninstall;

/// What a dry run answers.
#[derive(Serialize)]
struct Planned {
    dry_run: bool,
    would: &'static str,
}

impl Planned {
    fn emit(would: &'static str, output: &Output) {
        output.emit(&Self { dry_run: true, would });
    }
}

impl Report for Planned {
    fn text(&self, page: &mut String) -> fmt::Result {
        write!(page, "would {}", self.would)
    }

    fn id(&self) -> Option<&str> {
        Some("")
    }
}

commands! {
    "Commands";
    #[old] "install" => install, "Install the homeserver, or bring it up to date with its settings: 2 if nothing had to change";
    #[old] "start" => start, "Start the homeserver and wait until it is ready: 2 if it runs already";
    #[old] "stop" => stop, "Stop the homeserver: 2 if it does not run";
    #[old] "restart" => restart, "Stop and start the homeserver, or some of its services";
    #[old] "scale" => scale, "Change the workers, also of a running homeserver: 2 if they are as asked for";
    #[old] "join-file" => join_file, "Write what another machine needs to run workers of this homeserver";
    #[old] "services" => services, "List the services of the profile, and what each needs";
    #[old] "endpoint" => endpoint, "Print the address of a service";
    "events" => events, "Show what happened to the services";
    #[old] "uninstall" => uninstall, "Take the program away and set the data aside: 2 if it is not installed";
}
