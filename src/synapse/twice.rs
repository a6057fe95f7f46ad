//! YAML as Synapse's own reader has it where a key is there twice: the last one counts. Which those are is told.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use serde_yaml::{DuplicateKeyPolicy, Spanned};

/// A key that is there more than once.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Twice {
    /// `a.b`, or `a[].b`.
    pub(super) key: String,
    /// In which line the one stands that counts.
    pub(super) line: u64,
}

/// Reads it; the keys that were there more than once, in their order.
pub(super) fn parse(text: &str) -> Result<(Value, Vec<Twice>), serde_yaml::Error> {
    // Its lines may hold secrets: an error names only its place.
    let options = serde_yaml::options! {
        legacy_octal_numbers: true,
        with_snippet: false,
        duplicate_keys: DuplicateKeyPolicy::LastWins,
    };
    let node: Node = serde_yaml::from_str_with_options(text, options)?;
    let mut twice = Vec::new();
    let value = node.value("", &mut twice);
    Ok((value, twice))
}

/// Whether it may be YAML, and is more of it than is read here: what its aliases stand for, mostly.
pub(super) fn is_too_much(error: &serde_yaml::Error) -> bool {
    use serde_yaml::Error;
    match error {
        Error::AliasError { error, .. } | Error::WithSnippet { error, .. } => is_too_much(error),
        Error::Budget { .. }
        | Error::AliasReplayCounterOverflow { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => true,
        _ => false,
    }
}

/// A value whose mappings still have all that was said.
enum Node {
    Plain(Value),
    List(Vec<Self>),
    Map(Vec<(Spanned<String>, Self)>),
}

impl Node {
    fn value(self, path: &str, twice: &mut Vec<Twice>) -> Value {
        match self {
            Self::Plain(value) => value,
            Self::List(list) => {
                let path = format!("{path}[]");
                list.into_iter().map(|node| node.value(&path, twice)).collect()
            }
            Self::Map(pairs) => {
                let mut map = Map::new();
                for (key, node) in pairs {
                    let (line, key) = (key.referenced.line(), key.value);
                    let dot = if path.is_empty() { "" } else { "." };
                    let path = format!("{path}{dot}{key}");
                    let mut within = Vec::new();
                    let value = node.value(&path, &mut within);
                    if map.insert(key, value).is_some() {
                        // What stood in the one that does not count is of no interest.
                        let below = |it: &Twice| {
                            let rest = it.key.strip_prefix(&path);
                            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
                        };
                        twice.retain(|it| !below(it));
                        twice.push(Twice { key: path, line });
                    }
                    twice.extend(within);
                }
                Value::Object(map)
            }
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Nodes)
    }
}

struct Nodes;

impl<'de> Visitor<'de> for Nodes {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Plain(value.into()))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Plain(value.into()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Plain(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Plain(value.into()))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Plain(value.into()))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Node, E> {
        Ok(Node::Plain(Value::Null))
    }

    fn visit_none<E: de::Error>(self) -> Result<Node, E> {
        Ok(Node::Plain(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = entries.next_entry()? {
            pairs.push(pair);
        }
        Ok(Node::Map(pairs))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn twice(text: &str) -> (Value, Vec<(String, u64)>) {
        let (value, twice) = parse(text).unwrap();
        (value, twice.into_iter().map(|it| (it.key, it.line)).collect())
    }

    #[test]
    fn of_a_key_that_is_there_twice_the_last_one_counts() {
        let (value, told) =
            twice("a: 1\nb: {c: 1, c: 2}\na: [3]\nd:\n- {e: 1}\n- {e: 2,\n  e: 3}\n");
        assert_eq!(value, json!({"a": [3], "b": {"c": 2}, "d": [{"e": 1}, {"e": 3}]}));
        let all = [("b.c", 2), ("a", 3), ("d[].e", 7)];
        assert_eq!(told, all.map(|(key, line)| (key.to_owned(), line)));
        // What the one has that does not count is not told.
        let (value, told) = twice("a: {b: 1, b: 2}\nab: {c: 1, c: 2}\na: {b: 3}\n");
        assert_eq!(value, json!({"a": {"b": 3}, "ab": {"c": 2}}));
        assert_eq!(told, [("ab.c".to_owned(), 2), ("a".to_owned(), 3)]);
    }

    #[test]
    fn what_is_merged_in_is_not_there_twice() {
        let text = "x: &x {a: 1, b: 2}\ny:\n  <<: *x\n  a: 3\n";
        let (value, told) = twice(text);
        assert_eq!(value, json!({"x": {"a": 1, "b": 2}, "y": {"a": 3, "b": 2}}));
        assert_eq!(told, []);
    }

    #[test]
    fn values_are_read_as_elsewhere() {
        let text = "a: yes\nb: 010\nc: 1.5\nd:\ne: ~\nf: 'x'\ng: on\n1: z\nh: -7\ni: 20M\n";
        let (value, told) = twice(text);
        assert_eq!((value, told), (super::super::overrides::parse(text).unwrap(), Vec::new()));
    }

    #[test]
    fn what_is_too_much_is_told_from_what_is_no_yaml() {
        let error = |text: &str| parse(text).unwrap_err();
        assert!(!is_too_much(&error("a: [")));
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..8 {
            let last = n - 1;
            let items = vec![format!("*a{last}"); 10].join(", ");
            bomb += &format!("a{n}: &a{n} [{items}]\n");
        }
        assert!(is_too_much(&error(&bomb)));
    }
}
