//! `manage`: the life of the homeserver on this machine.

use super::table::commands;

mod adopt;
mod at;
mod backup;
mod endpoint;
mod events;
mod import_sqlite;
mod install;
mod join_file;
mod kept;
mod kept_elsewhere;
mod opening;
mod render;
mod restart;
mod restore;
mod rollback;
mod running;
mod scale;
mod schedule;
mod services;
mod simulate;
mod start;
mod stop;
mod unended;
mod uninstall;
mod upgrade;
mod upgrade_postgres;

commands! {
    "Commands";
    "install" => install, "Install the homeserver, or bring it up to date with its settings: 2 if nothing had to change";
    "start" => start, "Start the homeserver and wait until it is ready: 2 if it runs already";
    "stop" => stop, "Stop the homeserver: 2 if it does not run";
    "restart" => restart, "Stop and start the homeserver, or some of its services";
    #[synapse] "scale" => scale, "Change the workers, also while running: 2 if nothing changes";
    #[synapse] "join-file" => join_file, "Write the file with which another machine runs workers of this homeserver";
    "services" => services, "List the services of the profile, and what each needs";
    "endpoint" => endpoint, "Print the address of a service";
    "events" => events, "Show the events of the services";
    #[synapse] "render" => render, "Write the services as files for systemd, or show what would change: 2 if nothing does";
    #[synapse] "backup" => backup, "Make a backup, or look at those there are and try one";
    #[synapse] "restore" => restore, "Bring a homeserver back from a backup";
    #[synapse] "adopt" => adopt, "Take over a Synapse that somebody else installed";
    #[synapse] "import-sqlite" => import_sqlite, "Import the database of a Synapse that ran on SQLite";
    #[synapse] "upgrade" => upgrade, "Bring another version of Synapse, and the old one back where it does not do: 2 if it is there";
    #[synapse] "rollback" => rollback, "Go back to the version of Synapse before the last upgrade: 2 if it is there";
    #[synapse] "upgrade-postgres" => upgrade_postgres, "Give our own PostgreSQL a newer major version: 2 if there is none";
    "uninstall" => uninstall, "Uninstall the program and archive the data: 2 if it is not installed";
}
