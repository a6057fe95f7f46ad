//! Who is in a room and how it is encrypted, as far as the homeserver has told.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use ruma::{
    EventEncryptionAlgorithm, OwnedUserId, ServerName,
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

/// How long what was heard of the devices of somebody on another server is good enough, which may not answer.
const FAR: Duration = Duration::from_mins(1);

pub(crate) struct Room {
    joined: BTreeSet<OwnedUserId>,
    invited: BTreeSet<OwnedUserId>,
    pub(crate) encryption: RoomEncryptionEventContent,
    pub(crate) visibility: HistoryVisibility,
    /// Who has come since their devices were last asked for.
    pub(crate) new: BTreeSet<OwnedUserId>,
    /// The session that what is said there is encrypted with.
    pub(crate) session: Session,
    /// The devices that were told that they get no key: whoever spoke heard of it.
    pub(crate) told: BTreeSet<(String, String, String)>,
    /// When the devices of guests on other servers were last asked for.
    far: Option<Instant>,
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
        let (joined, invited, new, session, told, far) = <_>::default();
        Self { joined, invited, encryption, visibility, new, session, told, far }
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

    /// Has whoever is invited and gets keys be asked for anew: until they have come nobody tells of their devices.
    pub(crate) fn ask_for_guests(&mut self, own: &ServerName) {
        if self.visibility == HistoryVisibility::Joined {
            return;
        }
        let is_time = self.far.is_none_or(|asked| asked.elapsed() > FAR);
        let guests = self.invited.iter().filter(|it| is_time || it.server_name() == own);
        let before = self.new.len();
        self.new.extend(guests.cloned());
        if is_time && self.invited.iter().any(|it| it.server_name() != own) {
            self.far = Some(Instant::now());
        }
        if self.new.len() > before {
            self.session.is_shared = false;
        }
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
    fn who_is_invited_is_asked_for_with_each_message_and_on_another_server_now_and_then() {
        let mut room = room(HistoryVisibility::Shared);
        room.change(&event("m.room.member", "@d:far", json!({ "membership": "invite" })));
        let mut asked = || {
            room.new.clear();
            room.session.is_shared = true;
            room.ask_for_guests(ruma::server_name!("x"));
            (room.new.len(), room.session.is_shared)
        };
        assert_eq!([asked(), asked(), asked()], [(2, false), (1, false), (1, false)]);
        let mut nobody = self::room(HistoryVisibility::Joined);
        nobody.new.clear();
        nobody.session.is_shared = true;
        nobody.ask_for_guests(ruma::server_name!("x"));
        assert!(nobody.new.is_empty() && nobody.session.is_shared);
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
