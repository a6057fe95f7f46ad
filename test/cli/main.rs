//! The program without a server: what it says, and how it refuses.
#![expect(clippy::disallowed_methods, reason = "tests write files and start programs as people do")]

#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod common;
#[cfg(test)]
mod completions;
#[cfg(test)]
mod conversations;
#[cfg(test)]
mod credentials;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod exports_sh;
#[cfg(test)]
mod federation;
#[cfg(test)]
mod help;
#[cfg(test)]
mod hooks;
#[cfg(test)]
mod info;
#[cfg(test)]
mod join;
#[cfg(test)]
mod launcher;
#[cfg(test)]
mod manage;
#[cfg(test)]
mod services;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod simulate;
#[cfg(test)]
mod status;
#[cfg(test)]
mod targets;
#[cfg(test)]
mod test_phases;

#[cfg(test)]
mod tests {
    /// A file that is not named above would never run.
    #[test]
    fn every_file_here_is_named_in_main() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/test/cli");
        let main = include_str!("main.rs");
        for entry in std::fs::read_dir(folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if let Some(module) = name.strip_suffix(".rs").filter(|module| *module != "main") {
                assert!(main.contains(&format!("\nmod {module};")), "`{name}` is not named");
            }
        }
    }
}
