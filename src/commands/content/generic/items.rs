//! The things that `content add` is to make: one by its name, or the list in a file.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Map, Value, json};

use super::{
    keys,
    kind::{Item, Kind},
};
use crate::{config::Flaw, error::Failure, files};

/// All that is to be made, by what was typed.
pub(super) fn items(
    kind: Option<&str>,
    name: Option<&str>,
    file: Option<&Path>,
) -> Result<Vec<Item>, Failure> {
    let given = kind.map(Kind::of_new).transpose()?;
    let is_message = given == Some(Kind::Message);
    let found = match (file, name) {
        (Some(path), Some(name)) if is_message => {
            vec![json!({ "room": name, "text": files::read_input(path, files::PATIENCE)? })]
        }
        (Some(path), Some(name)) => {
            let mut found = list(path, given)?;
            if found.len() != 1 {
                return Err(Failure::request("`--name` goes with a file of one item"));
            }
            found[0]["name"] = name.into();
            found
        }
        (Some(path), None) => list(path, given)?,
        (None, Some(name)) if is_message => vec![json!({ "room": name })],
        (None, Some(name)) => vec![json!({ "name": name })],
        (None, None) => return Err(Failure::request("neither `--name` nor `--file` was given")),
    };
    found.into_iter().map(|fields| item(given, fields)).collect()
}

/// What an item is: what was typed, what it says itself, or what its name can only be.
fn item(given: Option<Kind>, mut fields: Value) -> Result<Item, Failure> {
    let said = fields["type"].as_str().map(Kind::of_new).transpose()?;
    if let Some(kind) = given.or(said) {
        return Ok(Item { kind, fields });
    }
    let name = fields["name"].as_str().unwrap_or_default();
    match Kind::of(name) {
        Some(Kind::Room) if !name.starts_with('#') => {
            Err(Failure::request(format!("`{name}` is an id, which the server gives a room"))
                .hinted("name the room by an alias, `#name`"))
        }
        // It is then found by the name that it was made with.
        Some(Kind::Room) if !name.contains(char::is_whitespace) => {
            let alias = name.to_owned();
            let (bare, _) = alias[1..].split_once(':').unwrap_or((&alias[1..], ""));
            fields["name"] = bare.into();
            if fields["alias"].is_null() {
                fields["alias"] = alias.into();
            }
            Ok(Item { kind: Kind::Room, fields })
        }
        Some(kind) => Ok(Item { kind, fields }),
        None => {
            let what = if name.is_empty() { "an item".to_owned() } else { format!("`{name}`") };
            Err(Failure::request(format!("{what} may be a user, bot, room or message")).hinted(
                "say which with `--type user`, `bot`, `room` or `message`, or in a file with `type` of the item",
            ))
        }
    }
}

/// What each item is, out of a table: the first line names the details, and a cell with nothing in it says
/// nothing.
fn table(path: &Path, text: &str, given: Option<Kind>) -> Result<Vec<Value>, Failure> {
    const WRITTEN: &str = "its first line has the names of the details, such as `name,display_name`, and each other line what one item has of them";
    let refused =
        |what: &str| Failure::request(format!("`{}` {what}", path.display())).hinted(WRITTEN);
    // Where the comma is for numbers, spreadsheets put a semicolon between cells.
    let first = text.lines().next().unwrap_or_default();
    let delimiter = if first.contains(';') && !first.contains(',') { b';' } else { b',' };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let unread = |error: csv::Error| {
        let line = error.position().map(|place| format!(" near line {}", place.line()));
        refused(&format!("is no table{}", line.unwrap_or_default()))
    };
    let names: Vec<String> = reader.headers().map_err(unread)?.iter().map(str::to_owned).collect();
    if names.iter().all(String::is_empty) {
        return Err(refused("is empty"));
    }
    let (mut items, mut lines) = (Vec::new(), BTreeMap::new());
    for row in reader.records() {
        let row = row.map_err(unread)?;
        let start = row.position().map_or(0, csv::Position::byte);
        let said = names.iter().zip(row.iter()).filter(|(_, cell)| !cell.is_empty());
        let item: Map<String, Value> =
            said.map(|(name, cell)| (name.clone(), keys::value_of(name, cell))).collect();
        if !item.is_empty() {
            // A room may be told several things, and nothing is made twice.
            let said = |key: &str| item.get(key).and_then(Value::as_str).map(str::to_owned);
            let kind = said("type").or_else(|| given.map(|kind| kind.word().to_owned()));
            if let Some(name) = said("name").filter(|_| kind.as_deref() != Some("message"))
                && let Some(first) = lines.insert((name.clone(), kind), start)
            {
                let [first, line] = [first, start].map(|start| line_at(text, start));
                let what = format!("has the name `{name}` in line {first} and in line {line}");
                return Err(Failure::request(format!("`{}` {what}", path.display()))
                    .hinted("nothing was made: take one of them out"));
            }
            items.push(item.into());
        }
    }
    if items.is_empty() { Err(refused("is empty")) } else { Ok(items) }
}

/// The number of the line that a row is in, which may have blank ones before it.
fn line_at(text: &str, start: u64) -> usize {
    let start = usize::try_from(start).unwrap_or_default();
    let (before, rest) = text.split_at_checked(start).unwrap_or(("", text));
    let blank = rest.len() - rest.trim_start().len();
    1 + before.matches('\n').count() + rest[..blank].matches('\n').count()
}

