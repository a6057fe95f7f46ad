//! The file by which Synapse and a bridge know each other ([specification]): made here, or read from
//! one that the bridge's own program wrote. Pure but for the random tokens.
//!
//! [specification]: https://spec.matrix.org/latest/application-service-api/#registration

use std::path::Path;

use rand::Rng;
use ruma::UserId;
use serde_json::{Value, json};

use super::{Error, namespaces};
use crate::secret::Secret;

/// The namespaces whose owners must not get into each other's way.
const SPACES: [&str; 2] = ["users", "aliases"];

#[derive(Clone, Debug)]
pub(crate) struct Registration {
    pub(crate) id: String,
    /// Where Synapse sends events to; none for one that only acts.
    pub(crate) url: Option<String>,
    pub(crate) sender: String,
    pub(crate) as_token: Secret,
    pub(crate) hs_token: Secret,
    /// Which space, the expression, whether others are kept out.
    spaces: Vec<(&'static str, String, bool)>,
    text: Secret,
}

impl Registration {
    /// One with new tokens; `users` and `aliases` are expressions of those that nobody else may have.
    pub(super) fn new(
        id: &str,
        url: &str,
        sender: &str,
        users: &[String],
        aliases: &[String],
        rng: &mut impl Rng,
    ) -> Self {
        let tokens = (Secret::generate(rng), Secret::generate(rng));
        Self::with_tokens(id, url, sender, users, aliases, tokens)
    }

    /// The same with the tokens of the application service and of the homeserver that there are.
    pub(crate) fn with_tokens(
        id: &str,
        url: &str,
        sender: &str,
        users: &[String],
        aliases: &[String],
        (as_token, hs_token): (Secret, Secret),
    ) -> Self {
        let space = |name, all: &[String]| -> Vec<(&'static str, String, bool)> {
            all.iter().map(|expression| (name, expression.clone(), true)).collect()
        };
        let spaces = [space("users", users), space("aliases", aliases)].concat();
        let listed = |all: &[String]| -> Vec<Value> {
            all.iter().map(|regex| json!({ "exclusive": true, "regex": regex })).collect()
        };
        let document = json!({
            "id": id,
            "url": url,
            "as_token": as_token.expose(),
            "hs_token": hs_token.expose(),
            "sender_localpart": sender,
            // A bridge writes for many.
            "rate_limited": false,
            "receive_ephemeral": true,
            "protocols": [],
            "namespaces": { "users": listed(users), "aliases": listed(aliases), "rooms": [] },
        });
        // JSON is YAML.
        let text = serde_yaml::to_string(&document).unwrap_or_else(|_| document.to_string());
        Self {
            id: id.to_owned(),
            url: Some(url.to_owned()),
            sender: sender.to_owned(),
            as_token,
            hs_token,
            spaces,
            text: Secret::new(text),
        }
    }

    /// Reads one, as strictly as Synapse, which does not start with one that it cannot read. What is said
    /// of a bad one holds nothing of what stands in it.
    pub(crate) fn read(path: &Path, text: &str) -> Result<Self, Error> {
        let flaw = |why: String| Error::Registration { path: path.to_owned(), why };
        let options = serde_yaml::options! { legacy_octal_numbers: true, with_snippet: false };
        let document: Value = serde_yaml::from_str_with_options(text, options)
            .map_err(|_| flaw("it is not YAML".to_owned()))?;
        let map = document.as_object().ok_or_else(|| flaw("it contains no `key: value`".into()))?;
        let word = |key: &str| match map.get(key) {
            Some(Value::String(word)) if !word.is_empty() => Ok(word.clone()),
            Some(_) => Err(flaw(format!("its `{key}` must be a text"))),
            None => Err(flaw(format!("it has no `{key}`"))),
        };
        let token = |key: &str| {
            let token = word(key)?;
            let plain = token.bytes().all(|byte| byte.is_ascii_graphic());
            if plain {
                Ok(Secret::new(token))
            } else {
                Err(flaw(format!("its `{key}` is no token")))
            }
        };
        let url = match map.get("url") {
            Some(Value::Null) => None,
            Some(Value::String(url))
                if url.starts_with("http://") || url.starts_with("https://") =>
            {
                Some(url.trim_end_matches('/').to_owned())
            }
            Some(_) => return Err(flaw("its `url` must be an address or `null`".into())),
            None => return Err(flaw("it has no `url`; `null` stands for none".into())),
        };
        let sender = word("sender_localpart")?;
        if !sender.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-~/".contains(&byte)) {
            return Err(flaw(
                "its `sender_localpart` contains characters a user name cannot have".into(),
            ));
        }
        for (key, is_it) in [
            ("rate_limited", Value::is_boolean as fn(&Value) -> bool),
            ("protocols", Value::is_array),
        ] {
            if map.get(key).is_some_and(|value| !is_it(value)) {
                return Err(flaw(format!("its `{key}` has a value of the wrong kind")));
            }
        }
        let (as_token, hs_token) = (token("as_token")?, token("hs_token")?);
        if as_token == hs_token {
            return Err(flaw("its `as_token` and its `hs_token` are the same".into()));
        }
        Ok(Self {
            id: word("id")?,
            url,
            sender,
            as_token,
            hs_token,
            spaces: spaces(map.get("namespaces")).map_err(flaw)?,
            text: Secret::new(text),
        })
    }

