//! A list of packages that an operator has locked: pip's requirements format, each with its hash, as
//! `uv pip compile --generate-hashes` and pip-tools write it.

use std::path::{Path, PathBuf};

use super::Error;
use crate::files;

/// One package of such a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pin {
    /// As package indexes compare names.
    pub(super) name: String,
    pub(super) version: String,
    /// The requirement, in one line.
    pub(super) text: String,
}

/// Where the list of a version of Synapse is kept.
pub(crate) fn place(locks: &Path, version: &str) -> PathBuf {
    locks.join(format!("synapse-{version}.lock"))
}

/// Reads a list; each package has its version and its hash, and nothing else stands in it.
pub(crate) fn read(path: &Path) -> Result<Vec<Pin>, Error> {
    let text = files::read(path)?;
    parse(&text).map_err(|(line, why)| Error::Lock { path: path.to_owned(), line, why })
}

fn parse(text: &str) -> Result<Vec<Pin>, (usize, String)> {
    let mut pins = Vec::new();
    let mut lines = (1..).zip(text.lines());
    while let Some((number, line)) = lines.next() {
        let mut whole = without_comment(line).to_owned();
        while let Some(begun) = whole.strip_suffix('\\') {
            let next = lines.next().map(|(_, line)| without_comment(line)).unwrap_or_default();
            whole = format!("{} {}", begun.trim_end(), next);
        }
        if !whole.is_empty() {
            pins.push(pin(&whole).map_err(|why| (number, why))?);
        }
    }
    Ok(pins)
}

fn without_comment(line: &str) -> &str {
    let line = line.trim();
    let end = if line.starts_with('#') { Some(0) } else { line.find(" #") };
    end.map_or(line, |end| &line[..end]).trim_end()
}

fn pin(text: &str) -> Result<Pin, String> {
    if text.starts_with('-') {
        return Err(format!("`{}` is an option and no package", first_word(text)));
    }
    let Some((name, rest)) = text.split_once("==") else {
        return Err(format!("`{}` has no version: write `NAME==VERSION`", first_word(text)));
    };
    let name = name.split('[').next().unwrap_or_default().trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || !name.chars().all(plain) {
        return Err(format!("`{}` is not the name of a package", first_word(name)));
    }
    let version = rest.split([' ', ';']).next().unwrap_or_default().to_owned();
    let plain = |c: char| c.is_ascii_alphanumeric() || ".+!-_".contains(c);
    if version.is_empty() || !version.chars().all(plain) {
        return Err(format!("what follows `{name}==` is not a version"));
    }
    let (mut hashes, is_hex) = (0, |hash: &str| hash.bytes().all(|it| it.is_ascii_hexdigit()));
    for word in text.split_whitespace().filter(|word| word.starts_with('-')) {
        match word.strip_prefix("--hash=sha256:") {
            Some(hash) if hash.len() == 64 && is_hex(hash) => hashes += 1,
            Some(_) => return Err(format!("a hash of `{name}` has not 64 hexadecimal digits")),
            None => return Err(format!("`{name}` has an option that is no `--hash=sha256:…`")),
        }
    }
    if hashes == 0 {
        return Err(format!("`{name}` has no `--hash=sha256:…`"));
    }
    Ok(Pin { name: compared(name), version, text: text.to_owned() })
}

/// An address may hold a password.
fn first_word(text: &str) -> &str {
    let word = text.split_whitespace().next().unwrap_or_default();
    if word.contains("://") { "an address" } else { word }
}

/// A name as indexes compare it: `Zope.Interface` is `zope-interface`.
pub(super) fn compared(name: &str) -> String {
    name.to_ascii_lowercase().replace(['_', '.'], "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_tools_write_is_read() {
        let [one, two] = ["a", "b"].map(|digit| format!("--hash=sha256:{}", digit.repeat(64)));
        let text = format!(
            "# made by a tool\r\nLdap3==2.9.1 \\\n    {one} \\\n    {two}\n    # via matrix-synapse-ldap3\n\
             matrix_synapse.ldap3==0.3.0 ; python_version >= '3.10' {one} # own\n"
        );
        let pins = parse(&text).unwrap();
        let named: Vec<_> = pins.iter().map(|it| (it.name.as_str(), it.version.as_str())).collect();
        assert_eq!(named, [("ldap3", "2.9.1"), ("matrix-synapse-ldap3", "0.3.0")]);
        assert_eq!(pins[0].text, format!("Ldap3==2.9.1 {one} {two}"));
    }

    #[test]
    fn what_is_not_locked_is_named_with_its_line() {
        let refused = |text: &str| parse(text).unwrap_err();
        assert_eq!(refused("\nldap3>=2\n").0, 2);
        assert!(refused("ldap3==2").1.contains("`ldap3` has no `--hash"));
        assert!(refused("--index-url http://x").1.contains("`--index-url` is an option"));
        let secret = refused("git+https://me:hunter2@x/y==1 --hash=sha256:a").1;
        assert!(secret.contains("not the name") && !secret.contains("hunter2"), "{secret}");
        let secret = refused("https://me:hunter2@x/y.whl --hash=sha256:a").1;
        assert!(secret.contains("has no version") && !secret.contains("hunter2"), "{secret}");
        assert!(refused("x==1.*").1.contains("not a version"));
        assert!(refused("x==1@https://y").1.contains("not a version"));
        assert!(refused("x==1 --hash=sha256:zz").1.contains("64 hexadecimal"));
        assert!(refused("x==1 --pre").1.contains("has an option"));
    }
}
