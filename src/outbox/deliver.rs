//! One message and the homeserver: how it is sent, and whether it is worth another try.

use std::{collections::BTreeMap, path::Path, time::Duration};

use ruma::{OwnedRoomId, OwnedUserId, RoomId, TransactionId};
use serde_json::Value;

use super::{
    attachments,
    entry::{Attached, Draft, Entry, What},
    sent,
};
use crate::{
    data_dir::DataDir,
    files,
    matrix::{
        self,
        client::{self, Client},
        edit,
        media::{Media, Uploaded},
        message, operator, room,
        thread::Place,
    },
};

/// How long one try may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// A file is larger than a message.
const LONG_PATIENCE: Duration = Duration::from_mins(10);
/// No file that waits is larger.
const LARGEST: u64 = 1 << 30;
/// After so long a transaction id may be forgotten, in milliseconds: four hours before the day is over.
const FORGOTTEN: u64 = 20 * 60 * 60 * 1000;

/// Those who send in a room, and what is known of it.
pub(super) struct Lane {
    data: DataDir,
    room: OwnedRoomId,
    clients: BTreeMap<OwnedUserId, Client>,
    /// What each of them has sent there that we may not know of.
    sent: BTreeMap<OwnedUserId, BTreeMap<String, String>>,
}

impl Lane {
    pub(super) fn new(data: DataDir, room: OwnedRoomId) -> Self {
        Self { data, room, clients: BTreeMap::new(), sent: BTreeMap::new() }
    }

    pub(super) fn room(&self) -> &RoomId {
        &self.room
    }

    /// The next try begins with what is on the disk: a session may have been made anew.
    pub(super) fn begin_anew(&mut self, user: &OwnedUserId) {
        self.clients.remove(user);
    }

    /// The event that the message is; `found`: it may have been sent in an earlier life of ours.
    pub(super) async fn send(
        &mut self,
        entry: &Entry,
        found: bool,
        now: u64,
    ) -> Result<String, matrix::Error> {
        let (room, draft) = (self.room.clone(), &entry.draft);
        let user = self.client(&draft.user).await?;
        let transaction = entry.transaction();
        if found || now.saturating_sub(draft.at) > FORGOTTEN {
            if !self.sent.contains_key(&draft.user) {
                let marks = self.marks(&user, draft.hook.is_none(), draft.at).await?;
                self.sent.insert(draft.user.clone(), marks);
            }
            let marks = self.sent.get(&draft.user);
            if let Some(event) = marks.and_then(|marks| marks.get(transaction.as_str())) {
                return Ok(event.clone());
            }
        }
        let send = async || self.put(&user, &room, entry, &transaction).await;
        match send().await {
            Err(error) if error.is("M_FORBIDDEN") && draft.hook.is_none() => {
                // As a command that waits would do.
                if !self.may_enter(&user).await {
                    return Err(error);
                }
                send().await
            }
            // The address led here when it was looked at, and leads on since; an id that a person gave leads
            // nowhere else.
            Err(matrix::Error::Upgraded { successor, .. })
                if draft.hook.is_some() || !draft.room.starts_with('!') =>
            {
                let successor = OwnedRoomId::try_from(successor.as_str())
                    .map_err(|_| matrix::Error::lacks("the upgraded room", "successor"))?;
                self.put(&user, &successor, entry, &transaction).await
            }
            said => said,
        }
    }

    async fn marks(
        &self,
        user: &Client,
        enters: bool,
        since: u64,
    ) -> Result<BTreeMap<String, String>, matrix::Error> {
        match sent::marks(user, &self.room, since).await {
            // Who is not in the room has sent nothing there lately, or must be in it to know.
            Err(error) if error.is("M_FORBIDDEN") => {
                if enters && self.may_enter(user).await {
                    sent::marks(user, &self.room, since).await
                } else {
                    Ok(BTreeMap::new())
                }
            }
            said => said,
        }
    }

    async fn client(&mut self, user: &OwnedUserId) -> Result<Client, matrix::Error> {
        if let Some(client) = self.clients.get(user) {
            return Ok(client.afresh());
        }
        let admin = client::operator(&self.data, PATIENCE)?;
        let client = operator::act_as(&self.data, &admin, user, PATIENCE).await?;
        self.clients.insert(user.clone(), client.clone());
        Ok(client)
    }

    async fn may_enter(&self, user: &Client) -> bool {
        let is_operator = client::operator(&self.data, PATIENCE)
            .is_ok_and(|operator| operator.user_id() == user.user_id());
        if is_operator {
            room::enter(user, &self.room).await.is_ok()
        } else {
            room::join(user, &self.room).await.is_ok()
        }
    }

    async fn put(
        &self,
        user: &Client,
        room: &RoomId,
        entry: &Entry,
        transaction: &TransactionId,
    ) -> Result<String, matrix::Error> {
        let draft = &entry.draft;
        let admin = || client::operator(&self.data, PATIENCE);
        if let What::Redaction { event, reason } = &draft.what {
            let admin = admin()?;
            let message = room::require_event(&admin, room, event).await?;
            if let Some(done) = room::redaction(&admin, room, event).await? {
                return Ok(done);
            }
            let reason = reason.as_deref();
            let done = message::take_away(user, room, event, &message, transaction, reason).await?;
            return Ok(done.into());
        }
        message::require_way(user, &self.data, room).await?;
        let content = match &draft.what {
            What::Content(content) => content.clone(),
            What::File(file) => return self.put_file(user, room, file, draft, transaction).await,
            What::Edit { event, text, markup } => {
                edit::of(&admin()?, user, room, event, text, *markup).await?
            }
            What::Redaction { .. } => Value::Null,
        };
        let content = self.finished(user, room, content, draft, transaction).await?;
        Ok(message::send(user, room, &content, transaction).await?.into())
    }

