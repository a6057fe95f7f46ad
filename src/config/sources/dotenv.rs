//! `.env` and `.env.local` in the data folder: the variables of our settings, for whoever would rather
//! have them in a file. The real environment counts more, `settings.yaml` less.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use crate::{
    config::{Error, nearest, settings, values::fields::is_variable},
    data_dir::DataDir,
    files,
    secret::Secret,
};

/// The weaker one first.
const FILES: [&str; 2] = [".env", ".env.local"];

/// What one of the files says.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) file: &'static str,
    pub(crate) variables: BTreeMap<String, Secret>,
}

/// The files that are there, the stronger one last, and what the operator should know of them.
pub(crate) fn layers(data: &DataDir) -> Result<(Vec<Layer>, Vec<String>), Error> {
    let (mut layers, mut warnings) = (Vec::new(), Vec::new());
    for file in FILES {
        let path = data.root().join(file);
        let Some(variables) = read(&path)? else { continue };
        let known = || settings().flat_map(|setting| setting.variables).copied();
        for name in variables.keys().filter(|name| is_ours(name)) {
            if !known().any(|variable| variable == name) {
                let hint = nearest(name, known()).map(|it| format!("; did you mean `{it}`?"));
                let hint = hint.unwrap_or_default();
                warnings.push(format!("`{name}` in `{}` sets nothing{hint}", path.display()));
            }
        }
        let holds_secret = settings()
            .filter(|setting| setting.secret)
            .any(|setting| setting.variables.iter().any(|name| variables.contains_key(*name)));
        let open = |path: &PathBuf| {
            fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
        };
        if holds_secret && open(&path) {
            let path = path.display();
            warnings.push(format!(
                "`{path}` contains a secret and is readable by others: `chmod 600 {path}`"
            ));
        }
        layers.push(Layer { file, variables });
    }
    Ok((layers, warnings))
}

fn is_ours(name: &str) -> bool {
    name.starts_with("MATRIX_") || name.starts_with("SYNAPSE_")
}

/// The `NAME=value` lines of a file; none where there is no such file.
pub(crate) fn read(path: &Path) -> Result<Option<BTreeMap<String, Secret>>, Error> {
    let Some(text) = files::read_if_exists(path)? else { return Ok(None) };
    let mut found = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let malformed = || Error::Assignment { path: path.to_owned(), number: number + 1 };
        let (name, value) = line.split_once('=').ok_or_else(malformed)?;
        let name = name.strip_prefix("export ").unwrap_or(name).trim();
        let value = unquoted(value).filter(|_| is_variable(name)).ok_or_else(malformed)?;
        found.insert(name.to_owned(), Secret::new(value));
    }
    Ok(Some(found))
}

/// A word as the shell reads it, without expansions, and without a comment behind it; none if a quote
/// stays open, or something stands behind one.
pub(crate) fn unquoted(word: &str) -> Option<String> {
    // Right behind the `=` a `#` begins no comment.
    let is_apart = word.starts_with([' ', '\t']);
    let word = word.trim();
    let over = |rest: &str| {
        rest.trim().is_empty() || rest.starts_with([' ', '\t']) && rest.trim().starts_with('#')
    };
    if let Some(rest) = word.strip_prefix('\'') {
        let (value, rest) = rest.split_once('\'')?;
        return over(rest).then(|| value.to_owned());
    }
    let Some(rest) = word.strip_prefix('"') else {
        let comment = word
            .match_indices('#')
            .find(|(at, _)| *at == 0 && is_apart || word[..*at].ends_with([' ', '\t']));
        return Some(word[..comment.map_or(word.len(), |(at, _)| at)].trim_end().to_owned());
    };
    let mut value = String::new();
    let mut characters = rest.chars();
    loop {
        match characters.next()? {
            '"' => return over(characters.as_str()).then_some(value),
            '\\' => match characters.next()? {
                escaped @ ('"' | '\\' | '$' | '`') => value.push(escaped),
                'n' => value.push('\n'),
                other => value.extend(['\\', other]),
            },
            other => value.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str, mode: u32) -> (tempfile::TempDir, DataDir) {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().to_owned());
        files::write_atomically(&folder.path().join(".env"), text.as_bytes(), mode).unwrap();
        (folder, data)
    }

    #[test]
    fn lines_are_read_as_a_shell_reads_them() {
        let text = "# ours\nexport A=1\nB='two # words'\nC=\"a \\\"b\\\" \\$c\" # so\n\nD=x#y # z\nE=\n F = 6\nG=#test1234\nH= # none\nI=a # b\n";
        let (folder, _) = written(text, files::PRIVATE);
        let found = read(&folder.path().join(".env")).unwrap().unwrap();
        let found: Vec<String> =
            found.iter().map(|(name, value)| format!("{name}={}", value.expose())).collect();
        assert_eq!(
            found,
            [
                "A=1",
                "B=two # words",
                "C=a \"b\" $c",
                "D=x#y",
                "E=",
                "F=6",
                "G=#test1234",
                "H=",
                "I=a"
            ]
        );
    }

    #[test]
    fn a_line_that_cannot_be_understood_is_named_without_its_text() {
        for text in
            ["A=1\nhunter22\n", "A=1\nB='hunter22\n", "A=1\nB C=hunter22\n", "A=1\nB=\"x\"hunter22"]
        {
            let (folder, _) = written(text, files::PRIVATE);
            let error = read(&folder.path().join(".env")).unwrap_err().to_string();
            assert!(error.ends_with(".env` cannot be understood in line 2"), "{error}");
        }
    }

    #[test]
    fn an_unknown_variable_and_an_open_secret_are_warned_of() {
        let (_folder, data) = written("MATRIX_SYNAPSE_PROT=1\nOTHER=2\n", files::PUBLIC);
        let (layers, warnings) = layers(&data).unwrap();
        assert_eq!(layers.len(), 1);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].ends_with("sets nothing; did you mean `MATRIX_SYNAPSE_PORT`?"));
        let (_folder, data) = written("SYNAPSE_DB_PASSWORD=hunter22\n", files::PUBLIC);
        let (_, warnings) = super::layers(&data).unwrap();
        assert!(warnings[0].contains("contains a secret"), "{warnings:?}");
        let (_folder, data) = written("SYNAPSE_DB_PASSWORD=hunter22\n", files::PRIVATE);
        assert_eq!(super::layers(&data).unwrap().1, [""; 0]);
    }
}
