//! `docs/reference/`: the JSON schemas of all answers, made from the tables of verbs.

use std::{collections::BTreeSet, fs};

use schemars::Schema;
use serde_json::{Value, json};

use crate::{
    commands::{content::NOUNS, reply::Schemas, table::Entry, tree},
    config::generate::compare,
};

const FOLDER: &str = "docs/reference";

/// A schema as it stands in its file: with the name of the command and what all answers have.
fn page(words: &str, about: &str, mut schema: Schema) -> String {
    schema.insert("title".into(), words.into());
    schema.insert("description".into(), about.into());
    let warnings = json!({
        "type": "array",
        "items": { "type": "string" },
        "description": "What the person should know although it worked.",
    });
    let said = |answer: Option<&mut Value>| {
        let properties = answer.and_then(|it| it.get_mut("properties")?.as_object_mut());
        properties.map(|it| it.insert("warnings".into(), warnings.clone()));
    };
    let mut value = schema.to_value();
    said(Some(&mut value));
    // One of several answers: each of them may have them.
    for one in value["anyOf"].as_array().cloned().into_iter().flatten() {
        let place = one["$ref"].as_str().map(|it| it.trim_start_matches('#'));
        said(place.and_then(|place| value.pointer_mut(place)));
    }
    format!("{value:#}\n")
}

/// The files and their pages: `content-invite.json` of an answer, `logs.line.json` of one line of a stream.
fn pages(words: &str, entry: &Entry) -> Vec<(String, String)> {
    let Schemas { answer, record } = (entry.schemas)();
    let name = words.replace(' ', "-");
    let answer = answer.map(|it| (format!("{name}.json"), page(words, entry.about, it)));
    let title = format!("{words}: one line of its stream");
    let record = record.map(|it| (format!("{name}.line.json"), page(&title, entry.about, it)));
    answer.into_iter().chain(record).collect()
}

#[test]
fn the_schema_of_every_answer_is_in_its_file() {
    let mut names = BTreeSet::new();
    for (words, entry) in tree::verbs() {
        for (name, page) in pages(&words, entry) {
            compare(&format!("{FOLDER}/{name}"), &page);
            names.insert(name);
        }
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference");
    for file in fs::read_dir(folder).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let known = names.contains(&name);
        assert!(known, "`{FOLDER}/{name}` is the answer of no command");
    }
}

/// Numbers that are what their names say, and nothing else.
const PLAIN: [&str; 3] = ["total", "port", "pid"];

/// The numbers of a schema that nothing is said about.
fn bare(schema: &Value, found: &mut BTreeSet<String>) {
    let properties = schema["properties"].as_object();
    for (key, value) in properties.into_iter().flatten() {
        let kinds = value["type"].as_array().map_or(std::slice::from_ref(&value["type"]), |it| it);
        let is_number = kinds.iter().any(|kind| kind == "integer" || kind == "number");
        if is_number && value["description"].is_null() && !PLAIN.contains(&key.as_str()) {
            found.insert(key.clone());
        }
    }
    match schema {
        Value::Object(inside) => inside.values().for_each(|schema| bare(schema, found)),
        Value::Array(inside) => inside.iter().for_each(|schema| bare(schema, found)),
        _ => {}
    }
}

#[test]
fn of_every_number_it_is_said_what_it_is_and_in_what_unit() {
    for (words, entry) in tree::verbs() {
        let Schemas { answer, record } = (entry.schemas)();
        let mut found = BTreeSet::new();
        for schema in answer.iter().chain(&record) {
            bare(schema.as_value(), &mut found);
        }
        assert!(found.is_empty(), "`{words}`: {found:?} say nothing of themselves");
    }
}

#[test]
fn what_is_listed_below_a_heading_fits_a_terminal() {
    for entry in NOUNS.iter().flat_map(|noun| noun.entries) {
        let (name, about) = (entry.name, entry.about);
        assert!(about.len() <= 60, "what `{name}` does is too long: `{about}`");
    }
}
