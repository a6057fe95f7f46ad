//! Changing one value of `settings.yaml` and nothing else: comments, order and blank lines stay. The
//! text is edited by lines and then read again; where that is not exactly the change that was asked
//! for, nothing is written.

use serde_json::{Map, Value};

use crate::{
    config::{
        Error,
        values::{setting::Setting, shape::flag},
    },
    data_dir::DataDir,
    files,
};

/// Writes the value into the settings file; false if it stood there already.
pub(crate) fn set(data: &DataDir, setting: &Setting, value: &Value) -> Result<bool, Error> {
    let path = data.settings();
    // Where it is a link, the file behind it is meant.
    let path = std::fs::canonicalize(&path).unwrap_or(path);
    let new = with(data, setting, value)?
        .ok_or_else(|| Error::Unedited { key: setting.key, path: path.clone() })?;
    Ok(files::write_if_changed(&path, new.as_bytes(), files::PRIVATE)?)
}

/// The text of the settings file with that value; none where this cannot edit it.
pub(crate) fn with(
    data: &DataDir,
    setting: &Setting,
    value: &Value,
) -> Result<Option<String>, Error> {
    let old = files::read_if_exists(&data.settings())?.unwrap_or_default();
    Ok(edited(&old, setting.key, value))
}

/// The value as the setting's kind wants it in YAML: a text that was typed becomes a number where a
/// number belongs.
pub(crate) fn typed(setting: &Setting, text: &str) -> Value {
    let schema = (setting.schema)();
    let as_yaml = || serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
    match schema["type"].as_str() {
        Some("integer" | "number") => as_yaml(),
        Some("boolean") => Value::Bool(flag(text).unwrap_or(false)),
        Some("array") => {
            let items = text.split([',', ' ']).filter(|item| !item.is_empty());
            items.map(Value::from).collect()
        }
        _ => Value::from(text),
    }
}

/// None where the text is laid out in a way that this cannot edit.
fn edited(text: &str, key: &str, value: &Value) -> Option<String> {
    let (section, name) = key.split_once('.')?;
    let mut wanted = parsed(text)?;
    if wanted.get(section).and_then(|found| found.get(name)) == Some(value) {
        return Some(text.to_owned());
    }
    let content = wanted.entry(section).or_insert(Value::Null);
    if content.is_null() {
        *content = Value::Object(Map::new());
    }
    content.as_object_mut()?.insert(name.to_owned(), value.clone());

    let written = written(value)?;
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    match lines.iter().position(|line| is_key(line, 0, section)) {
        None => {
            if lines.last().is_some_and(|last| !last.trim().is_empty()) {
                lines.push(String::new());
            }
            lines.push(format!("{section}:"));
            lines.push(format!("  {name}: {written}"));
        }
        Some(head) => {
            let end = block_end(&lines, head);
            let inside = head + 1..end;
            let first = lines[inside.clone()].iter().find(|line| is_content(line));
            let indent = first.map_or(2, |line| indent_of(line));
            if let Some(at) = inside.clone().find(|at| is_key(&lines[*at], indent, name)) {
                let (line, _) = lines[at].split_at(indent + lines[at][indent..].find(':')? + 1);
                let comment = comment_of(&lines[at][line.len()..]);
                let line = format!("{line} {written}{comment}");
                let after = value_end(&lines, at, indent);
                lines.splice(at..after, [line]);
            } else {
                let last = inside.rev().find(|at| is_content(&lines[*at])).unwrap_or(head);
                lines.insert(last + 1, format!("{:indent$}{name}: {written}", ""));
            }
        }
    }
    let new = lines.join("\n") + "\n";
    (parsed(&new)? == wanted).then_some(new)
}

fn parsed(text: &str) -> Option<Map<String, Value>> {
    if !text.lines().any(is_content) {
        return Some(Map::new());
    }
    match serde_yaml::from_str(text).ok()? {
        Value::Object(map) => Some(map),
        Value::Null => Some(Map::new()),
        _ => None,
    }
}

