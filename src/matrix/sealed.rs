//! What is said in encrypted rooms: sealed before it is sent, and opened when it is read, with a device that each account
//! has for that alone. That of its session may be used by another program, which has keys of its own.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use ruma::{RoomId, UserId};
use serde_json::Value;
use tokio::time::sleep;

use super::{
    Error,
    admin::devices,
    client::{self, Client},
    operator, running,
    session::{Session, file_name},
};
use crate::{
    clock::Backoff,
    crypto::{self, Account, Answer, Failed, Fault, Opened, Question, Request, Verify},
    data_dir::DataDir,
    files,
    process::Lock,
};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The type of an event that only those who have its key can read.
pub(crate) const TYPE: &str = "m.room.encrypted";

pub(crate) fn is_sealed(event: &Value) -> bool {
    event["type"] == TYPE && event["content"]["algorithm"].is_string()
}

/// The content of an `m.room.encrypted` that all who are in the room now can open.
pub(crate) async fn seal(
    client: &Client,
    data: &DataDir,
    room: &RoomId,
    event_type: &str,
    content: &Value,
) -> Result<Value, Error> {
    let request = || Request::Encrypt {
        room_id: room.to_string(),
        event_type: event_type.to_owned(),
        content: content.clone(),
        only_verified: client.is_to_verified(),
    };
    match asked(client, data, Some(room), request).await? {
        Answer::Encrypted { content, left_out } => {
            if !left_out.is_empty() {
                client.warn(without_keys(room, &left_out));
            }
            Ok(content)
        }
        Answer::Unverified { users } => Err(Error::Unverified { room: room.to_string(), users }),
        Answer::Changed { users } => Err(Error::Changed { users }),
        _ => Err(unfitting(Some(room))),
    }
}

/// How many devices a warning names.
const NAMED: usize = 5;

/// Says who cannot read what is sent now. The service tells of each device once for the keys that it does not get.
fn without_keys(room: &RoomId, left_out: &[(String, String, String)]) -> String {
    let named = left_out.iter().take(NAMED).map(|(user, device, code)| {
        let why = match code.as_str() {
            "m.unverified" => "it is not trusted",
            "m.no_olm" => "it has no keys left",
            code => code,
        };
        format!("{device} of {user} ({why})")
    });
    let named = named.collect::<Vec<_>>().join(", ");
    let more = match left_out.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more, which `logs crypto` names"),
    };
    let user = left_out.first().map_or("USER", |(user, ..)| user.as_str());
    format!(
        "who cannot read what is said in {room} now: {named}{more}; `content verify '{user}'` shows whom to trust"
    )
}

/// Asks about the trust of whoever acts in others.
pub(crate) async fn verify(client: &Client, step: &Verify) -> Result<Answer, Error> {
    keys(client, Request::Verify(step.clone())).await
}

/// Opens what can be opened of these events, in their place, and says of each of the others why not.
pub(crate) async fn open(
    client: &Client,
    room: &RoomId,
    events: &mut [Value],
) -> Result<(), Error> {
    opened(client, room, events, false).await
}

/// The same for whoever will not look at them again: that the keys cannot be had now is an error.
pub(crate) async fn open_at_last(
    client: &Client,
    room: &RoomId,
    events: &mut [Value],
) -> Result<(), Error> {
    opened(client, room, events, true).await
}

async fn opened(
    client: &Client,
    room: &RoomId,
    events: &mut [Value],
    waits: bool,
) -> Result<(), Error> {
    let sealed: Vec<&mut Value> = events.iter_mut().filter(|event| is_sealed(event)).collect();
    let Some(data) = client.data().filter(|_| !sealed.is_empty()) else { return Ok(()) };
    let all: Vec<Value> = sealed.iter().map(|event| (**event).clone()).collect();
    let request = || Request::Decrypt { room_id: room.to_string(), events: all.clone() };
    let opened = match asked(client, data, Some(room), request).await {
        Ok(Answer::Decrypted { events }) => events,
        Ok(_) => return Err(unfitting(Some(room))),
        Err(Error::Encrypted(_)) => {
            let why = "this installation was made without encryption";
            vec![Opened::Closed(why.to_owned()); all.len()]
        }
        Err(error @ Error::Keys(crypto::Error::Away)) if !waits => {
            let why = std::error::Error::source(&error).map(ToString::to_string);
            vec![Opened::Closed(why.unwrap_or_default()); all.len()]
        }
        Err(Error::Unsealed { why, .. }) => vec![Opened::Closed(why); all.len()],
        Err(Error::Store { why, .. }) if !waits => vec![Opened::Closed(why); all.len()],
        Err(Error::File(error)) if error.is_full_disk() => {
            vec![Opened::Closed(error.to_string()); all.len()]
        }
        Err(error) => return Err(error),
    };
    for (event, opened) in sealed.into_iter().zip(opened) {
        match opened {
            Opened::Clear(clear) => {
                // With what goes along with it, such as its latest edit.
                for part in ["type", "content", "unsigned"] {
                    if !clear[part].is_null() {
                        event[part] = clear[part].clone();
                    }
                }
            }
            Opened::Closed(why) => event[CLOSED] = why.into(),
        }
    }
    Ok(())
}

