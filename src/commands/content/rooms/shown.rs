//! A room as machines read it.

use schemars::JsonSchema;
use serde::Serialize;

use crate::matrix::admin::rooms;

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Room {
    pub(crate) room_id: String,
    pub(crate) name: Option<String>,
    /// The canonical alias.
    pub(crate) alias: Option<String>,
    /// How many are in it.
    pub(crate) members_count: u64,
    /// How many of the members are users of this server.
    pub(crate) local_members_count: u64,
    pub(crate) version: Option<String>,
    pub(crate) creator: Option<String>,
    pub(crate) encrypted: bool,
    /// Who may join: `public` is anybody, `invite` who is invited.
    pub(crate) join_rule: Option<String>,
    /// Whether the directory of rooms lists it.
    pub(crate) public: bool,
    /// `m.space` for a space.
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
}

impl From<rooms::list::Room> for Room {
    fn from(room: rooms::list::Room) -> Self {
        Self {
            room_id: room.room_id.to_string(),
            name: room.name,
            alias: room.canonical_alias,
            members_count: room.joined_members,
            local_members_count: room.joined_local_members,
            version: room.version,
            creator: room.creator,
            encrypted: room.encryption.is_some(),
            join_rule: room.join_rules,
            public: room.public,
            kind: room.room_type,
        }
    }
}