/// On one line; JSON's lists are YAML.
fn written(value: &Value) -> Option<String> {
    if value.is_array() {
        return Some(value.to_string());
    }
    let text = serde_yaml::to_string(value).ok()?;
    let text = text.trim_end();
    Some(if text.contains('\n') { value.to_string() } else { text.to_owned() })
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

fn is_content(line: &str) -> bool {
    let line = line.trim_start();
    !line.is_empty() && !line.starts_with('#') && !line.starts_with("---")
}

/// Whether the line is `name:` at that depth.
fn is_key(line: &str, indent: usize, name: &str) -> bool {
    is_content(line)
        && indent_of(line) == indent
        && line[indent..].strip_prefix(name).is_some_and(|rest| {
            rest.strip_prefix(':').is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        })
}

/// The line after the last one that belongs to the section that begins at `head`.
fn block_end(lines: &[String], head: usize) -> usize {
    let next = lines[head + 1..].iter().position(|line| is_content(line) && indent_of(line) == 0);
    next.map_or(lines.len(), |next| head + 1 + next)
}

/// The line after the value that begins at `at`: a list may stand below its key without being deeper.
fn value_end(lines: &[String], at: usize, indent: usize) -> usize {
    let belongs = |line: &str| {
        is_content(line)
            && (indent_of(line) > indent
                || (indent_of(line) == indent && line[indent..].starts_with("- ")))
    };
    at + 1 + lines[at + 1..].iter().take_while(|line| belongs(line)).count()
}

/// The comment at the end of a value, with the blanks before it.
fn comment_of(value: &str) -> &str {
    let mut quote = None;
    let mut before = ' ';
    for (at, c) in value.char_indices() {
        match (quote, c) {
            (None, '"' | '\'') if before == ' ' => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None, '#') if before == ' ' => {
                return &value[value[..at].trim_end().len()..];
            }
            _ => {}
        }
        before = c;
    }
    ""
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const FILE: &str = "# ours\n\nserver:\n  # the name\n  name: a.example   # once\n  port: 8008\n\n# how\nsynapse:\n  federation_servers:\n  - b.example\n  - c.example\n  presence: false\n";

    #[test]
    fn one_value_changes_and_every_comment_stays() {
        let new = edited(FILE, "server.name", &json!("d.example")).unwrap();
        assert_eq!(new, FILE.replace("a.example", "d.example"));
    }

    #[test]
    fn a_link_stays_one_and_the_file_behind_it_is_changed() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().join("kept.yaml");
        files::write_atomically(&real, FILE.as_bytes(), files::PRIVATE).unwrap();
        let data = DataDir::new(folder.path().join("data"));
        data.create().unwrap();
        std::os::unix::fs::symlink(&real, data.settings()).unwrap();
        let setting = crate::config::find("server.port").unwrap();
        assert!(set(&data, setting, &json!(8123)).unwrap());
        assert!(data.settings().is_symlink());
        assert_eq!(files::read(&real).unwrap(), FILE.replace("8008", "8123"));
    }

    #[test]
    fn a_list_is_replaced_whole() {
        let new = edited(FILE, "synapse.federation_servers", &json!(["x.example"])).unwrap();
        assert_eq!(new, FILE.replace(":\n  - b.example\n  - c.example", ": [\"x.example\"]"));
    }

    #[test]
    fn a_new_value_goes_to_the_end_of_its_section() {
        let new = edited(FILE, "server.address", &json!("::1")).unwrap();
        assert!(new.contains("  port: 8008\n  address: \"::1\"\n\n# how"), "{new}");
    }

    #[test]
    fn a_new_section_goes_to_the_end_of_the_file() {
        let new = edited(FILE, "supervision.restarts", &json!(3)).unwrap();
        assert_eq!(new, format!("{FILE}\nsupervision:\n  restarts: 3\n"));
        assert_eq!(edited("", "server.port", &json!(1)).unwrap(), "server:\n  port: 1\n");
    }

    #[test]
    fn the_same_value_changes_nothing() {
        assert_eq!(edited(FILE, "server.port", &json!(8008)).unwrap(), FILE);
    }

    #[test]
    fn a_layout_that_it_cannot_edit_is_left_alone() {
        assert_eq!(edited("server: {port: 1}\n", "server.port", &json!(2)), None);
        assert_eq!(edited("server: [1\n", "server.port", &json!(2)), None);
    }

    #[test]
    fn a_hash_within_quotes_is_no_comment() {
        assert_eq!(comment_of(" \"a # b\"  # c"), "  # c");
        assert_eq!(comment_of(" a#b"), "");
    }
}
