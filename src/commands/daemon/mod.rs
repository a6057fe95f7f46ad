//! `daemon`: what `manage start` and the supervisor run; nothing to type by hand.

use super::table::commands;

mod alerts;
mod autoscale;
mod backups;
mod certificates;
mod echo;
mod environment;
mod exec;
mod hooks;
mod pod;
mod provision;
mod relay;
mod supervise;
mod unit;
mod watch;

pub(crate) use supervise::supervise;

commands! {
    "Commands";
    #[hidden] "supervise" => supervise, "Keep the homeserver's processes";
    #[hidden] "unit" => unit, "Become a service that somebody else keeps";
    #[hidden] "pod" => pod, "Make the folder of a pod ready";
    #[hidden] "watch" => watch, "Watch the services that somebody else keeps";
    #[hidden] "environment" => environment, "Make the Python environment of Synapse in a folder";
    #[hidden] "exec" => exec, "Become a program that ends with its parent";
    #[hidden] "alerts" => alerts, "Tell a room how the services are";
    #[hidden] "autoscale" => autoscale, "Change the number of workers with the load";
    #[hidden] "backups" => backups, "Make backups by schedule, try them and remove those that are no longer needed";
    #[hidden] "certificates" => certificates, "Have new certificates read, and renew our own";
    #[hidden] "hooks" => hooks, "Take webhooks and send them";
    #[hidden] "relay" => relay, "Relay the conversations of an application";
    #[hidden] "provision" => provision, "Make role and database ready";
}

/// What a service of ours has to say goes to stderr, which the supervisor keeps as its log.
#[expect(clippy::disallowed_methods, reason = "a log, and nobody's answer")]
fn log_to_stderr() {
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .without_time()
        .with_target(false)
        .with_max_level(tracing::Level::INFO)
        .with_writer(std::io::stderr)
        .finish();
    drop(tracing::subscriber::set_global_default(subscriber));
}
