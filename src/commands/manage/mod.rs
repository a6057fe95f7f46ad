//! `manage`: the life of the homeserver on this machine.

use super::commands;

mod install;
mod restart;
mod start;
mod stop;
mod uninstall;

commands! {
    "install" => install, "Install the homeserver, or bring it up to date with its settings: 2 if nothing had to change";
    "start" => start, "Start the homeserver and wait until it is ready: 2 if it runs already";
    "stop" => stop, "Stop the homeserver: 2 if it does not run";
    "restart" => restart, "Stop and start the homeserver, or one of its services";
    "uninstall" => uninstall, "Take the program away and set the data aside: 2 if it is not installed";
}
