//! A poll that is in a room: what can be chosen, what was, and whether it is closed.

use std::collections::BTreeMap;

use ruma::{OwnedEventId, RoomId};
use serde_json::Value;

use super::super::read::shown::{self, PollAnswer};
use crate::{
    error::Failure,
    matrix::{Error, client::Client, leaders::Powers, names, relations, room, sealed},
};

/// A poll.
pub(in super::super) struct Poll {
    pub(in super::super) event: OwnedEventId,
    pub(in super::super) author: String,
    answers: Vec<PollAnswer>,
    max_selections: usize,
}

/// What became of it.
#[derive(Default)]
pub(in super::super) struct Became {
    /// The event that closed it.
    pub(in super::super) end: Option<String>,
    /// How many users chose each answer, in the order of the poll.
    pub(in super::super) votes: Vec<u64>,
}

impl Poll {
    /// The poll that an event is, if it is in the room.
    pub(in super::super) async fn find(
        operator: &Client,
        client: &Client,
        room: &RoomId,
        text: &str,
    ) -> Result<Self, Failure> {
        let event = names::event(text)?;
        let mut found = room::require_event(operator, room, &event).await?;
        sealed::open(client, room, std::slice::from_mut(&mut found)).await?;
        // The admin API gives the content also of what was redacted.
        let gone = room::redaction(operator, room, &event).await?.is_some();
        Self::of(event, &found).filter(|_| !gone).ok_or_else(|| {
            Failure::request(format!("`{text}` is no poll, or one that was taken away")).hinted(
                "`content read-messages ROOM -v` shows the messages and polls with their ids",
            )
        })
    }

    fn of(event: OwnedEventId, found: &Value) -> Option<Self> {
        let shown = shown::happened(found)?;
        let author = shown.sender;
        // What is `of` another is an answer or an end.
        let poll = shown.poll.filter(|poll| poll.of.is_none() || poll.question.is_some())?;
        let content = &found["content"];
        let most = [&content[super::START], &content["m.poll"]]
            .into_iter()
            .find_map(|start| start["max_selections"].as_u64());
        let max_selections = usize::try_from(most.unwrap_or(1)).unwrap_or(1).max(1);
        Some(Self { event, author, answers: poll.answers, max_selections })
    }

