//! How the application's users are called in Matrix, and whom a Matrix id belongs to. Pure.

use ruma::{OwnedServerName, OwnedUserId, UserId};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::config::Config;

#[derive(Clone, Debug)]
pub(super) struct Naming {
    prefix: String,
    server: OwnedServerName,
    service: String,
}

impl Naming {
    pub(super) fn of(config: &Config) -> Self {
        Self {
            prefix: config.relay.prefix.0.clone(),
            server: config.server.name.0.clone(),
            service: config.relay.service_user.0.clone(),
        }
    }

    /// The Matrix id of a user of the application.
    pub(super) fn user(&self, id: Uuid) -> String {
        format!("@{}-{}:{}", self.prefix, id.simple(), self.server)
    }

    /// The localpart of an alias by which a conversation's room is found again.
    pub(super) fn alias(&self, conversation: Uuid) -> String {
        format!("{}-{}", self.prefix, conversation.simple())
    }

    pub(super) fn full_alias(&self, conversation: Uuid) -> String {
        format!("#{}:{}", self.alias(conversation), self.server)
    }

    /// Whether it is the account that makes rooms.
    pub(super) fn is_service(&self, user: &UserId) -> bool {
        user.server_name() == self.server && user.localpart() == self.service
    }

    /// The user of the application that a Matrix id was made of, with or without the dashes.
    pub(super) fn ghost(&self, user: &UserId) -> Option<Uuid> {
        let localpart = user.localpart().strip_prefix(&self.prefix)?.strip_prefix('-')?;
        let lower = !localpart.bytes().any(|byte| byte.is_ascii_uppercase());
        let id = Uuid::try_parse(localpart).ok()?;
        let form = [id.simple().to_string(), id.hyphenated().to_string()];
        (lower && user.server_name() == self.server && form.iter().any(|it| it == localpart))
            .then_some(id)
    }

    /// The id that somebody has in the application who is none of its users: always the same one.
    pub(super) fn stranger(user: &UserId) -> Uuid {
        made_of(&["matrix user", user.as_str()])
    }
}

/// A Matrix id as the database has it.
pub(super) fn parsed(text: &str) -> Option<OwnedUserId> {
    UserId::parse(text).ok()
}

/// An id that is made of these words and of nothing else, so that a repeat makes the same one.
pub(super) fn made_of(words: &[&str]) -> Uuid {
    let mut hash = Sha256::new();
    for word in words {
        hash.update((word.len() as u64).to_be_bytes());
        hash.update(word);
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    Uuid::new_v8(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naming() -> Naming {
        Naming {
            prefix: "nova".into(),
            server: "staging.nova.internal".try_into().unwrap(),
            service: "nova-service".into(),
        }
    }

    #[test]
    fn a_user_is_known_by_the_uuid_in_the_matrix_id() {
        let id: Uuid = "550e8400-e29b-41d4-a716-446655440000".parse().unwrap();
        let ghost = |text: &str| naming().ghost(&UserId::parse(text).unwrap());
        let name = "@nova-550e8400e29b41d4a716446655440000:staging.nova.internal";
        assert_eq!((naming().user(id).as_str(), ghost(name)), (name, Some(id)));
        assert_eq!(
            ghost("@nova-550e8400-e29b-41d4-a716-446655440000:staging.nova.internal"),
            Some(id)
        );
        for other in [
            "@nova-550e8400e29b41d4a716446655440000:elsewhere.org",
            "@nova-550e8400:staging.nova.internal",
            "@nova-service:staging.nova.internal",
            "@nova550e8400e29b41d4a716446655440000:staging.nova.internal",
            "@alice:staging.nova.internal",
        ] {
            assert_eq!(ghost(other), None, "{other}");
        }
    }

    #[test]
    fn who_is_no_user_has_always_the_same_id_and_each_another() {
        let id = |text: &str| Naming::stranger(&UserId::parse(text).unwrap());
        assert_eq!(id("@alice:x.org"), id("@alice:x.org"));
        assert_ne!(id("@alice:x.org"), id("@alice:y.org"));
        assert_ne!(made_of(&["a", "bc"]), made_of(&["ab", "c"]));
    }
}