    async fn put_file(
        &self,
        user: &Client,
        room: &RoomId,
        file: &Attached,
        draft: &Draft,
        transaction: &TransactionId,
    ) -> Result<String, matrix::Error> {
        let send = async |is_sealed: bool| {
            let (at, content) = self.uploaded(user, file, is_sealed).await?;
            let content = self.finished(user, room, content, draft, transaction).await?;
            let sent = message::send_file(&user.afresh(), room, &content, transaction).await;
            if matches!(sent, Err(matrix::Error::InTheClear))
                && let Ok(operator) = client::operator(&self.data, PATIENCE)
            {
                at.remove(&operator).await;
            }
            sent
        };
        let sent = match send(message::is_known_sealed(&self.data, room)).await {
            // Somebody has just encrypted the room.
            Err(matrix::Error::InTheClear) => send(true).await?,
            said => said?,
        };
        Ok(sent.into())
    }

    /// A content with what goes along with it.
    async fn finished(
        &self,
        user: &Client,
        room: &RoomId,
        mut content: Value,
        draft: &Draft,
        transaction: &TransactionId,
    ) -> Result<Value, matrix::Error> {
        if draft.place != Place::default() {
            let admin = client::operator(&self.data, PATIENCE)?;
            let found = draft.place.find(&admin, user, room).await?;
            found.relate(&mut content, user.user_id());
        }
        content[message::MARK] = transaction.as_str().into();
        Ok(content)
    }

    /// Where the homeserver has a file, and the content of a message that shows it.
    async fn uploaded(
        &self,
        user: &Client,
        file: &Attached,
        is_sealed: bool,
    ) -> Result<(Uploaded, Value), matrix::Error> {
        let stored = attachments::folder(&self.data.outbox()).join(&file.stored);
        let kinds = [rustix::fs::FileType::RegularFile];
        let bytes = files::read_bytes(&stored, LARGEST, &kinds)?;
        let mut media = Media::new(Path::new(&file.name), bytes, file.mime.clone());
        media.decode(&stored, file.voice).await;
        media.fits(user).await?;
        let patient = client::operator(&self.data, LONG_PATIENCE)?;
        let patient =
            operator::act_as(&self.data, &patient, &user.user_id().to_owned(), LONG_PATIENCE)
                .await?;
        let at: Uploaded = media.upload(&patient, is_sealed).await?;
        let caption = file.caption.as_deref();
        let mut content =
            if file.voice { media.voice(&at, caption) } else { media.content(&at, caption) };
        message::mention(&mut content, file.mention.iter().cloned(), file.mention_room);
        Ok((at, content))
    }
}

/// Whether the same will be answered however often it is asked.
pub(crate) fn is_final(error: &matrix::Error) -> bool {
    match error {
        matrix::Error::TooLarge { .. }
        | matrix::Error::Encrypted(_)
        | matrix::Error::Unsealed { .. }
        | matrix::Error::Upgraded { .. }
        | matrix::Error::NoUser(_)
        | matrix::Error::NoEntry { .. }
        | matrix::Error::Alone(_)
        | matrix::Error::Deactivated(_)
        | matrix::Error::OtherThread { .. }
        | matrix::Error::NoEvent { .. }
        | matrix::Error::NotEditable { .. }
        | matrix::Error::OthersMessage { .. }
        | matrix::Error::Redacted { .. }
        | matrix::Error::Name(_) => true,
        // The copy of a file is gone, and no server brings it back.
        matrix::Error::File(error) => error.is_not_found(),
        // What it is or how large it is was refused by who does not speak Matrix then: a proxy, or Synapse's own server.
        matrix::Error::NotMatrix { status: 413 | 415, .. } => true,
        error if error.is_about_a_room() => true,
        matrix::Error::Refused { status, errcode, .. } => {
            // Of these the server says that they pass, or they are about who asks and not what.
            let passes = ["M_LIMIT_EXCEEDED", "M_RESOURCE_LIMIT_EXCEEDED", "M_UNRECOGNIZED"];
            matches!(status, 400 | 403 | 404 | 413) && !passes.contains(&errcode.as_str())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stays_refused_is_given_up() {
        let refused = |status, errcode: &str| matrix::Error::Refused {
            status,
            errcode: errcode.into(),
            message: String::new(),
            retry_after: None,
        };
        for (status, errcode) in
            [(403, "M_FORBIDDEN"), (404, "M_NOT_FOUND"), (413, "M_TOO_LARGE"), (400, "M_BAD_JSON")]
        {
            assert!(is_final(&refused(status, errcode)), "{errcode}");
        }
        for (status, errcode) in [
            (429, "M_LIMIT_EXCEEDED"),
            (500, "M_UNKNOWN"),
            (401, "M_UNKNOWN_TOKEN"),
            (403, "M_RESOURCE_LIMIT_EXCEEDED"),
        ] {
            assert!(!is_final(&refused(status, errcode)), "{errcode}");
        }
        assert!(!is_final(&matrix::Error::Down { url: String::new() }));
    }
}
