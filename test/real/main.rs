//! The program against a real Synapse on a real PostgreSQL. A file is a promise.
#![expect(clippy::disallowed_methods, reason = "the doors of the program are private to it")]

#[cfg(test)]
mod addresses;
#[cfg(test)]
mod adopt;
#[cfg(test)]
mod alerts;
#[cfg(test)]
mod apart;
#[cfg(test)]
mod autoscale;
#[cfg(test)]
mod backup;
#[cfg(test)]
mod bad_services;
#[cfg(test)]
mod bridges;
#[cfg(test)]
mod bridges_mautrix;
#[cfg(test)]
mod browser;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod chaos;
#[cfg(test)]
mod common;
#[cfg(test)]
mod cookbook;
#[cfg(test)]
mod defaults;
mod dendrite;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod federation;
#[cfg(test)]
mod foreground;
#[cfg(test)]
mod forkserver;
#[cfg(test)]
mod hooks;
#[cfg(test)]
mod hookshot;
#[cfg(test)]
mod hung;
#[cfg(test)]
mod install;
#[cfg(test)]
mod interrupted;
#[cfg(test)]
mod kinds;
#[cfg(test)]
mod lent;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod listen;
#[cfg(test)]
mod lists;
#[cfg(test)]
mod load;
#[cfg(test)]
mod machines;
#[cfg(test)]
mod mcp;
#[cfg(test)]
mod media;
#[cfg(test)]
mod messages;
#[cfg(test)]
mod moderation;
#[cfg(test)]
mod named;
#[cfg(test)]
mod oidc;
#[cfg(test)]
mod own_postgres;
#[cfg(test)]
mod packages;
#[cfg(test)]
mod people;
#[cfg(test)]
mod prepared;
#[cfg(test)]
mod profiles;
#[cfg(test)]
mod provisioning;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod queue;
#[cfg(test)]
mod relay;
#[cfg(test)]
mod relay_media;
#[cfg(test)]
mod room_verbs;
#[cfg(test)]
mod rooms;
#[cfg(test)]
mod s3;
#[cfg(test)]
mod schedule;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod sealed;
#[cfg(test)]
mod services;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod stalls;
#[cfg(test)]
mod systemd;
#[cfg(test)]
mod talk;
#[cfg(test)]
mod telegram;
#[cfg(test)]
mod upgrade;
#[cfg(test)]
mod users;
#[cfg(test)]
mod web;
#[cfg(test)]
mod workers;

#[cfg(test)]
mod tests {
    /// A file that is not named above would never run.
    #[test]
    fn every_file_here_is_named_in_main() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/test/real");
        let main = include_str!("main.rs");
        for entry in std::fs::read_dir(folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if let Some(module) = name.strip_suffix(".rs").filter(|module| *module != "main") {
                assert!(main.contains(&format!("\nmod {module};")), "`{name}` is not named");
            }
        }
    }
}
