//! What the homeserver has answered a shell, for half a minute: whoever presses a key again does not ask it
//! again. It stands in a file of the run folder that nobody else may read.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{clock, data_dir::DataDir, files};

/// How long an answer is good.
const AGE: Duration = Duration::from_secs(30);
/// How many answers are kept.
const MOST: usize = 32;

/// A name and what it is the name of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Offer {
    /// The alias of a room, or the localpart of a user.
    pub(super) id: Option<String>,
    /// What people call it.
    pub(super) name: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    /// In milliseconds since 1970.
    at_ms: i64,
    offers: Vec<Offer>,
}

type Answers = BTreeMap<String, Kept>;

/// The answer to a question that was asked a moment ago, or the one of now. What cannot be kept is asked
/// for again.
pub(super) fn remembered(
    data: &DataDir,
    question: &str,
    ask: impl FnOnce() -> Option<Vec<Offer>>,
) -> Option<Vec<Offer>> {
    let path = data.run().join("completions.json");
    let now = clock::now().as_millisecond();
    let text = files::read_made(&path).ok().flatten();
    let mut answers: Answers =
        text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    keep_fresh(&mut answers, now);
    if let Some(kept) = answers.remove(question) {
        return Some(kept.offers);
    }
    let offers = ask()?;
    if answers.len() < MOST {
        answers.insert(question.to_owned(), Kept { at_ms: now, offers: offers.clone() });
        if let Ok(text) = serde_json::to_vec(&answers) {
            drop(files::write_atomically(&path, &text, files::PRIVATE));
        }
    }
    Some(offers)
}

/// A clock that was set back makes no answer good for longer.
fn keep_fresh(answers: &mut Answers, now: i64) {
    let age = i64::try_from(AGE.as_millis()).unwrap_or(i64::MAX);
    answers.retain(|_, kept| (0..age).contains(&now.saturating_sub(kept.at_ms)));
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn offer(name: &str) -> Vec<Offer> {
        vec![Offer { id: None, name: Some(name.to_owned()) }]
    }

    #[test]
    fn a_question_is_asked_once() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().to_owned());
        files::private_folder(&data.run()).unwrap();
        assert_eq!(remembered(&data, "a", || None), None);
        assert_eq!(remembered(&data, "a", || Some(offer("first"))), Some(offer("first")));
        assert_eq!(remembered(&data, "a", || Some(offer("second"))), Some(offer("first")));
        assert_eq!(remembered(&data, "b", || Some(offer("second"))), Some(offer("second")));
        let path = data.run().join("completions.json");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        files::write_atomically(&path, b"rubbish", files::PRIVATE).unwrap();
        assert_eq!(remembered(&data, "a", || Some(offer("third"))), Some(offer("third")));
    }

    #[test]
    fn an_answer_is_good_for_half_a_minute() {
        let kept = |at_ms| Kept { at_ms, offers: Vec::new() };
        let mut answers: Answers = [("old", 0), ("new", 31_000), ("to come", 99_000)]
            .map(|(name, at)| (name.to_owned(), kept(at)))
            .into();
        keep_fresh(&mut answers, 60_000);
        assert_eq!(answers.keys().collect::<Vec<_>>(), ["new"]);
    }

    #[test]
    fn without_a_folder_each_question_is_asked() {
        let data = DataDir::new("/nowhere".into());
        assert_eq!(remembered(&data, "a", || Some(offer("first"))), Some(offer("first")));
        assert_eq!(remembered(&data, "a", || Some(offer("second"))), Some(offer("second")));
    }
}
