//! What the token of a user opens: to act as that user, and to read where they take part. Whatever is not named here
//! is for the application to do.

use axum::{
    RequestPartsExt as _,
    extract::{MatchedPath, RawPathParams},
};
use http::{Method, StatusCode, request::Parts};
use serde_json::Value;
use uuid::Uuid;

use super::{
    parts::{query, uuid},
    problem::{Problem, absent},
};
use crate::relay::Shared;

/// What the address names, below `/api/chat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    /// A conversation in which they must take part.
    Conversation,
    /// A message of one.
    Message,
    /// Themselves.
    User,
    /// Themselves, and those with whom they are in a conversation.
    Others,
    /// What is read is picked by who reads.
    Picked,
}

/// Where the ids of users stand.
const WHO: [&str; 2] = ["user_id", "sender_id"];

fn about(method: &Method, route: &str) -> Option<About> {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    Some(match route.strip_prefix("/api/chat")? {
        "/conversations" | "/events" | "/stream" | "/socket" if reads => About::Picked,
        "/conversations/{which}" if reads => About::Conversation,
        "/conversations/{which}/participants/{user}"
        | "/conversations/{which}/messages"
        | "/conversations/{which}/files"
        | "/conversations/{which}/typing"
        | "/event/{which}/message"
        | "/event/{which}/typing" => About::Conversation,
        "/messages/{id}"
        | "/messages/{id}/file"
        | "/messages/{id}/reactions"
        | "/messages/{id}/receipts" => About::Message,
        "/users/{id}" | "/users/{id}/avatar" if reads => About::Others,
        "/users/{id}" | "/users/{id}/presence" => About::User,
        _ => return None,
    })
}

fn refused(why: impl Into<String>) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, why)
}

fn is(user: Uuid, said: &str) -> Result<(), Problem> {
    if said.parse() == Ok(user) {
        return Ok(());
    }
    Err(refused(format!("this token is of the user {user}, who acts only as themselves")))
}

/// Whether a request may be made with the token of this user, as far as its head says.
pub(super) async fn admit(shared: &Shared, head: &mut Parts, user: Uuid) -> Result<(), Problem> {
    let route = head.extensions.get::<MatchedPath>().map(MatchedPath::as_str).unwrap_or_default();
    let Some(about) = about(&head.method, route) else {
        return Err(refused("this is for the application to do, with a key of its own"));
    };
    for (_, said) in form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes())
        .filter(|(name, _)| WHO.contains(&&**name))
    {
        is(user, &said)?;
    }
    let named = head.extract::<RawPathParams>().await;
    let named = named.map_err(|_| Problem::bad("the address cannot be read"))?;
    let of = |wanted: &str| named.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value);
    of("user").map_or(Ok(()), |said| is(user, said))?;
    let id = of("id").unwrap_or_default();
    let picked = query(&head.uri, "conversation_id");
    let takes_part = match about {
        About::User => return is(user, id),
        About::Others => return meets(shared, user, uuid("id", id)?).await,
        About::Picked => match &picked {
            Some(picked) => picked,
            None => return Ok(()),
        },
        About::Conversation => of("which").unwrap_or_default(),
        About::Message => id,
    };
    let id = Uuid::parse_str(takes_part).ok();
    let sql = match about {
        About::Message => {
            "SELECT EXISTS (SELECT FROM relay.messages m JOIN relay.participants p USING (conversation_id)
            WHERE m.id = $2 AND p.user_id = $1 AND p.left_at IS NULL AND $3 <> '')"
        }
        _ => {
            "SELECT EXISTS (SELECT FROM relay.conversations c JOIN relay.participants p ON p.conversation_id = c.id
            WHERE CASE WHEN $2 IS NULL THEN c.slug = $3 ELSE c.id = $2 END
                AND p.user_id = $1 AND p.left_at IS NULL)"
        }
    };
    let takes_part: bool = sqlx::query_scalar(sql)
        .bind(user)
        .bind(id)
        .bind(takes_part)
        .fetch_one(&shared.pool)
        .await?;
    // Whether there is such a one is not said to who takes no part in it.
    takes_part.then_some(()).ok_or_else(|| refused("this user takes no part in that conversation"))
}

/// Whether they are in a conversation with that one, who may have left it: what they said there is read all the same.
async fn meets(shared: &Shared, user: Uuid, other: Uuid) -> Result<(), Problem> {
    let meets: bool = sqlx::query_scalar(
        "SELECT $1 = $2 OR EXISTS (SELECT FROM relay.participants p JOIN relay.participants o USING (conversation_id)
            WHERE p.user_id = $1 AND p.left_at IS NULL AND o.user_id = $2)",
    )
    .bind(user)
    .bind(other)
    .fetch_one(&shared.pool)
    .await?;
    meets.then_some(()).ok_or_else(|| absent("user", &other.to_string()))
}

/// The same as far as the body says.
pub(super) fn admit_body(body: &Value, user: Uuid) -> Result<(), Problem> {
    let mut named = WHO.iter().filter_map(|name| body.get(name));
    named.try_for_each(|said| is(user, said.as_str().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_takes_part_and_what_is_not_named_is_for_the_application() {
        let of = |method: Method, route: &str| about(&method, &format!("/api/chat{route}"));
        assert_eq!(of(Method::GET, "/stream"), Some(About::Picked));
        assert_eq!(of(Method::GET, "/conversations"), Some(About::Picked));
        assert_eq!(of(Method::GET, "/conversations/{which}"), Some(About::Conversation));
        assert_eq!(of(Method::POST, "/event/{which}/message"), Some(About::Conversation));
        assert_eq!(of(Method::PUT, "/messages/{id}"), Some(About::Message));
        assert_eq!(of(Method::HEAD, "/users/{id}"), Some(About::Others));
        assert_eq!(of(Method::PUT, "/users/{id}"), Some(About::User));
        for (method, route) in [
            (Method::POST, "/conversations"),
            (Method::PUT, "/conversations/{which}"),
            (Method::POST, "/conversations/{which}/participants"),
            (Method::POST, "/event/{which}/join"),
            (Method::GET, "/what/comes/later"),
        ] {
            assert_eq!(of(method, route), None, "{route}");
        }
        assert_eq!(about(&Method::GET, "/metrics"), None);
    }

    #[test]
    fn a_body_that_names_somebody_else_is_refused() {
        let ann = Uuid::from_u128(1);
        let (own, other) = (ann.to_string(), Uuid::from_u128(2).to_string());
        admit_body(&json!({ "sender_id": own, "plaintext": "x" }), ann).unwrap();
        admit_body(&json!({ "user_id": ann.simple().to_string() }), ann).unwrap();
        for body in [
            json!({ "sender_id": other }),
            json!({ "user_id": other, "sender_id": own }),
            json!({ "user_id": [own] }),
            json!({ "user_id": null }),
        ] {
            admit_body(&body, ann).unwrap_err();
        }
    }
}
