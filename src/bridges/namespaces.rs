//! Which users a bridge owns: regular expressions, as Synapse reads them. Pure.
//!
//! Synapse asks `re.match`, so an expression speaks for whatever begins as it says. Two of them have
//! users in common if some id of this server begins as both say, which is decided exactly: they become automata that
//! read the same text in step. What no automaton can say, that something must stand ahead or behind, is left
//! out: an expression is then taken to speak for more than it does, never for less.

use std::collections::BTreeSet;

use regex_automata::{
    Anchored, MatchKind,
    dfa::{Automaton as _, StartKind, dense},
    nfa::thompson,
    util::{primitives::StateID, start, syntax},
};

type Automaton = dense::DFA<Vec<u32>>;

/// An automaton that is larger is of no namespace that a person would write.
const LARGEST: usize = 256 << 10;

/// A text as an expression that speaks for it alone.
pub(crate) fn escaped(text: &str) -> String {
    let special = |c: char| r"\.+*?()|[]{}^$".contains(c);
    text.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

/// The expression in the words of our library, without what looks ahead or behind.
fn widened(expression: &str) -> String {
    const LOOKS: [&str; 4] = ["(?=", "(?!", "(?<=", "(?<!"];
    let (mut wide, mut rest) = (String::new(), expression);
    while let Some(letter) = rest.chars().next() {
        let looks = LOOKS.iter().any(|look| rest.starts_with(look));
        let taken = if let Some(end) = rest.strip_prefix("\\Z") {
            wide.push_str("\\z");
            rest.len() - end.len()
        } else if let Some(length) = looks.then(|| group(rest)).flatten() {
            length
        } else {
            let length = if letter == '[' { class(rest) } else { unit(rest) };
            wide.push_str(&rest[..length]);
            length
        };
        rest = &rest[taken..];
    }
    wide
}

/// The length of a letter, with the backslash before it.
fn unit(text: &str) -> usize {
    let letters = if text.starts_with('\\') { 2 } else { 1 };
    text.chars().take(letters).map(char::len_utf8).sum()
}

/// The length of a class in brackets. A bracket right behind the first is a letter of it.
fn class(text: &str) -> usize {
    let mut length = if text.starts_with("[^") { 2 } else { 1 };
    if text[length..].starts_with(']') {
        length += 1;
    }
    while length < text.len() && !text[length..].starts_with(']') {
        length += unit(&text[length..]);
    }
    (length + 1).min(text.len())
}

/// The length of a group in parentheses, if it ends.
fn group(text: &str) -> Option<usize> {
    let (mut length, mut depth) = (0, 0);
    while length < text.len() {
        let rest = &text[length..];
        let taken = if rest.starts_with('[') { class(rest) } else { unit(rest) };
        match rest.as_bytes()[0] {
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        length += taken;
        if depth == 0 {
            return Some(length);
        }
    }
    None
}

/// What accepts each text that begins as the expression says.
fn automaton(expression: &str) -> Option<Automaton> {
    let config = dense::Config::new()
        .match_kind(MatchKind::All)
        .start_kind(StartKind::Anchored)
        .dfa_size_limit(Some(LARGEST))
        .determinize_size_limit(Some(LARGEST));
    // Letters of user ids are ASCII, and automata over bytes are small.
    let syntax = syntax::Config::new().unicode(false).utf8(false);
    let text = format!("(?:{})(?s:.*)", widened(expression));
    let size = thompson::Config::new().nfa_size_limit(Some(LARGEST));
    let mut builder = dense::Builder::new();
    builder.configure(config).syntax(syntax).thompson(size).build(&text).ok()
}

fn start(automaton: &Automaton) -> Option<StateID> {
    automaton.start_state(&start::Config::new().anchored(Anchored::Yes)).ok()
}

/// Whether this is an expression at all.
pub(super) fn is_expression(expression: &str) -> bool {
    automaton(expression).is_some()
}

/// Whether some text fits all of them; none where one cannot be made an automaton.
fn meet(expressions: &[&str]) -> Option<bool> {
    let all: Vec<Automaton> = expressions.iter().copied().map(automaton).collect::<Option<_>>()?;
    let first: Vec<StateID> = all.iter().map(start).collect::<Option<_>>()?;
    let ends = |states: &[StateID]| {
        let mut pairs = all.iter().zip(states);
        pairs.all(|(it, state)| it.is_match_state(it.next_eoi_state(*state)))
    };
    let mut seen = BTreeSet::from([first.clone()]);
    let mut left = vec![first];
    while let Some(states) = left.pop() {
        if ends(&states) {
            return Some(true);
        }
        for byte in 0..=u8::MAX {
            let step = |(it, state): (&Automaton, &StateID)| {
                let next = it.next_state(*state, byte);
                (!it.is_dead_state(next)).then_some(next)
            };
            let next: Option<Vec<StateID>> = all.iter().zip(&states).map(step).collect();
            if let Some(next) = next.filter(|next| seen.insert(next.clone())) {
                left.push(next);
            }
        }
    }
    Some(false)
}

/// Whether some user or alias of this server would belong to both.
pub(super) fn overlap(one: &str, other: &str, server: &str) -> bool {
    let ids = format!("[@#][^:]+:{}$", escaped(server));
    meet(&[one, other, &ids]).unwrap_or(one == other)
}

/// Whether a user or alias of this server can belong to it at all.
pub(super) fn matches_some(expression: &str, server: &str) -> bool {
    let ids = format!("[@#][^:]+:{}$", escaped(server));
    meet(&[expression, &ids]).unwrap_or(true)
}

/// Tells of many users whether they belong to an expression.
pub(super) struct Owner(Automaton);

impl Owner {
    pub(super) fn of(expression: &str) -> Option<Self> {
        automaton(expression).map(Self)
    }

    pub(super) fn has(&self, user: &str) -> bool {
        let step = |state: StateID, byte: u8| self.0.next_state(state, byte);
        let end = start(&self.0).map(|state| user.bytes().fold(state, step));
        end.is_some_and(|state| self.0.is_match_state(self.0.next_eoi_state(state)))
    }
}

/// Whether the user belongs to it.
pub(super) fn holds(expression: &str, user: &str) -> bool {
    Owner::of(expression).is_some_and(|owner| owner.has(user))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_expressions_overlap_where_one_user_fits_both() {
        let both = [
            ("@irc_.*:a\\.b", "@irc_.*:a\\.b"),
            ("@irc_.*:a\\.b", "@irc_lab_.*:a\\.b"),
            ("@a.*z:a.b", "@ab.*"),
            ("@(slack|irc)_.*", "@irc_.*:a.b"),
            ("@.*", "@x:a.b"),
            ("@irc_", "@irc_bob:a.b"),
            ("@[a-m]+:", "@m:a.b"),
        ];
        for (one, other) in both {
            assert!(overlap(one, other, "a.b") && overlap(other, one, "a.b"), "{one} {other}");
        }
        let apart = [
            ("@irc_.*:a.b", "@ircbot:a.b"),
            ("@irc_.*:a\\.b", "@slack_.*:a\\.b"),
            ("@irc_.*:a\\.b", "@irc_.*:a-b"),
            ("@[a-m]+:", "@n:a.b"),
            ("^@a$", "^@b$"),
        ];
        for (one, other) in apart {
            assert!(!overlap(one, other, "a.b") && !overlap(other, one, "a.b"), "{one} {other}");
        }
    }

    #[test]
    fn a_user_belongs_to_what_it_begins_with() {
        assert!(holds("@irc_.*:a\\.b", "@irc_bob:a.b"));
        assert!(holds("@irc", "@ircbot:a.b"));
        assert!(!holds("@irc_.*:a\\.b", "@operator:a.b"));
        let owner = Owner::of("@irc_.*:a\\.b").unwrap();
        assert!(owner.has("@irc_bob:a.b") && !owner.has("@operator:a.b") && !owner.has(""));
        assert!(is_expression("@x.*") && !is_expression("@(x") && !is_expression("@x{9999}{9999}"));
        assert_eq!(escaped("a.b-c:80"), "a\\.b-c:80");
    }

    #[test]
    fn what_looks_ahead_or_behind_is_read_without_that() {
        for (expression, wide) in [
            ("@look_(?!admin).*:a\\.b", "@look_.*:a\\.b"),
            ("@(?=x)(?!y(z|[)]\\)))w", "@w"),
            ("@x(?<!_)(?<=a[]()]b)y\\Z", "@xy\\z"),
            ("@(?:a|b)(?P<n>c)[(?!]", "@(?:a|b)(?P<n>c)[(?!]"),
            ("@\\(?!", "@\\(?!"),
            ("@é(?!é)é", "@éé"),
        ] {
            assert_eq!(widened(expression), wide);
        }
        assert!(is_expression("@look2_(?!admin).*:example\\.org"));
        assert!(overlap("@look_(?!admin).*:a\\.b", "@look_bob:a\\.b", "a.b"));
        assert!(!is_expression("@(?!admin"));
    }

    #[test]
    fn an_expression_of_another_server_is_of_nobody_here() {
        assert!(!matches_some("@wrongd_.*:matrix\\.example\\.com", "example.org"));
        assert!(!matches_some("irc_.*", "example.org"), "each id begins with a sign");
        for some in ["@irc_.*:example\\.org", "@irc_.*", "#irc_.*:example.org", "@irc_(?!x).*"] {
            assert!(matches_some(some, "example.org"), "{some}");
        }
    }
}