    /// The ids of what was typed: each an id, the text, or the number of an answer.
    pub(in super::super) fn chosen(&self, typed: &[String]) -> Result<Vec<String>, Failure> {
        let mut ids: Vec<String> = Vec::new();
        for text in typed {
            let id = self.id_of(text).ok_or_else(|| {
                let all: Vec<&str> = self.answers.iter().map(shown_as).collect();
                Failure::request(format!("`{text}` is no answer of that poll"))
                    .hinted(format!("choose one of these, or its number: `{}`", all.join("`, `")))
            })?;
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        if ids.len() > self.max_selections {
            let most = self.max_selections;
            return Err(Failure::request(format!("that poll takes at most {most} of its answers")));
        }
        Ok(ids)
    }

    fn id_of(&self, text: &str) -> Option<String> {
        let found = self.answers.iter().find(|answer| answer.text.as_deref() == Some(text));
        let found = found.or_else(|| self.answers.iter().find(|answer| answer.id == text));
        let number = text.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        found.or_else(|| self.answers.get(number?)).map(|answer| answer.id.clone())
    }

    /// The answers as people read them.
    pub(in super::super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.answers.iter().map(shown_as)
    }

    /// What those in the room have done with it.
    pub(in super::super) async fn became(
        &self,
        operator: &Client,
        client: &Client,
        room: &RoomId,
    ) -> Result<Became, Error> {
        let related = relations::all(client, room, &self.event, "m.reference").await?;
        let powers = Powers::of(operator, room).await?;
        Ok(self.counted(&related, &powers))
    }

    /// `related` has the newest first.
    fn counted(&self, related: &[Value], powers: &Powers) -> Became {
        let kind = |event: &Value, kind: &str| {
            let is = event["type"].as_str();
            is.is_some_and(|is| is.ends_with(&format!("poll.{kind}")))
        };
        let at = |event: &Value| event["origin_server_ts"].as_u64().unwrap_or_default();
        // Others may send one, and nobody believes it.
        let ends = related.iter().filter(|event| kind(event, "end")).filter(|event| {
            event["sender"].as_str().is_some_and(|user| user == self.author || powers.redacts(user))
        });
        let end = ends.min_by_key(|event| at(event));
        let closed = end.map_or(u64::MAX, at);
        let mut last: BTreeMap<&str, (u64, Vec<String>)> = BTreeMap::new();
        for event in related.iter().filter(|event| kind(event, "response") && at(event) <= closed) {
            let Some(answers) = shown::happened(event).and_then(|shown| shown.poll) else {
                continue;
            };
            let Some(user) = event["sender"].as_str() else { continue };
            if last.get(user).is_none_or(|(before, _)| *before < at(event)) {
                let ids = answers.answers.into_iter().map(|answer| answer.id);
                last.insert(user, (at(event), ids.take(self.max_selections).collect()));
            }
        }
        let is_known = |id: &String| self.answers.iter().any(|answer| answer.id == *id);
        // One unknown answer spoils the whole.
        let valid = || last.values().filter(|(_, ids)| ids.iter().all(is_known));
        let count = |answer: &PollAnswer| {
            valid().filter(|(_, ids)| ids.contains(&answer.id)).count() as u64
        };
        let end = end.and_then(|event| event["event_id"].as_str()).map(str::to_owned);
        Became { end, votes: self.answers.iter().map(count).collect() }
    }
}

fn shown_as(answer: &PollAnswer) -> &str {
    answer.text.as_deref().unwrap_or(&answer.id)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{
        super::{END, RESPONSE, START, TEXT},
        *,
    };

    fn poll() -> Poll {
        let event = json!({
            "type": START, "event_id": "$p:x", "sender": "@al:x",
            "content": { START: {
                "max_selections": 1,
                "question": { TEXT: "Where?" },
                "answers": [{ "id": "a", TEXT: "here" }, { "id": "b", TEXT: "2" }],
            } },
        });
        Poll::of("$p:x".try_into().unwrap(), &event).unwrap()
    }

    #[test]
    fn an_answer_is_named_by_its_text_its_id_or_its_number() {
        let poll = poll();
        let chosen = |text: &str| poll.chosen(&[text.to_owned()]).unwrap();
        assert_eq!(
            (chosen("here"), chosen("a"), chosen("1")),
            (vec!["a".into()], vec!["a".into()], vec!["a".into()])
        );
        assert_eq!(chosen("2"), ["b"]);
        let said = poll.chosen(&["nowhere".into()]).unwrap_err();
        assert!(said.hint.unwrap().contains("`here`, `2`"));
        poll.chosen(&["a".into(), "b".into()]).map(drop).unwrap_err();
        assert_eq!(poll.chosen(&["a".into(), "here".into()]).unwrap(), ["a"]);
    }

    #[test]
    fn the_last_answer_of_each_counts_until_the_poll_is_closed_by_who_may() {
        let vote = |user: &str, at: u64, ids: &[&str]| {
            json!({
                "type": RESPONSE, "sender": user, "origin_server_ts": at, "event_id": "$v:x",
                "content": {
                    RESPONSE: { "answers": ids },
                    "m.relates_to": { "rel_type": "m.reference", "event_id": "$p:x" },
                },
            })
        };
        let end = |user: &str, at: u64| json!({ "type": END, "sender": user, "origin_server_ts": at, "event_id": "$e:x" });
        let related = [
            vote("@bob:x", 9, &["a"]),
            end("@al:x", 8),
            vote("@eve:x", 7, &["a", "b"]),
            vote("@dan:x", 6, &["nowhere"]),
            vote("@bob:x", 5, &["b"]),
            end("@eve:x", 4),
            vote("@bob:x", 3, &["a"]),
        ];
        let became = poll().counted(&related, &Powers::default());
        assert_eq!((became.end.as_deref(), became.votes), (Some("$e:x"), vec![1, 1]));
        let open = poll().counted(&related[5..], &Powers::default());
        assert_eq!((open.end, open.votes), (None, vec![1, 0]));
    }
}
