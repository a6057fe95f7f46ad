//! The documents: short where they have to be, no link that leads nowhere, no error that nobody says, and no
//! example of settings that is none.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Component, Path, PathBuf},
};

use regex::Regex;

use crate::common::{Person, resource};

/// The documents in the folder of the resource and in `docs/`, with their text outside of blocks of code.
fn documents() -> BTreeMap<PathBuf, String> {
    let folders = [resource(), resource().join("docs")];
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let paths = files.map(|entry| entry.unwrap().path());
    let paths = paths.filter(|path| path.extension().is_some_and(|it| it == "md"));
    let block = Regex::new(r"(?ms)^ *```.*?^ *```$").unwrap();
    paths
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            (path, block.replace_all(&text, "").into_owned())
        })
        .collect()
}

/// The anchors of a document's headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    let mut anchors = BTreeSet::new();
    for line in text.lines().filter(|line| line.starts_with('#')) {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let title: String =
            title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect();
        let anchor = title.replace(' ', "-");
        let number = seen.entry(anchor.clone()).and_modify(|it| *it += 1).or_default();
        anchors.insert(if *number == 0 { anchor } else { format!("{anchor}-{number}") });
    }
    anchors
}

/// `a/../b` as `b`.
fn tidy(path: &Path) -> PathBuf {
    let mut tidied = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(tidied.pop()),
            Component::CurDir => {}
            part => tidied.push(part),
        }
    }
    tidied
}

/// The links of a document to files of the resource: where each leads, and its anchor.
fn links(document: &Path, text: &str) -> Vec<(PathBuf, String)> {
    let link = Regex::new(r"\]\(([^) \n]+)\)").unwrap();
    let targets = link.captures_iter(text).map(|found| found[1].to_owned());
    let targets = targets.filter(|it| !it.contains("://") && !it.starts_with("mailto:"));
    let folder = document.parent().unwrap();
    targets
        .map(|target| {
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let path = if file.is_empty() { document.to_path_buf() } else { folder.join(file) };
            (tidy(&path), anchor.to_owned())
        })
        .collect()
}

#[test]
fn no_link_between_documents_is_dead() {
    let documents = documents();
    let mut dead = Vec::new();
    for (document, text) in &documents {
        for (target, anchor) in links(document, text) {
            let has_anchor =
                || documents.get(&target).is_some_and(|it| anchors(it).contains(&anchor));
            if !target.exists() || !anchor.is_empty() && !has_anchor() {
                dead.push(format!("{}: {}#{anchor}", document.display(), target.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}

#[test]
fn each_document_is_found_from_the_readme() {
    let documents = documents();
    let mut found = BTreeSet::new();
    let mut next = vec![resource().join("README.md")];
    while let Some(document) = next.pop() {
        if let Some(text) = documents.get(&document)
            && found.insert(document.clone())
        {
            next.extend(links(&document, text).into_iter().map(|(target, _)| target));
        }
    }
    let lost: Vec<&PathBuf> = documents.keys().filter(|it| !found.contains(*it)).collect();
    assert!(lost.is_empty(), "no link leads to {lost:?}");
}

#[test]
fn the_readme_is_short() {
    let bytes = fs::metadata(resource().join("README.md")).unwrap().len();
    assert!(bytes <= 9_000, "README.md has {bytes} bytes");
}

fn sources(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|it| it == "rs" || it == "sh") {
            text.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn each_error_in_the_reference_is_one_that_is_said() {
    let mut said = String::new();
    sources(&resource().join("src"), &mut said);
    sources(&resource().join("lib"), &mut said);
    // A sentence that the sources have over several lines.
    let said = Regex::new(r"\\\n *").unwrap().replace_all(&said, "").into_owned();
    let said = said.replace("\\`", "`");
    let page = fs::read_to_string(resource().join("docs/reference-errors.md")).unwrap();
    let error = Regex::new(r"(?m)^\| ``(.+?)`` \|").unwrap();
    // What is different each time: names in backticks, numbers, what is left out.
    let differs = Regex::new(r"`[^`]*`|[0-9]+|…").unwrap();
    let errors: Vec<String> = error.captures_iter(&page).map(|found| found[1].to_owned()).collect();
    assert!(errors.len() > 30, "{errors:#?}");
    let piece = |error: &str| -> String {
        let longest = differs.split(error).max_by_key(|it| it.len()).unwrap();
        longest.trim_matches([' ', ':', ',']).to_owned()
    };
    let unsaid: Vec<&String> = errors.iter().filter(|it| !said.contains(&piece(it))).collect();
    assert!(unsaid.is_empty(), "nobody says {unsaid:#?}");
}

#[test]
fn the_examples_of_the_schema_are_good_settings() {
    let schema = fs::read_to_string(resource().join("config/schema.json")).unwrap();
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let examples = schema["examples"].as_array().unwrap();
    assert!(examples.len() >= 3);
    for example in examples {
        assert!(example["title"].as_str().is_some_and(|it| !it.is_empty()), "{example}");
        let mut config = example["config"].clone();
        config.as_object_mut().unwrap().remove("enabled");
        let said = Person::new().settings(config.to_string()).types("config show --format json");
        assert_eq!(said.code, Some(0), "{example}: {said}");
    }
}

#[test]
fn the_settings_in_the_documents_are_good() {
    let block = Regex::new(r"(?ms)^```yaml\n(.*?)^```$").unwrap();
    let page = fs::read_to_string(resource().join("docs/services.md")).unwrap();
    let blocks: Vec<String> = block.captures_iter(&page).map(|found| found[1].to_owned()).collect();
    assert_eq!(blocks.len(), 2, "{blocks:#?}");
    // The profile chooses a service that the block before it describes.
    let said = Person::new().settings(blocks.concat()).types("config show profiles --format json");
    assert_eq!(said.code, Some(0), "{said}");
    let said = Person::new().settings(blocks.concat()).types("config check");
    assert!(said.stderr.contains("`/srv/answers`"), "only the folder is missing: {said}");
}
