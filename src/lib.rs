//! `resource-matrix-synapse`: installs, runs and talks through a Matrix homeserver.
//!
//! Where things are: `commands/` what can be typed, `output` every word it says, `instance/` the flows
//! of one homeserver, `services/` which processes it is, `matrix/` the server on the wire,
//! `federation/` as others see it, `turn` the relay of calls, `oidc` the provider of logins, `s3` the store for media,
//! `bridges/` to other networks, `hooks/` what programs post to rooms, `synapse/` the program on disk,
//! `proxy/` nginx in front, `tls/` its certificates, `web/` the client for browsers, `postgres/` the
//! database, `python/` private environments, `supervisor/` keeping any process running, `config/` the
//! settings. A module uses only what stands below it in `LAYERS`.

mod bridges;
mod cli;
mod clock;
mod commands;
mod config;
mod context;
mod error;
mod federation;
mod files;
mod hooks;
mod instance;
mod matrix;
mod oidc;
mod output;
mod postgres;
mod process;
mod proxy;
mod python;
mod redis;
mod reply;
mod s3;
mod secret;
mod services;
mod supervisor;
mod synapse;
mod tls;
mod turn;
mod web;

/// The whole program; `main.rs` is only its name.
pub fn main() -> std::process::ExitCode {
    cli::main()
}

/// What may use what: a module uses only modules of the lines below its own.
#[cfg(test)]
const LAYERS: &[&[&str]] = &[
    &["cli"],
    &["commands"],
    &["context"],
    &["reply"],
    &["output"],
    &["checks", "instance"],
    &["services"],
    &["federation", "oidc", "proxy", "s3", "turn"],
    &["hooks"],
    &["matrix", "postgres", "tls"],
    &["synapse"],
    &["bridges", "redis", "web"],
    &["config", "supervisor", "python"],
    &["secret", "process", "clock"],
    &["files"],
    &["error"],
];

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::LAYERS;

    fn line_of(module: &str) -> Option<usize> {
        LAYERS.iter().position(|line| line.contains(&module))
    }

    /// The rooms that a source text names: `crate::x`, and `x` within `crate::{x, y::z}`.
    fn used(source: &str) -> Vec<String> {
        let mut rooms = Vec::new();
        let code: String =
            source.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        for (at, _) in code.match_indices("crate::") {
            if at > 0 && code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$')
            {
                continue;
            }
            let rest = &code[at + "crate::".len()..];
            let word = |text: &str| -> String {
                text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
            };
            match rest.strip_prefix('{') {
                None => rooms.push(word(rest)),
                Some(list) => {
                    let (mut depth, mut start) = (0, 0);
                    for (i, c) in list.char_indices() {
                        match c {
                            '{' => depth += 1,
                            '}' if depth == 0 => {
                                rooms.push(word(&list[start..i]));
                                break;
                            }
                            '}' => depth -= 1,
                            ',' if depth == 0 => {
                                rooms.push(word(&list[start..i]));
                                start = i + 1;
                            }
                            _ => {}
                        }
                    }
                }
            }
        }
        rooms.retain(|room| !room.is_empty());
        rooms
    }

    fn offenders(folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                offenders(&path, found);
                continue;
            }
            let below = path.strip_prefix(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).unwrap();
            let room = below.components().next().unwrap().as_os_str().to_str().unwrap();
            let room = room.trim_end_matches(".rs");
            if ["lib", "main"].contains(&room) {
                continue;
            }
            let own =
                line_of(room).unwrap_or_else(|| panic!("`{room}` stands in no line of LAYERS"));
            for other in used(&fs::read_to_string(&path).unwrap()) {
                let allowed = other == room || line_of(&other).is_some_and(|line| line > own);
                if !allowed {
                    found.push(format!("{} uses {other}", below.display()));
                }
            }
        }
    }

    #[test]
    fn modules_use_only_what_stands_below_them() {
        let mut found = Vec::new();
        offenders(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut found);
        assert!(found.is_empty(), "{found:#?}");
    }
}
