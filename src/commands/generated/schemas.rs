//! `docs/reference/`: the JSON schemas of all answers, made from the tables of verbs.

use std::{collections::BTreeSet, fs};

use schemars::Schema;
use serde_json::json;

use crate::{
    commands::{content::NOUNS, reply::Schemas, table::Entry, tree},
    config::generate::compare,
};

const FOLDER: &str = "docs/reference";

/// A schema as it stands in its file: with the name of the command and what all answers have.
fn page(words: &str, about: &str, mut schema: Schema) -> String {
    schema.insert("title".into(), words.into());
    schema.insert("description".into(), about.into());
    if let Some(properties) = schema.get_mut("properties").and_then(|it| it.as_object_mut()) {
        let description = "What the person should know although it worked.";
        let items = json!({ "type": "string" });
        properties.insert(
            "warnings".into(),
            json!({ "type": "array", "items": items, "description": description }),
        );
    }
    format!("{:#}\n", schema.as_value())
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

#[test]
fn what_is_listed_below_a_heading_fits_a_terminal() {
    for entry in NOUNS.iter().flat_map(|noun| noun.entries) {
        let (name, about) = (entry.name, entry.about);
        assert!(about.len() <= 60, "what `{name}` does is too long: `{about}`");
    }
}
