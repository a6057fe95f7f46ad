//! Where a new password comes from: a file, stdin, a question on a terminal, or our own choice.

use std::path::PathBuf;

use crate::{error::Failure, files, output, secret::Secret};

/// bcrypt looks at 72 bytes only; Synapse takes at most 512.
const LONGEST: u64 = 512;

#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Source {
    /// Read the password from this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["password_stdin", "password_prompt"])]
    password_file: Option<PathBuf>,
    /// Read the password from stdin
    #[arg(long, conflicts_with = "password_prompt")]
    password_stdin: bool,
    /// Ask for the password on the terminal; without any of these one is made up and shown once
    #[arg(long)]
    password_prompt: bool,
}

/// A password, and whether it was our choice.
pub(crate) struct Password {
    pub(crate) secret: Secret,
    pub(crate) generated: bool,
}

impl Source {
    pub(crate) fn read(&self) -> Result<Password, Failure> {
        let given = if let Some(path) = &self.password_file {
            let text = files::read_input(path)?;
            text.strip_suffix('\n').unwrap_or(&text).to_owned()
        } else if self.password_stdin {
            crate::commands::content::arguments::text::stdin_text("the password", LONGEST)?
        } else if self.password_prompt {
            asked()?
        } else {
            let secret = Secret::generate(&mut rand::rng());
            return Ok(Password { secret, generated: true });
        };
        if given.is_empty() {
            return Err(Failure::request("the password is empty"));
        }
        if given.len() as u64 > LONGEST {
            return Err(Failure::request(format!("the password is longer than {LONGEST} bytes")));
        }
        if given.contains('\0') {
            return Err(Failure::request("the password contains a NUL byte"));
        }
        Ok(Password { secret: Secret::new(given), generated: false })
    }
}

/// Asks on the terminal, with the echo off.
fn asked() -> Result<String, Failure> {
    if !output::stdin_is_terminal() {
        return Err(Failure::request("there is no terminal to ask for a password on")
            .hinted("use `--password-file FILE` or `--password-stdin`"));
    }
    output::ask_secret("Password")
        .map_err(|error| Failure::environment(format!("the terminal fails: {error}")))
}
