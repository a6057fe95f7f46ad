//! The program as a person runs it: an environment of its own, a fixed clock and width, and what it
//! said as one text.

use std::{fmt, path::PathBuf, process::Output};

use assert_cmd::Command;
use tempfile::TempDir;

/// A person without a homeserver: an empty home.
pub(crate) struct Person {
    pub(crate) home: TempDir,
    variables: Vec<(&'static str, String)>,
}

/// What the program said and how it ended.
pub(crate) struct Said {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) code: Option<i32>,
}

/// The folder of `cli.sh`.
pub(crate) fn resource() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

impl Person {
    pub(crate) fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap(), variables: Vec::new() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// Where this person's lines are typed.
    pub(crate) fn home(&self) -> &std::path::Path {
        self.home.path()
    }

    /// The data folder that the program uses by itself.
    pub(crate) fn data(&self) -> PathBuf {
        self.home.path().join(".vrooli/resources/matrix-synapse")
    }

    /// Puts a settings file where the program looks for it.
    pub(crate) fn settings(self, content: impl AsRef<[u8]>) -> Self {
        std::fs::create_dir_all(self.data()).unwrap();
        std::fs::write(self.data().join("settings.yaml"), content).unwrap();
        self
    }

    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.home.path())
            .env("COLUMNS", "100")
            .env("RMS_TEST_NOW", "2026-01-01T00:00:00Z")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(self.home.path())
            .timeout(std::time::Duration::from_mins(1));
        command
    }

    /// Types a line; words are parted by blanks.
    pub(crate) fn types(&self, line: &str) -> Said {
        self.runs(&line.split_whitespace().collect::<Vec<_>>())
    }

    pub(crate) fn runs(&self, arguments: &[&str]) -> Said {
        let program = assert_cmd::cargo::cargo_bin!("resource-matrix-synapse");
        self.said(&self.command(program).args(arguments).output().unwrap())
    }

    /// What came out, with the home written as `~`.
    pub(crate) fn said(&self, output: &Output) -> Said {
        let home = self.home.path().to_str().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(home, "~");
        Said {
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
            code: output.status.code(),
        }
    }
}

impl Said {
    /// stdout as JSON; anything on stderr is a fault, because callers merge the two.
    pub(crate) fn json(&self) -> serde_json::Value {
        assert_eq!(self.stderr, "");
        serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("no JSON: {self}"))
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.stdout)?;
        if !self.stderr.is_empty() {
            write!(f, "------- stderr -------\n{}", self.stderr)?;
        }
        match self.code {
            Some(0) => Ok(()),
            Some(code) => write!(f, "[exit {code}]"),
            None => f.write_str("[killed]"),
        }
    }
}