    /// As it stands in its file.
    pub(crate) fn text(&self) -> &str {
        self.text.expose()
    }

    /// The port of this machine that Synapse calls, if it calls one.
    pub(crate) fn local_port(&self) -> Option<u16> {
        let (_, rest) = self.url.as_deref()?.split_once("://")?;
        let (host, port) = rest.split('/').next()?.rsplit_once(':')?;
        let here = ["127.0.0.1", "localhost"].contains(&host);
        port.parse().ok().filter(|_| here)
    }

    fn exclusive<'a>(&'a self, space: &'a str) -> impl Iterator<Item = &'a str> {
        let all = self.spaces.iter().filter(move |(other, _, own)| *other == space && *own);
        all.map(|(_, expression, _)| expression.as_str())
    }

    /// Whether nobody else may be that user.
    pub(crate) fn owns(&self, user: &str) -> bool {
        self.exclusive("users").any(|expression| namespaces::holds(expression, user))
    }

    /// The first of these users whom nobody else might be.
    pub(crate) fn owned(&self, users: Vec<String>) -> Option<String> {
        let owners: Vec<_> = self.exclusive("users").filter_map(namespaces::Owner::of).collect();
        users.into_iter().find(|user| owners.iter().any(|owner| owner.has(user)))
    }

    /// Refuses one that gets into the way of another bridge. `server` is ours.
    pub(crate) fn fits_beside<'a>(
        &self,
        others: impl Iterator<Item = (&'a str, &'a Self)>,
        server: &str,
    ) -> Result<(), Error> {
        for (name, other) in others {
            let same = [
                ("id", self.id == other.id),
                ("as_token", [&other.as_token, &other.hs_token].contains(&&self.as_token)),
                ("hs_token", [&other.as_token, &other.hs_token].contains(&&self.hs_token)),
                ("sender_localpart", self.sender == other.sender),
            ];
            if let Some((what, _)) = same.into_iter().find(|(_, same)| *same) {
                return Err(Error::Twice { what, other: name.to_owned() });
            }
            for space in SPACES {
                for ours in self.exclusive(space) {
                    let theirs = other.exclusive(space);
                    if let Some(theirs) =
                        { theirs }.find(|it| namespaces::overlap(ours, it, server))
                    {
                        let (ours, theirs) = (ours.to_owned(), theirs.to_owned());
                        return Err(Error::Overlap { ours, theirs, other: name.to_owned() });
                    }
                }
            }
            let user = self.user(server);
            if other.owns(&user) {
                let whose = format!("belongs to the bridge `{name}`");
                return Err(Error::Sender { user, whose });
            }
            let user = other.user(server);
            if self.owns(&user) {
                return Err(Error::Owns { user, whose: "which another bridge acts as" });
            }
        }
        Ok(())
    }

    /// Which of its expressions no user or alias of this server can fit, as a warning has it.
    pub(crate) fn idle(&self, server: &str) -> Vec<&str> {
        let all = self.spaces.iter().filter(|(space, ..)| SPACES.contains(space));
        let all = all.map(|(_, expression, _)| expression.as_str());
        all.filter(|expression| !namespaces::matches_some(expression, server)).collect()
    }

    /// Refuses one that would take an account away that people or this program use.
    pub(crate) fn leaves(&self, user: &UserId, whose: &'static str) -> Result<(), Error> {
        let user = user.as_str();
        if self.user(user.split_once(':').map_or("", |it| it.1)) == user {
            return Err(Error::Sender { user: user.to_owned(), whose: format!("is {whose}") });
        }
        if self.owns(user) {
            return Err(Error::Owns { user: user.to_owned(), whose });
        }
        Ok(())
    }

    /// Whom it acts as where it names nobody else.
    pub(crate) fn user(&self, server: &str) -> String {
        format!("@{}:{server}", self.sender)
    }
}

