//! The journal: what is accepted is kept, and what is kept is sent once.

use serde_json::{Value, json};

use super::*;
use crate::{
    data_dir::DataDir,
    matrix::thread::Place,
    outbox::{entry::What, intake::Intake, keys::REMEMBERED, look::*, segment::put_in},
};

fn draft(text: &str, key: Option<&str>) -> Draft {
    Draft {
        hook: Some("ci".into()),
        user: "@ci:x.org".try_into().unwrap(),
        room: "!r:x.org".into(),
        what: What::Content(json!({ "msgtype": "m.text", "body": text })),
        place: Place::default(),
        transaction: None,
        waited: false,
        key: key.map(str::to_owned),
        body: key.map(|_| format!("hash of {text}")),
        at: 1,
    }
}

fn bodies(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.draft.what.shown()).collect()
}

fn is_empty(folder: &Path) -> bool {
    paths(folder).is_empty()
}

#[test]
fn what_was_accepted_and_is_not_done_is_there_after_a_crash_with_the_same_ids() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, found) = Journal::open(folder.path(), 1).unwrap();
    assert!(found.waiting.is_empty() && is_empty(folder.path()));
    let accepted = journal.accept(["a", "b", "c"].map(|it| draft(it, None)).into()).unwrap();
    journal.done(&[accepted[1].id.clone()]).unwrap();
    drop(journal);
    let (mut journal, found) = Journal::open(folder.path(), 1).unwrap();
    assert_eq!(found.waiting, [accepted[0].clone(), accepted[2].clone()]);
    // What comes now comes behind, and has another id.
    let more = journal.accept(vec![draft("d", None)]).unwrap();
    assert!(accepted.iter().all(|entry| entry.id != more[0].id));
    assert_eq!(bodies(&waiting(folder.path()).unwrap()), ["a", "c", "d"]);
    let ids: Vec<String> =
        found.waiting.iter().chain(&more).map(|entry| entry.id.clone()).collect();
    journal.done(&ids[..2]).unwrap();
    journal.cut(1, true).unwrap();
    assert_eq!(bodies(&waiting(folder.path()).unwrap()), ["d"]);
    assert_eq!(paths(folder.path()).len(), 1);
    journal.done(&ids[2..]).unwrap();
    journal.cut(1, true).unwrap();
    assert!(is_empty(folder.path()));
    journal.accept(vec![draft("e", None)]).unwrap();
    assert_eq!(bodies(&waiting(folder.path()).unwrap()), ["e"]);
}

#[test]
fn a_torn_end_is_no_message_and_spoils_none() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::open(folder.path(), 1).unwrap();
    journal.accept(vec![draft("a", None), draft("b", None)]).unwrap();
    let path = paths(folder.path()).remove(0);
    let whole = fs::read(&path).unwrap();
    let first = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for (torn, damaged, left) in [
        (whole[..whole.len() - 1].to_vec(), 1, 1),
        (whole[..first + 7].to_vec(), 1, 1),
        ([&whole[..first], b"\0\0\0\xff\n"].concat(), 1, 1),
        ([&whole[..first], b"\0\0\n", &whole[first..]].concat(), 1, 2),
        (Vec::new(), 0, 0),
    ] {
        fs::remove_dir_all(folder.path()).unwrap();
        files::private_folder(folder.path()).unwrap();
        files::write_atomically(&path, &torn, files::PRIVATE).unwrap();
        let (mut journal, found) = Journal::open(folder.path(), 1).unwrap();
        assert_eq!((found.waiting.len(), found.damaged.len()), (left, damaged));
        journal.accept(vec![draft("c", None)]).unwrap();
        let (_, found) = Journal::open(folder.path(), 1).unwrap();
        assert_eq!(bodies(&found.waiting).last(), Some(&"c"));
        assert_eq!(found.waiting.len(), left + 1);
    }
}

#[test]
fn a_key_is_known_after_its_message_is_gone_and_for_a_day() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::open(folder.path(), 1).unwrap();
    let id = journal.accept(vec![draft("a", Some("k"))]).unwrap().remove(0).id;
    assert_eq!(journal.seen("ci", "k"), Some((id.as_str(), Some("hash of a"))));
    assert_eq!(journal.seen("other", "k"), None);
    let (mut journal, _) = Journal::open(folder.path(), 1).unwrap();
    assert_eq!(journal.seen("ci", "k"), Some((id.as_str(), Some("hash of a"))));
    journal.done(std::slice::from_ref(&id)).unwrap();
    journal.cut(1, true).unwrap();
    assert!(is_empty(folder.path()));
    let (journal, _) = Journal::open(folder.path(), REMEMBERED).unwrap();
    assert_eq!(journal.seen("ci", "k"), Some((id.as_str(), Some("hash of a"))));
    let (journal, _) = Journal::open(folder.path(), REMEMBERED + 2).unwrap();
    assert_eq!(journal.seen("ci", "k"), None);
}