/// What each item is, out of a file: CSV by its name, else YAML or JSON.
fn list(path: &Path, given: Option<Kind>) -> Result<Vec<Value>, Failure> {
    const WRITTEN: &str = "each begins with a line `- name: NAME`, and its other details stand below that, two blanks further in; \
                           in JSON it is `[{\"name\": \"NAME\"}]`";
    let text = files::read_input(path, files::PATIENCE)?;
    if path.extension().is_some_and(|end| end.eq_ignore_ascii_case("csv")) {
        return table(path, &text, given);
    }
    let refused =
        |what: &str| Failure::request(format!("`{}` {what}", path.display())).hinted(WRITTEN);
    let shape = || refused("is no list of users, bots, rooms or messages");
    // A line of the file may hold a password: an error names only its place.
    let options = serde_yaml::options! { with_snippet: false };
    let document = serde_yaml::from_str_with_options::<Value>(&text, options)
        .map_err(|error| shape().because(Failure::request(Flaw::from(error).to_string())))?;
    match document {
        Value::Null => Err(refused("is empty")),
        Value::Array(items) if items.iter().all(Value::is_object) => Ok(items),
        item @ Value::Object(_) => Ok(vec![item]),
        _ => Err(shape()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(given: Option<Kind>, fields: Value) -> Result<Kind, String> {
        item(given, fields).map(|item| item.kind).map_err(|failure| failure.error.to_string())
    }

    #[test]
    fn an_item_is_what_was_typed_what_it_says_or_what_its_name_can_only_be() {
        assert_eq!(kind(Some(Kind::Bot), json!({ "name": "@x" })), Ok(Kind::Bot));
        assert_eq!(kind(None, json!({ "name": "x", "type": "bot" })), Ok(Kind::Bot));
        assert_eq!(kind(None, json!({ "name": "@x" })), Ok(Kind::User));
        assert_eq!(kind(None, json!({ "name": "#x" })), Ok(Kind::Room));
        let said = kind(None, json!({ "name": "x" })).unwrap_err();
        assert_eq!(said, "`x` may be a user, bot, room or message");
        let said = kind(None, json!({ "name": "x", "type": "cat" })).unwrap_err();
        assert!(said.contains("no content of the type `cat`"), "{said}");
        assert!(kind(None, json!({ "name": "!x" })).unwrap_err().contains("is an id"));
    }

    #[test]
    fn a_file_without_items_is_refused_in_plain_words() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("people.yaml");
        let refused = |text: &str| {
            files::write_atomically(&path, text.as_bytes(), files::PRIVATE).unwrap();
            let failure = list(&path, None).unwrap_err();
            assert!(failure.hint.as_deref().unwrap().contains("`- name: NAME`"), "{text}");
            let chain = failure.chain().join(": ");
            chain.replace(&path.display().to_string(), "FILE")
        };
        for empty in ["", " \n", "# nobody yet\n", "---\n"] {
            assert_eq!(refused(empty), "`FILE` is empty", "{empty:?}");
        }
        for other in ["alice", "- alice\n- bob\n"] {
            assert_eq!(refused(other), "`FILE` is no list of users, bots, rooms or messages");
        }
        let said = refused("- name: al\n  password: [hunter22\n");
        assert!(said.contains("is no list of users") && said.contains("line"), "{said}");
        assert!(!said.contains("hunter22"), "{said}");
    }

    #[test]
    fn a_table_says_what_each_item_is_by_the_names_in_its_first_line() {
        let read = |text: &str| {
            let said = table(Path::new("people.csv"), text, None);
            said.map_err(|failure| failure.chain().join(": "))
        };
        let text = "name,display_name,admin,invite\nalice,\"Smith, Alice\",yes,a b\n\n bob ,,,\n";
        let alice = json!({ "name": "alice", "display_name": "Smith, Alice", "admin": true, "invite": ["a", "b"] });
        assert_eq!(read(text).unwrap(), [alice, json!({ "name": "bob" })]);
        let text = "name;display_name\r\nc;Carol, C.\r\n";
        assert_eq!(read(text).unwrap(), [json!({ "name": "c", "display_name": "Carol, C." })]);
        let said = read("name,type\na,user\na,bot\n\na,user\n").unwrap_err();
        assert_eq!(said, "`people.csv` has the name `a` in line 2 and in line 5");
        let text = "name,type,text\n#a,message,x\n#a,message,y\n";
        assert_eq!(read(text).unwrap().len(), 2);
        assert_eq!(read("").unwrap_err(), "`people.csv` is empty");
        assert_eq!(read("name\n").unwrap_err(), "`people.csv` is empty");
        let said = read("name,admin\nalice,no,hunter22\n").unwrap_err();
        assert_eq!(said, "`people.csv` is no table near line 2");
    }

    #[test]
    fn a_room_that_is_named_by_its_alias_has_both() {
        let made = item(None, json!({ "name": "#ops:x.org", "topic": "t" })).unwrap().fields;
        assert_eq!(made, json!({ "name": "ops", "alias": "#ops:x.org", "topic": "t" }));
        let made = item(None, json!({ "name": "#1 of all" })).unwrap().fields;
        assert_eq!(made, json!({ "name": "#1 of all" }));
    }
}