fn spaces(namespaces: Option<&Value>) -> Result<Vec<(&'static str, String, bool)>, String> {
    let Some(map) = namespaces.and_then(Value::as_object) else {
        return Err("it has no `namespaces`".into());
    };
    let mut found = Vec::new();
    for space in ["users", "aliases", "rooms"] {
        let list = match map.get(space) {
            None => continue,
            Some(Value::Array(list)) => list,
            Some(_) => return Err(format!("its `namespaces.{space}` is no list")),
        };
        for item in list {
            let (Some(regex), Some(exclusive)) =
                (item["regex"].as_str(), item["exclusive"].as_bool())
            else {
                return Err(format!(
                    "each of its `namespaces.{space}` needs a `regex` and an `exclusive` that is true or false"
                ));
            };
            if !namespaces::is_expression(regex) {
                return Err(format!("a `regex` of its `namespaces.{space}` cannot be read"));
            }
            found.push((space, regex.to_owned(), exclusive));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;

    fn made(id: &str) -> Registration {
        let users = [format!("@{id}bot:a\\.b"), format!("@{id}_.*:a\\.b")];
        let aliases = [format!("#{id}_.*:a\\.b")];
        let mut rng = StdRng::seed_from_u64(u64::from(id.as_bytes()[0]));
        Registration::new(
            id,
            "http://127.0.0.1:29300",
            &format!("{id}bot"),
            &users,
            &aliases,
            &mut rng,
        )
    }

    #[test]
    fn what_is_made_can_be_read_and_shows_no_token() {
        let one = made("irc");
        let read = Registration::read(Path::new("x"), one.text()).unwrap();
        assert_eq!((read.local_port(), &read.spaces), (Some(29300), &one.spaces));
        assert_eq!((read.as_token, read.hs_token), (one.as_token.clone(), one.hs_token.clone()));
        assert!(!format!("{one:?}").contains(one.as_token.expose()));
        assert!(one.owns("@irc_bob:a.b") && one.owns("@ircbot:a.b") && !one.owns("@bob:a.b"));
    }

    #[test]
    fn what_synapse_would_not_start_with_is_named() {
        let good =
            "id: a\nurl: null\nas_token: x\nhs_token: z\nsender_localpart: s\nnamespaces: {}\n";
        let read = |text: &str| Registration::read(Path::new("f"), text).map(drop);
        read(good).unwrap();
        for (from, to, what) in [
            ("id: a\n", "", "it has no `id`"),
            ("id: a", "id: 7", "its `id` must be a text"),
            ("url: null\n", "", "it has no `url`"),
            ("url: null", "url: here", "its `url` must be an address"),
            ("as_token: x", "as_token: 'x y'", "its `as_token` is no token"),
            ("localpart: s", "localpart: 'a b'", "contains characters a user name cannot have"),
            ("namespaces: {}", "namespaces: []", "it has no `namespaces`"),
            ("{}", "{users: [{regex: '@x'}]}", "needs a `regex` and an `exclusive`"),
            ("{}", "{users: [{regex: '@(x', exclusive: true}]}", "cannot be read"),
            ("{}", "{users: {}}", "is no list"),
        ] {
            let error = read(&good.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
        for garbage in ["", "[", "\u{0}", "text", "- a", "id: [\n"] {
            assert!(read(garbage).is_err());
        }
    }

    #[test]
    fn two_bridges_have_nothing_in_common() {
        let beside = |one: &Registration, other: Registration| {
            one.fits_beside([("other", &other)].into_iter(), "a.b").map_err(|it| it.to_string())
        };
        let one = made("irc");
        beside(&one, made("slack")).unwrap();
        let same = |change: fn(&mut Registration, &Registration)| {
            let mut other = made("slack");
            change(&mut other, &made("irc"));
            beside(&one, other).unwrap_err()
        };
        let twice = "is also that of the bridge `other`";
        assert!(same(|it, one| it.id.clone_from(&one.id)).contains(twice));
        assert!(same(|it, one| it.as_token = one.as_token.clone()).contains(twice));
        assert!(same(|it, one| it.hs_token = one.hs_token.clone()).contains(twice));
        assert!(same(|it, one| it.spaces = one.spaces.clone()).contains("overlaps with"));
        assert!(same(|it, _| it.sender = "irc_x".into()).contains("which another bridge acts as"));
        let operator = <&UserId>::try_from("@ircbot:a.b").unwrap();
        assert!(one.leaves(operator, "the operator").is_err());
        one.leaves(<&UserId>::try_from("@bob:a.b").unwrap(), "a bot").unwrap();
    }
}
