//! Where a new password comes from: a file, stdin, a question on a terminal, or our own choice.

use std::path::PathBuf;

use crate::{context::Context, error::Failure, files, output, secret::Secret};

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
    /// Whether it says where a password comes from.
    pub(super) fn is_given(&self) -> bool {
        self.password_file.is_some() || self.password_stdin || self.password_prompt
    }

    /// One that is long enough for the settings: Synapse's own policy does not count where an admin asks.
    pub(super) fn read_for(&self, context: &Context) -> Result<Password, Failure> {
        let password = self.read()?;
        if !password.generated {
            let least = context.config()?.synapse.password_length;
            if password.secret.expose().chars().count() < least as usize {
                let message = format!("the password has fewer than {least} characters");
                return Err(Failure::request(message)
                    .hinted("`config show synapse.password_length` explains it"));
            }
        }
        Ok(password)
    }

    fn read(&self) -> Result<Password, Failure> {
        let given = if let Some(path) = &self.password_file {
            let text = files::read_input(path, files::PATIENCE)?;
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
            return Err(Failure::request("the password is empty")
                .hinted("without an option for it, one is made and shown once"));
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

impl Password {
    /// One that was made up: shown once, as nobody else knows it and nothing keeps it.
    pub(super) fn shown(&self, context: &Context) -> Option<String> {
        if self.generated && context.view().quiet {
            context.warn(
                "with `-q` the generated password is not shown, and it is not stored anywhere",
            );
        }
        self.generated.then(|| self.secret.expose().to_owned())
    }
}

/// What a sentence ends with where a password was made up.
pub(super) fn line(password: Option<&String>) -> String {
    password.map(|it| ["\npassword: ", it, " (shown only now)"].concat()).unwrap_or_default()
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
