//! Arguments that mean the same in many verbs: each is a type with its help and with what it is resolved
//! to. They are flattened into the `Args` of a verb.

pub(crate) mod json;
pub(crate) mod mentions;
pub(crate) mod queue;
pub(crate) mod reply;
pub(crate) mod room;
pub(crate) mod sending;
pub(crate) mod text;
pub(crate) mod transaction;
pub(crate) mod turn;
pub(crate) mod user;
pub(crate) mod verified;
pub(crate) mod written;

pub(crate) use self::{
    mentions::MentionsArg,
    queue::{NowOrLater, QueueArg},
    reply::ReplyArg,
    room::RoomArg,
    sending::{Patience, Sending},
    text::MarkupArg,
    transaction::TransactionArg,
    user::UserArg,
    verified::VerifiedArg,
};
