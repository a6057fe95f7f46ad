//! A list of packages that an operator has locked: pip's requirements format, each with its hash, as
//! `uv pip compile --generate-hashes` and pip-tools write it.

use std::path::Path;

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
        return Err(format!("`{name}` is not the name of a package"));
    }
    if !text.split_whitespace().any(|word| word.starts_with("--hash=sha256:")) {
        return Err(format!("`{name}` has no `--hash=sha256:…`"));
    }
    let version = rest.split([' ', ';']).next().unwrap_or_default().to_owned();
    Ok(Pin { name: compared(name), version, text: text.to_owned() })
}

fn first_word(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or_default()
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
        let text = "# made by a tool\nLdap3==2.9.1 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n    \
            # via matrix-synapse-ldap3\nmatrix_synapse.ldap3==0.3.0 ; python_version >= '3.10' --hash=sha256:cc # own\n";
        let pins = parse(text).unwrap();
        let named: Vec<_> = pins.iter().map(|it| (it.name.as_str(), it.version.as_str())).collect();
        assert_eq!(named, [("ldap3", "2.9.1"), ("matrix-synapse-ldap3", "0.3.0")]);
        assert_eq!(pins[0].text, "Ldap3==2.9.1 --hash=sha256:aa --hash=sha256:bb");
    }

    #[test]
    fn what_is_not_locked_is_named_with_its_line() {
        let refused = |text: &str| parse(text).unwrap_err();
        assert_eq!(refused("\nldap3>=2\n").0, 2);
        assert!(refused("ldap3==2").1.contains("`ldap3` has no `--hash"));
        assert!(refused("--index-url http://x").1.contains("`--index-url` is an option"));
        assert!(refused("git+https://x/y==1 --hash=sha256:a").1.contains("not the name"));
        assert!(refused("x @ file:///y --hash=sha256:a").1.contains("has no version"));
    }
}
