//! The keys a server signs with: `GET /_matrix/key/v2/server`, whose answer is signed with each of them
//! ([spec]).
//!
//! [spec]: https://spec.matrix.org/latest/server-server-api/#retrieving-server-keys

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use jiff::Timestamp;
use ring::signature::{ED25519, UnparsedPublicKey};
use ruma::{CanonicalJsonObject, CanonicalJsonValue};
use serde_json::Value;

use super::Step;

const STEP: &str = "keys";

/// Looks at the answer of the server that should be `server`.
pub(super) fn judge(server: &str, at: &str, body: &[u8], now: Timestamp) -> Step {
    let bad = |why: String, advice: &str| Step::bad(STEP, format!("{at}: {why}"), advice);
    let Ok(Value::Object(document)) = serde_json::from_slice::<Value>(body) else {
        return bad(
            "what is answered to /_matrix/key/v2/server is not JSON".into(),
            "see that the proxy passes `/_matrix/key` on to the homeserver",
        );
    };
    let said = document.get("server_name").and_then(Value::as_str).unwrap_or_default();
    if said != server {
        return bad(
            format!("the server there is `{said}`, not `{server}`"),
            "its DNS, its well-known file or its proxy leads to another homeserver",
        );
    }
    let keys = document.get("verify_keys").and_then(Value::as_object);
    let Some(keys) = keys.filter(|keys| !keys.is_empty()) else {
        return bad("the server names no key".into(), "see that its signing key is there");
    };
    for (id, key) in keys {
        if let Err(why) = signed_with(&document, server, id, key) {
            return bad(
                format!("the key `{id}` {why}"),
                "no other server will accept it: something modifies the answer on its way, or the signing key was replaced",
            );
        }
    }
    let names = keys.keys().cloned().collect::<Vec<_>>().join(", ");
    let until = document.get("valid_until_ts").and_then(Value::as_i64).unwrap_or_default();
    let until = Timestamp::from_millisecond(until).unwrap_or_default();
    let shown = until.strftime("%Y-%m-%d %H:%M UTC");
    if until <= now {
        return bad(
            format!("the keys are not valid any more, since {shown}"),
            "see that the clocks of both machines are right",
        );
    }
    Step::good(STEP, format!("{at}: signed with {names}, valid until {shown}"))
}

/// Whether the answer is signed with that key of its own.
fn signed_with(
    document: &serde_json::Map<String, Value>,
    server: &str,
    id: &str,
    key: &Value,
) -> Result<(), &'static str> {
    if !id.starts_with("ed25519:") {
        return Ok(());
    }
    let decoded =
        |value: &Value| STANDARD_NO_PAD.decode(value.as_str()?.trim_end_matches('=')).ok();
    let key = decoded(&key["key"]).ok_or("cannot be read")?;
    let signature = &document.get("signatures").ok_or("has signed nothing")?[server][id];
    let signature = decoded(signature).ok_or("has not signed the answer")?;
    let mut signed: CanonicalJsonObject = CanonicalJsonObject::new();
    for (name, value) in document {
        if name != "signatures" && name != "unsigned" {
            let value = CanonicalJsonValue::try_from(value.clone());
            signed.insert(name.clone(), value.map_err(|_| "signs what is not canonical JSON")?);
        }
    }
    let text = CanonicalJsonValue::Object(signed).to_string();
    UnparsedPublicKey::new(&ED25519, key)
        .verify(text.as_bytes(), &signature)
        .map_err(|_| "has a signature that is wrong")
}

#[cfg(test)]
mod tests {
    use ring::signature::{Ed25519KeyPair, KeyPair as _};

    use super::*;
    use crate::federation::Verdict;

    /// A server's answer, signed as it would sign it.
    fn answer(server: &str, valid_until: i64) -> Value {
        let key = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let public = STANDARD_NO_PAD.encode(key.public_key());
        let mut answer = serde_json::json!({
            "server_name": server, "valid_until_ts": valid_until, "old_verify_keys": {},
            "verify_keys": { "ed25519:a": { "key": public } },
        });
        let text = CanonicalJsonValue::try_from(answer.clone()).unwrap().to_string();
        let signature = STANDARD_NO_PAD.encode(key.sign(text.as_bytes()));
        answer["signatures"] = serde_json::json!({ server: { "ed25519:a": signature } });
        answer
    }

    #[test]
    fn keys_are_believed_only_if_the_server_signed_them() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let later = 1_800_086_400_000;
        let judge = |answer: &Value| judge("a.example", "x", answer.to_string().as_bytes(), now);
        let good = judge(&answer("a.example", later));
        assert_eq!(good.verdict, Verdict::Good, "{good:?}");
        assert!(good.finding.ends_with("signed with ed25519:a, valid until 2027-01-16 08:00 UTC"));
        let mut changed = answer("a.example", later);
        changed["valid_until_ts"] = (later + 1).into();
        assert!(judge(&changed).finding.contains("has a signature that is wrong"));
        let mut unsigned = answer("a.example", later);
        unsigned["signatures"] = serde_json::json!({});
        assert!(judge(&unsigned).finding.contains("has not signed the answer"));
        assert!(judge(&answer("b.example", later)).finding.contains("is `b.example`, not"));
        assert!(judge(&answer("a.example", 1)).finding.contains("not valid any more"));
    }
}
