//! Who is in a room and how it is encrypted, as far as the homeserver has told.

use std::collections::BTreeSet;

use ruma::{
    EventEncryptionAlgorithm, OwnedUserId,
    events::room::{
        encryption::RoomEncryptionEventContent,
        history_visibility::{HistoryVisibility, RoomHistoryVisibilityEventContent},
        member::{MembershipState, RoomMemberEventContent},
    },
    serde::Raw,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::account::Session;

pub(crate) struct Room {
    joined: BTreeSet<OwnedUserId>,
    invited: BTreeSet<OwnedUserId>,
    pub(crate) encryption: RoomEncryptionEventContent,
    pub(crate) visibility: HistoryVisibility,
    /// Who has come since their devices were last asked for.
    pub(crate) new: BTreeSet<OwnedUserId>,
    /// The session that what is said there is encrypted with.
    pub(crate) session: Session,
}

/// A state event, as far as it matters here.
#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    state_key: Option<String>,
    content: Box<RawValue>,
}

impl Room {
    pub(crate) fn new(
        encryption: RoomEncryptionEventContent,
        visibility: HistoryVisibility,
    ) -> Self {
        let (joined, invited, new, session) = <_>::default();
        Self { joined, invited, encryption, visibility, new, session }
    }

    /// Whether there is a way of encrypting for it here.
    pub(crate) fn is_known(&self) -> bool {
        self.encryption.algorithm == EventEncryptionAlgorithm::MegolmV1AesSha2
    }

    /// Takes up a change; what does not concern it is passed over.
    pub(crate) fn change<T>(&mut self, event: &Raw<T>) {
        let Ok(Event { kind, state_key: Some(key), content }) =
            serde_json::from_str(event.json().get())
        else {
            return;
        };
        let content = content.get();
        self.session.is_shared = false;
        match kind.as_str() {
            "m.room.member" => {
                let (Ok(user), Ok(RoomMemberEventContent { membership, .. })) =
                    (OwnedUserId::try_from(key), serde_json::from_str(content))
                else {
                    return;
                };
                self.is_now(user, &membership);
            }
            "m.room.encryption" if key.is_empty() => {
                // It cannot be switched off: what is no encryption changes nothing.
                if let Ok(encryption) = serde_json::from_str(content) {
                    self.encryption = encryption;
                }
            }
            "m.room.history_visibility" if key.is_empty() => {
                if let Ok(RoomHistoryVisibilityEventContent { history_visibility, .. }) =
                    serde_json::from_str(content)
                {
                    self.visibility = history_visibility;
                }
            }
            _ => {}
        }
    }

    fn is_now(&mut self, user: OwnedUserId, membership: &MembershipState) {
        let was_in = self.joined.remove(&user) | self.invited.remove(&user);
        let into = match membership {
            MembershipState::Join => &mut self.joined,
            MembershipState::Invite => &mut self.invited,
            _ => {
                self.new.remove(&user);
                return;
            }
        };
        if !was_in {
            self.new.insert(user.clone());
        }
        into.insert(user);
    }

    /// Who gets the keys of what is said now: whoever is in it, and whoever may read it once they have come.
    pub(crate) fn readers(&self) -> Vec<OwnedUserId> {
        let may_read = self.visibility != HistoryVisibility::Joined;
        let invited = self.invited.iter().filter(|_| may_read);
        self.joined.iter().chain(invited).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use ruma::user_id;
    use serde_json::json;

    use super::*;

    fn event(kind: &str, key: &str, content: serde_json::Value) -> Raw<()> {
        let event = json!({ "type": kind, "state_key": key, "content": content });
        Raw::from_json(serde_json::value::to_raw_value(&event).unwrap())
    }

    fn room(visibility: HistoryVisibility) -> Room {
        let encryption = RoomEncryptionEventContent::with_recommended_defaults();
        let mut room = Room::new(encryption, visibility);
        for (user, membership) in [("@a:x", "join"), ("@b:x", "invite"), ("@c:x", "join")] {
            room.change(&event("m.room.member", user, json!({ "membership": membership })));
        }
        room
    }

    #[test]
    fn who_has_left_gets_no_keys_and_who_comes_does() {
        let mut room = room(HistoryVisibility::Shared);
        assert_eq!(room.readers(), [user_id!("@a:x"), user_id!("@c:x"), user_id!("@b:x")]);
        room.new.clear();
        room.change(&event("m.room.member", "@c:x", json!({ "membership": "leave" })));
        room.change(&event("m.room.member", "@b:x", json!({ "membership": "join" })));
        assert_eq!(room.readers(), [user_id!("@a:x"), user_id!("@b:x")]);
        assert!(room.new.is_empty());
        room.change(&event("m.room.member", "@c:x", json!({ "membership": "join" })));
        assert_eq!(room.new, [user_id!("@c:x").to_owned()].into());
    }

    #[test]
    fn who_is_invited_gets_keys_where_they_may_read_what_was_said_before() {
        assert_eq!(room(HistoryVisibility::Joined).readers().len(), 2);
        assert_eq!(room(HistoryVisibility::Invited).readers().len(), 3);
    }

    #[test]
    fn encryption_does_not_go_away_and_a_stranger_is_seen() {
        let mut room = room(HistoryVisibility::Shared);
        room.change(&event("m.room.encryption", "", json!({})));
        assert!(room.is_known());
        room.change(&event("m.room.encryption", "", json!({ "algorithm": "org.example.new" })));
        assert!(!room.is_known());
    }
}