/// Where an event of ours says why it could not be opened.
pub(crate) const CLOSED: &str = "resource_matrix_synapse.closed";

/// Why an event could not be opened.
pub(crate) fn closed(event: &Value) -> Option<&str> {
    event[CLOSED].as_str()
}

/// Makes sure that messages for this room can be sealed here.
pub(crate) fn require(room: &RoomId) -> Result<(), Error> {
    crypto::program().map(drop).ok_or_else(|| Error::Encrypted(room.to_string()))
}

/// Has the account a device for encrypted rooms, so that others give it keys from now on. Where that cannot be now, what it
/// first says or reads in one makes it.
pub(crate) async fn prepare(client: &Client) {
    if let Some(data) = client.data()
        && running::keeps_keys(data).await
    {
        drop(asked(client, data, None, || Request::Device).await);
    }
}

/// Gives each account that had a device for encrypted rooms another one where it is gone, as after a restore: what is said
/// from now on is encrypted for that, also before the account is used.
pub(crate) async fn replace_lost(data: &DataDir, timeout: Duration) -> Result<(), Error> {
    if !running::keeps_keys(data).await {
        return Ok(());
    }
    let operator = client::operator(data, timeout)?;
    for path in files::entries(&crypto::identities(data))? {
        let Some(localpart) = path.file_name().and_then(|it| it.to_str()?.strip_suffix(".json"))
        else {
            continue;
        };
        let localpart = localpart.replace("%2F", "/");
        let Ok(user) = UserId::parse_with_server_name(localpart, operator.server_name()) else {
            continue;
        };
        if session(&file(data, &user))?.is_some() {
            continue;
        }
        match operator::act_as(data, &operator, &user, timeout).await {
            Ok(client) => prepare(&client).await,
            Err(error) => tracing::info!("{user} has no device for encrypted rooms: {error}"),
        }
    }
    Ok(())
}

/// Brings the keys that accounts were sent, and have not fetched, and those of what they said just now into their backup:
/// whoever comes back from a copy of the database has another device, and these alone.
pub(crate) async fn save_all(data: &DataDir, timeout: Duration) -> Result<(), Error> {
    if !running::keeps_keys(data).await {
        return Ok(());
    }
    let until = Instant::now() + timeout;
    for device in devices(data)? {
        let question = Question { account: account(&device), request: Request::BackUp };
        let left = until.saturating_duration_since(Instant::now());
        match tokio::time::timeout(left, crypto::ask(data, &question)).await {
            Ok(Ok(Answer::Failed(failed))) => {
                tracing::warn!(
                    "the keys of {} are not all backed up: {}",
                    device.user_id,
                    failed.what
                );
            }
            Ok(answer) => drop(answer.map_err(Error::Keys)?),
            Err(_) => return Err(Error::Keys(crypto::Error::Late(timeout))),
        }
    }
    Ok(())
}

fn account(device: &Session) -> Account {
    Account {
        url: device.url.clone(),
        user_id: device.user_id.to_string(),
        device_id: device.device_id.clone(),
        access_token: device.access_token.expose().to_owned(),
    }
}

/// Does something with the keys of an account.
pub(crate) async fn keys(client: &Client, request: Request) -> Result<Answer, Error> {
    let data = client.data().ok_or(Error::Keys(crypto::Error::Away))?;
    asked(client, data, None, || request.clone()).await
}

/// Asks until there is an answer, as long as there is time: what asks again does so with the same question.
async fn asked(
    client: &Client,
    data: &DataDir,
    room: Option<&RoomId>,
    request: impl Fn() -> Request,
) -> Result<Answer, Error> {
    room.map_or(Ok(()), require)?;
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    let mut replaced = false;
    loop {
        let device = device(client, data).await?;
        let question = Question { account: account(&device), request: request() };
        let left = client.left();
        let answer = tokio::time::timeout(left, crypto::ask(data, &question)).await;
        let failed = match answer {
            Err(_) => return Err(Error::Keys(crypto::Error::Late(left))),
            Ok(Ok(Answer::Failed(failed))) => failed,
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(crypto::Error::Away | crypto::Error::Broken(_)))
                if running::keeps_keys(data).await && !client.left().is_zero() =>
            {
                sleep(backoff.pause().min(client.left())).await;
                continue;
            }
            Ok(Err(error)) => return Err(Error::Keys(error)),
        };
        match failed.kind {
            // A device that was logged out is gone, and so are the keys that others had of it.
            Fault::Token | Fault::Lost if !replaced => {
                replaced = true;
                forget(data, client.user_id(), &device)?;
            }
            Fault::Away if !client.left().is_zero() => {
                sleep(backoff.pause().min(client.left())).await;
            }
            // That passes, and what is to be sent then waits for it.
            Fault::Store => {
                files::has_space(data.root())?;
                return Err(refused(client, room, failed));
            }
            _ => return Err(refused(client, room, failed)),
        }
    }
}

