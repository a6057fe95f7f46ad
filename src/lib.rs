//! `resource-matrix-synapse`: installs, runs and talks through a Matrix homeserver.
//!
//! Where things are: `commands/` what can be typed, `output` every word it says, `instance/` the flows
//! of one homeserver, `checks/` what they look at before they act, `render` what its processes read,
//! `daemons/` what runs on and watches, `services/` which processes it is,
//! `targets/` the same written for others to keep, `matrix/` the server on the
//! wire, `federation/` as others see it, `turn` the relay of calls, `oidc` the provider of logins, `s3` the store for media,
//! `crypto/` who keeps the keys of encrypted rooms,
//! `backup/` the archives that bring it back, `age` how they are encrypted, `bridges/` to other networks, `hooks/` what programs post to rooms, `outbox/` what is sent
//! later, `synapse/` the program on disk, `dendrite/` a lighter one in its place,
//! `proxy/` nginx in front, `tls/` its certificates, `web/` the client for browsers, `postgres/` the
//! database, `python/` private environments, `supervisor/` keeping any process running, `config/` the
//! settings. A module uses only what stands below it in `LAYERS` of `layers.rs`.

mod age;
mod backup;
mod bridges;
#[cfg(test)]
mod canned;
mod checks;
mod cli;
mod clock;
mod commands;
mod config;
mod context;
mod crypto;
mod daemons;
mod data_dir;
mod dendrite;
mod error;
mod federation;
mod files;
mod hooks;
mod instance;
#[cfg(test)]
mod layers;
mod listener;
mod matrix;
mod mcp;
mod oidc;
mod outbox;
mod output;
mod postgres;
mod process;
mod proxy;
mod python;
mod redis;
mod relay;
mod render;
mod reply;
mod s3;
mod secret;
mod services;
mod supervisor;
mod synapse;
mod targets;
mod tls;
mod turn;
mod web;

/// The whole program; `main.rs` is only its name.
pub fn main() -> std::process::ExitCode {
    cli::main()
}
