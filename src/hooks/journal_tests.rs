//! The journal: what is accepted is kept, and what is kept is sent once.

use super::*;

fn draft(text: &str, key: Option<&str>) -> Draft {
    Draft {
        hook: "ci".into(),
        user: "@ci:x.org".try_into().unwrap(),
        room: "!r:x.org".try_into().unwrap(),
        content: serde_json::json!({ "msgtype": "m.text", "body": text }),
        key: key.map(str::to_owned),
        body: key.map(|_| format!("hash of {text}")),
        at: 1,
    }
}

fn bodies(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.content["body"].as_str().unwrap()).collect()
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