fn refused(client: &Client, room: Option<&RoomId>, failed: Failed) -> Error {
    let Failed { kind, refusal, what } = failed;
    match (kind, refusal) {
        (Fault::Away, _) => client.late(),
        (Fault::Plain, _) => Error::NotSealed,
        (Fault::Unsigned, _) => Error::Unsigned { user: client.user_id().to_string() },
        (Fault::Refused, Some((status, errcode))) => {
            Error::Refused { status, errcode, message: what, retry_after: None }
        }
        (Fault::Recovery | Fault::Export, _) => {
            let user = client.user_id().to_string();
            Error::KeysOf { user, why: what, is_file: kind == Fault::Export }
        }
        (Fault::Store, _) if let Some(room) = room => {
            Error::Store { room: room.to_string(), user: client.user_id().to_string(), why: what }
        }
        _ if room.is_none() => Error::Trust { user: client.user_id().to_string(), why: what },
        _ => {
            Error::Unsealed { room: room.map_or_else(String::new, ToString::to_string), why: what }
        }
    }
}

/// An answer to another question; it may hold what nobody else is to see.
pub(crate) fn unfitting(room: Option<&RoomId>) -> Error {
    let room = room.map_or_else(String::new, ToString::to_string);
    Error::Unsealed { room, why: "the service `crypto` is of another version".to_owned() }
}

/// The session of the device that has an account's keys.
pub(crate) fn file(data: &DataDir, user: &UserId) -> PathBuf {
    data.keys().join("devices").join(format!("{}.json", file_name(user)))
}

/// The devices that have keys, of all accounts.
pub(crate) fn devices(data: &DataDir) -> Result<Vec<Session>, Error> {
    // One that is damaged is made anew with the next message.
    let all = files::entries(&data.keys().join("devices"))?.into_iter();
    Ok(all.filter_map(|path| Session::load(&path).ok().flatten()).collect())
}

/// The session of a device; of one that is damaged there is none, and another is made.
fn session(path: &Path) -> Result<Option<Session>, Error> {
    match Session::load(path) {
        Err(Error::SessionFile(..)) => Ok(None),
        loaded => loaded,
    }
}

async fn device(client: &Client, data: &DataDir) -> Result<Session, Error> {
    let path = file(data, client.user_id());
    let kept = || Ok::<_, Error>(session(&path)?.filter(|kept| kept.url == client.url()));
    if let Some(kept) = kept()? {
        return Ok(kept);
    }
    let _lock = only(client, data).await?;
    if let Some(kept) = kept()? {
        return Ok(kept);
    }
    // One that was there before is at another address now.
    let device_id = if let Some(before) = session(&path)? {
        before.device_id
    } else {
        remove_lost(data, client).await?;
        new_id(client.user_id())
    };
    let session = Session { device_id, ..client.session() };
    let session = client::login(data, session, client.left()).await?;
    path.parent().map_or(Ok(()), files::private_folder)?;
    session.save(&path)?;
    Ok(session)
}

/// Removes the devices that came before, whose keys are gone: who sends to them sends to nobody.
async fn remove_lost(data: &DataDir, client: &Client) -> Result<(), Error> {
    let operator = client::operator(data, client.left())?;
    let user_id = client.user_id();
    let known =
        operator.send(devices::list::Request { user_id: user_id.to_owned().into() }).await?;
    let begins = format!("{}_", super::session::device(user_id));
    let ids = known.devices.into_iter().map(|device| device.device_id);
    let lost: Vec<String> = ids.filter(|id| id.starts_with(&begins)).collect();
    if !lost.is_empty() {
        let user_id = user_id.to_owned().into();
        operator.send(devices::delete::Request { user_id, devices: lost }).await?;
    }
    Ok(())
}

/// A name that no device had: what others know of one that is gone would be wrong for the next.
fn new_id(user: &UserId) -> String {
    let letters: [u8; 4] = rand::random();
    let letters = data_encoding::BASE32_NOPAD.encode(&letters);
    format!("{}_{letters}", super::session::device(user))
}

async fn only(client: &Client, data: &DataDir) -> Result<Lock, Error> {
    files::private_folder(&data.run())?;
    let until = (Instant::now() + client.left()).into();
    let path = data.run().join("keys.lock");
    Ok(Lock::acquire(&path, "a device for encryption", until, &mut |_| ()).await?)
}

/// Has another device made in the place of one: whoever asks next does so.
fn forget(data: &DataDir, user: &UserId, device: &Session) -> Result<(), Error> {
    let path = file(data, user);
    // Somebody else may have done it already.
    if session(&path)?.is_some_and(|kept| kept.device_id == device.device_id) {
        files::remove(&path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ruma::room_id;

    use super::*;

    #[test]
    fn a_warning_names_some_of_those_who_cannot_read() {
        let device = |n: usize| (format!("@u{n}:x"), format!("D{n}"), "m.unverified".to_owned());
        let of = |n| without_keys(room_id!("!r:x"), &(0..n).map(device).collect::<Vec<_>>());
        let said = of(1);
        assert!(said.contains("in !r:x now: D0 of @u0:x (it is not trusted); `content"), "{said}");
        assert!(of(7).contains("D4 of @u4:x (it is not trusted) and 2 more"), "{}", of(7));
    }
}
