//! What a token says, once it is known who has signed it. Pure.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use super::Refused;
use crate::relay::keys::Found;

/// How far clocks may be apart, in seconds.
const LEEWAY: f64 = 30.0;
/// The longest time that is counted with: who would go on for longer comes again before.
const LONGEST: f64 = 366.0 * 86_400.0;
/// What the scopes for the relay begin with.
const OURS: &str = "relay:";
/// With it, who is no user acts for the application.
const ADMIN: &str = "admin";

/// What has to be in it.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) issuer: String,
    pub(super) audience: Option<String>,
}

/// One text, or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Texts {
    One(String),
    Many(Vec<String>),
}

impl Texts {
    fn words(&self) -> impl Iterator<Item = &str> {
        let all = match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(texts) => texts,
        };
        all.iter().map(String::as_str)
    }
}

/// A claim of another kind makes it unreadable, and does not pass for one that is not there.
#[derive(Deserialize)]
struct Claims {
    iss: Option<String>,
    sub: Option<String>,
    aud: Option<Texts>,
    exp: Option<f64>,
    nbf: Option<f64>,
    scope: Option<Texts>,
    scp: Option<Texts>,
}

impl Claims {
    /// Those for the relay, without what all begin with.
    fn scopes(&self) -> Vec<String> {
        let all = self.scope.iter().chain(&self.scp).flat_map(Texts::words);
        let ours = all.flat_map(str::split_ascii_whitespace).filter_map(|it| it.strip_prefix(OURS));
        ours.map(str::to_owned).collect()
    }
}

impl Wanted {
    /// Whose it is and what it opens, where it is as it has to be.
    pub(super) fn check(&self, said: &[u8], now: Timestamp) -> Result<Found, Refused> {
        let claims: Claims = serde_json::from_slice(said).map_err(|_| Refused::Form)?;
        if claims.iss.as_ref() != Some(&self.issuer) {
            return Err(Refused::Issuer);
        }
        if let Some(wanted) = &self.audience {
            let is_for_us = claims.aud.iter().flat_map(Texts::words).any(|it| it == wanted);
            is_for_us.then_some(()).ok_or(Refused::Audience)?;
        }
        let now = now.as_duration().as_secs_f64();
        let left = claims.exp.ok_or(Refused::Endless)? + LEEWAY - now;
        if left <= 0.0 {
            return Err(Refused::Expired);
        }
        if claims.nbf.is_some_and(|from| from - LEEWAY > now) {
            return Err(Refused::Early);
        }
        let scopes = claims.scopes();
        let subject = claims.sub.filter(|it| !it.is_empty()).ok_or(Refused::Nobody)?;
        let user = Uuid::try_parse(&subject).ok();
        if user.is_none() && !scopes.iter().any(|it| it == ADMIN) {
            return Err(Refused::NoUser);
        }
        let left = Duration::from_secs_f64(left.min(LONGEST));
        Ok(Found::of_token(&subject, scopes, user, left))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::relay::keys::Scope;

    const ANN: &str = "550e8400-e29b-41d4-a716-446655440000";

    fn found(change: &Value) -> Result<Found, Refused> {
        let mut claims = json!({
            "iss": "https://id.example.org", "aud": "chat", "sub": ANN, "exp": 1000,
            "scope": "openid relay:read",
        });
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let wanted =
            Wanted { issuer: "https://id.example.org".into(), audience: Some("chat".into()) };
        let now = Timestamp::from_second(900).unwrap();
        wanted.check(claims.to_string().as_bytes(), now)
    }

    #[test]
    fn a_token_counts_only_where_and_while_it_is_meant_to() {
        for (change, refused) in [
            (json!({ "iss": "https://id.example.org/" }), Refused::Issuer),
            (json!({ "iss": null }), Refused::Issuer),
            (json!({ "aud": "other" }), Refused::Audience),
            (json!({ "aud": ["other", "chats"] }), Refused::Audience),
            (json!({ "aud": null }), Refused::Audience),
            (json!({ "exp": null }), Refused::Endless),
            (json!({ "exp": "never" }), Refused::Form),
            (json!({ "exp": 870 }), Refused::Expired),
            (json!({ "exp": -1e308 }), Refused::Expired),
            (json!({ "nbf": 931 }), Refused::Early),
            (json!({ "nbf": "99999999999" }), Refused::Form),
            (json!({ "sub": null }), Refused::Nobody),
            (json!({ "sub": "" }), Refused::Nobody),
            (json!({ "sub": "service" }), Refused::NoUser),
        ] {
            assert_eq!(found(&change).unwrap_err(), refused, "{change}");
        }
        for change in [
            json!({}),
            json!({ "exp": 870.5 }),
            json!({ "exp": 1e300 }),
            json!({ "nbf": 930 }),
            json!({ "aud": ["other", "chat"] }),
        ] {
            found(&change).unwrap_or_else(|error| panic!("{change}: {error}"));
        }
    }

    #[test]
    fn it_opens_what_its_scopes_say_and_only_who_is_no_user_may_act_for_all() {
        let opens = |change: &Value| {
            let found = found(change).unwrap();
            (found.user.is_some(), found.has(Scope::Read), found.has(Scope::Write))
        };
        assert_eq!(opens(&json!({})), (true, true, false));
        assert_eq!(opens(&json!({ "scope": "read write" })), (true, false, false));
        assert_eq!(opens(&json!({ "scp": ["relay:write"] })), (true, true, true));
        assert_eq!(opens(&json!({ "scope": ["relay:read"] })), (true, true, false));
        assert_eq!(opens(&json!({ "scp": "relay:write x", "scope": null })), (true, false, true));
        assert_eq!(opens(&json!({ "scope": "relay:admin" })), (true, false, false));
        let service = json!({ "sub": "service", "scope": "relay:admin relay:write" });
        assert_eq!(opens(&service), (false, false, true));
    }
}
