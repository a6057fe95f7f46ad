//! What each kind of worker is: the one table that everything about workers is made from.

use super::Kind;

/// By which part of a request one of several workers of a kind is picked, so that what belongs
/// together meets the same caches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Balance {
    /// The access token, which stands for the user.
    User,
    /// The room in the path.
    Room,
    SourceIp,
    /// Path and query.
    Uri,
    /// Any will do, or there is only one.
    None,
}

/// What follows from a kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub(crate) summary: &'static str,
    /// Requests of clients or other servers are routed to it.
    pub(crate) http: bool,
    /// Streams that only it writes then (`stream_writers`).
    pub(crate) streams: &'static [&'static str],
    /// How many of them Synapse allows.
    pub(crate) most: u32,
    /// The main process can answer instead while none of them does.
    pub(crate) falls_back: bool,
    pub(crate) balance: Balance,
    /// It has nothing to do where there is no other server.
    pub(crate) federation: bool,
}

const MANY: u32 = u32::MAX;

const BASE: Facts = Facts {
    summary: "",
    http: true,
    streams: &[],
    most: MANY,
    falls_back: true,
    balance: Balance::None,
    federation: false,
};

impl Kind {
    /// Whether there can be another number of them while all others run on.
    pub(crate) fn scales(self) -> bool {
        let facts = self.facts();
        facts.http && facts.streams.is_empty() && facts.most > 1
    }

    pub(crate) const fn facts(self) -> Facts {
        match self {
            Self::Generic => {
                Facts { summary: "whatever any worker may answer", balance: Balance::Uri, ..BASE }
            }
            Self::Synchrotron => {
                Facts { summary: "clients that wait for news", balance: Balance::User, ..BASE }
            }
            Self::ClientReader => {
                Facts { summary: "clients that read", balance: Balance::Room, ..BASE }
            }
            Self::EventCreator => {
                Facts { summary: "clients that send", balance: Balance::Room, ..BASE }
            }
            Self::EventPersister => Facts {
                summary: "writes events, each those of its rooms",
                http: false,
                streams: &["events"],
                ..BASE
            },
            Self::Receipts => {
                Facts { summary: "who has read what", streams: &["receipts"], ..BASE }
            }
            Self::DeviceLists => {
                Facts { summary: "devices and their keys", streams: &["device_lists"], ..BASE }
            }
            Self::ThreadSubscriptions => Facts {
                summary: "who follows which thread",
                streams: &["thread_subscriptions"],
                ..BASE
            },
            Self::Typing => {
                Facts { summary: "who is typing", streams: &["typing"], most: 1, ..BASE }
            }
            Self::ToDevice => Facts {
                summary: "messages from device to device",
                streams: &["to_device"],
                most: 1,
                ..BASE
            },
            Self::AccountData => {
                Facts { summary: "account data", streams: &["account_data"], most: 1, ..BASE }
            }
            Self::Presence => {
                Facts { summary: "who is online", streams: &["presence"], most: 1, ..BASE }
            }
            Self::PushRules => {
                Facts { summary: "push rules", streams: &["push_rules"], most: 1, ..BASE }
            }
            Self::Media => Facts {
                summary: "uploads and downloads",
                streams: &["quarantined_media_changes"],
                most: 1,
                falls_back: false,
                ..BASE
            },
            Self::Sso => Facts { summary: "single sign-on", most: 1, falls_back: false, ..BASE },
            Self::UserDirectory => Facts { summary: "the user directory", most: 1, ..BASE },
            Self::FederationReader => Facts {
                summary: "other servers that read",
                balance: Balance::Uri,
                federation: true,
                ..BASE
            },
            Self::FederationInbound => Facts {
                summary: "other servers that send",
                balance: Balance::SourceIp,
                federation: true,
                ..BASE
            },
            Self::FederationSender => {
                Facts { summary: "sends to other servers", http: false, federation: true, ..BASE }
            }
            Self::Pusher => Facts { summary: "sends push notifications", http: false, ..BASE },
            // Who asks to be told again asks the one that tells.
            Self::Appservice => {
                Facts { summary: "tells application services", most: 1, falls_back: false, ..BASE }
            }
            Self::Background => Facts { summary: "tidies up", http: false, most: 1, ..BASE },
        }
    }
}