#[test]
fn a_full_segment_is_followed_by_another_and_goes_when_it_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::open(folder.path(), 1).unwrap();
    let large = "a".repeat(60_000);
    let mut entries = Vec::new();
    for _ in 0..100 {
        entries.extend(journal.accept(vec![draft(&large, None)]).unwrap());
    }
    assert_eq!(paths(folder.path()).len(), 2);
    let ids: Vec<String> = entries.iter().map(|entry| entry.id.clone()).collect();
    journal.done(&ids[..80]).unwrap();
    journal.cut(1, true).unwrap();
    assert_eq!(paths(folder.path()).len(), 1);
    drop(journal);
    let (_, found) = Journal::open(folder.path(), 1).unwrap();
    assert_eq!(found.waiting, entries[80..]);
}

fn ids(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(|entry| entry.id.clone()).collect()
}

fn put(data: &DataDir, texts: &[&str]) -> Vec<Entry> {
    let drafts = texts.iter().map(|text| Draft { hook: None, ..draft(text, None) }).collect();
    Intake::open(data).unwrap().put(drafts).unwrap()
}

#[test]
fn what_commands_put_is_adopted_in_order_and_goes_when_it_is_done() {
    let root = tempfile::tempdir().unwrap();
    let data = DataDir::new(root.path().to_owned());
    let folder = data.outbox();
    let first = put(&data, &["a", "b"]);
    let second = put(&data, &["c"]);
    // What nobody adopted yet waits as well.
    assert_eq!(bodies(&waiting(&folder).unwrap()), ["a", "b", "c"]);
    let (mut journal, found) = Journal::open(&folder, 1).unwrap();
    assert!(found.waiting.is_empty());
    let own = journal.accept(vec![draft("own", None)]).unwrap();
    for path in put_in(&folder) {
        journal.adopt(&path).unwrap();
    }
    assert!(put_in(&folder).is_empty());
    assert_eq!(bodies(&waiting(&folder).unwrap()), ["own", "a", "b", "c"]);
    // One of two is marked, and the mark outlives a crash and the end of all else.
    journal.done(&[ids(&own), ids(&first[..1])].concat()).unwrap();
    journal.done(&ids(&second)).unwrap();
    journal.cut(1, true).unwrap();
    drop(journal);
    let (mut journal, found) = Journal::open(&folder, 1).unwrap();
    assert_eq!(bodies(&found.waiting), ["b"]);
    let late = put(&data, &["d"]);
    journal.adopt(&put_in(&folder)[0]).unwrap();
    journal.cut(1, true).unwrap();
    drop(journal);
    let (mut journal, found) = Journal::open(&folder, 1).unwrap();
    assert_eq!(bodies(&found.waiting), ["b", "d"]);
    journal.done(&[ids(&first[1..]), ids(&late)].concat()).unwrap();
    journal.cut(1, true).unwrap();
    assert!(is_empty(&folder));
}

#[test]
fn what_is_not_wanted_any_more_waits_no_longer() {
    let root = tempfile::tempdir().unwrap();
    let data = DataDir::new(root.path().to_owned());
    let entries = put(&data, &["a", "b"]);
    Intake::open(&data).unwrap().drop(&ids(&entries[..1])).unwrap();
    assert_eq!(bodies(&waiting(&data.outbox()).unwrap()), ["b"]);
    let (mut journal, _) = Journal::open(&data.outbox(), 1).unwrap();
    let paths = put_in(&data.outbox());
    assert_eq!(journal.adopt(&paths[0]).unwrap().entries, entries);
    assert_eq!(journal.adopt(&paths[1]).unwrap().dropped, ids(&entries[..1]));
    // The wish stays until it is noted.
    assert!(paths[1].exists());
}

#[test]
fn a_key_of_a_command_is_known_wherever_its_message_is() {
    let root = tempfile::tempdir().unwrap();
    let data = DataDir::new(root.path().to_owned());
    let folder = data.outbox();
    let known = || said(&folder).unwrap().remove("k");
    assert_eq!(known(), None);
    let said = Draft { hook: None, ..draft("a", Some("k")) };
    let entries = Intake::open(&data).unwrap().put(vec![said]).unwrap();
    let wanted = Some((entries[0].id.clone(), Some("hash of a".to_owned())));
    assert_eq!(known(), wanted);
    let (mut journal, _) = Journal::open(&folder, 1).unwrap();
    journal.adopt(&put_in(&folder)[0]).unwrap();
    assert_eq!(known(), wanted);
    journal.done(&ids(&entries)).unwrap();
    journal.cut(1, true).unwrap();
    assert!(is_empty(&folder));
    assert_eq!(known(), wanted);
    // Its webhook's namesake is another.
    assert_eq!(journal.seen("ci", "k"), None);
}

#[test]
fn what_an_earlier_version_accepted_is_read() {
    let old = json!({ "accepted": {
        "id": "abc-1", "hook": "ci", "user": "@ci:x.org", "room": "!r:x.org",
        "content": { "body": "a" }, "at": 1,
    } });
    let Ok(Line::Accepted(entry)) = serde_json::from_value(old) else { panic!("not read") };
    assert_eq!((entry.draft.hook.as_deref(), entry.draft.what.shown()), (Some("ci"), "a"));
    assert_eq!(entry.transaction(), "hook-abc-1");
    let again: Value = serde_json::to_value(Line::Accepted(entry)).unwrap();
    assert_eq!(again["accepted"]["content"]["body"], "a");
}
