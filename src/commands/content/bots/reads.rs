//! How a webhook reads what is posted to it.

use std::path::Path;

use clap::ValueEnum as _;
use serde_json::Value;

use crate::{
    commands::content::arguments::text::stdin_text,
    error::Failure,
    files,
    hooks::{
        formats::Format,
        registry::{Wish, Wishes},
        template::Template,
    },
    secret::Secret,
};

/// The longest secret of a sender, in bytes.
const LONGEST: u64 = 512;

#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Reads {
    /// Take what is posted as this; by default as what its headers and its body look like
    #[arg(long, value_name = "FORMAT", requires = "room")]
    hook_format: Option<Format>,
    /// Show of a body what this template makes of it; '' takes it away
    #[arg(long, value_name = "FILE", requires = "room", value_hint = clap::ValueHint::FilePath)]
    hook_template: Option<String>,
    /// Take calls that are signed with the secret in this file, without a token; '' takes it away
    #[arg(long, value_name = "FILE", requires = "room", value_hint = clap::ValueHint::FilePath)]
    hook_secret_file: Option<String>,
    /// Read that secret from stdin
    #[arg(long, requires = "room", conflicts_with = "hook_secret_file")]
    hook_secret_stdin: bool,
}

impl Reads {
    /// The same of an item of a file, in which the options are keys.
    pub(in crate::commands::content) fn of_item(fields: &Value) -> Result<Self, Failure> {
        let word = |key: &str| fields[key].as_str().map(str::to_owned);
        let hook_format = word("hook_format").map(|word| format(&word)).transpose()?;
        let (hook_template, hook_secret_file) = (word("hook_template"), word("hook_secret_file"));
        Ok(Self { hook_format, hook_template, hook_secret_file, hook_secret_stdin: false })
    }

    pub(super) fn is_any(&self) -> bool {
        let Self { hook_format, hook_template, hook_secret_file, hook_secret_stdin } = self;
        hook_format.is_some()
            || hook_template.is_some()
            || hook_secret_file.is_some()
            || *hook_secret_stdin
    }

    /// What is wanted, with all files read.
    pub(in crate::commands::content) fn wishes(&self) -> Result<Wishes, Failure> {
        let template = self.hook_template.as_deref().map(template).transpose()?.unwrap_or_default();
        let secret = match self.hook_secret_file.as_deref() {
            Some("") => Wish::Remove,
            Some(path) => {
                let text = files::read_input(Path::new(path), files::PATIENCE)?;
                Wish::Have(secret(text.strip_suffix('\n').unwrap_or(&text))?)
            }
            None if self.hook_secret_stdin => {
                Wish::Have(secret(&stdin_text("the secret", LONGEST)?)?)
            }
            None => Wish::Keep,
        };
        Ok(Wishes { format: self.hook_format, secret, template })
    }
}

fn format(word: &str) -> Result<Format, Failure> {
    Format::from_str(word, false).map_err(|_| {
        let words: Vec<_> = Format::value_variants().iter().map(|format| format.word()).collect();
        Failure::request(format!("there is no format `{}`", word.escape_debug()))
            .hinted(format!("the formats are {}", words.join(", ")))
    })
}

fn template(path: &str) -> Result<Wish<Template>, Failure> {
    if path.is_empty() {
        return Ok(Wish::Remove);
    }
    let text = files::read_input(Path::new(path), files::PATIENCE)?;
    if text.trim().is_empty() {
        return Err(Failure::request(format!("the template `{path}` is empty")).hinted(
            "`docs/webhooks.md` has examples; `--hook-template ''` takes a template away",
        ));
    }
    Template::new(Path::new(path), &text).map(Wish::Have).map_err(|error| {
        Failure::request(format!("the template `{path}` cannot be read: {error}"))
            .hinted("`docs/webhooks.md` has examples")
    })
}

fn secret(text: &str) -> Result<Secret, Failure> {
    if text.trim().is_empty() {
        return Err(Failure::request("the secret of the webhook is empty").hinted(
            "it is the text that its sender signs with; `--hook-secret-file ''` takes one away",
        ));
    }
    if text.len() as u64 > LONGEST {
        return Err(Failure::request(format!("the secret is longer than {LONGEST} bytes")));
    }
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_that_makes_nothing_is_refused_when_it_is_given() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.md");
        for text in ["", "\n", "  \t\n"] {
            files::write_atomically(&path, text.as_bytes(), files::PRIVATE).unwrap();
            let Err(failure) = template(path.to_str().unwrap()) else { panic!("{text:?}") };
            assert!(failure.to_string().ends_with("t.md` is empty"), "{failure}");
        }
        files::write_atomically(&path, b"{{ body }}", files::PRIVATE).unwrap();
        assert!(matches!(template(path.to_str().unwrap()), Ok(Wish::Have(_))));
        assert!(matches!(template(""), Ok(Wish::Remove)));
    }
}
