//! The account this program acts with, and the sessions of others.

use std::time::Duration;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use ruma::{OwnedServerName, OwnedUserId};
use sha1::Sha1;

use super::{
    Error, admin, api,
    client::{self, Client},
    running,
    session::{self, OPERATOR_DEVICE, Session},
};
use crate::{data_dir::DataDir, secret::Secret};

/// Makes sure that the operator exists, is a server admin without rate limits, and has a session in
/// `secrets/operator.json`; true if that session had to be made or renewed. The server must be up.
/// Running it again costs one request.
///
/// `registration` is Synapse's registration shared secret; it is needed only for the first account.
pub(crate) async fn ensure(
    data: &DataDir,
    url: &str,
    server_name: &OwnedServerName,
    localpart: &str,
    registration: &Secret,
    timeout: Duration,
) -> Result<bool, Error> {
    let user_id = OwnedUserId::try_from(format!("@{localpart}:{server_name}"))
        .map_err(|_| Error::NoUser(localpart.to_owned()))?;
    running::require(data, url)?;
    let file = session::operator_file(data);
    let wanted = Session {
        url: url.trim_end_matches('/').to_owned(),
        server_name: server_name.clone(),
        user_id: user_id.clone(),
        device_id: OPERATOR_DEVICE.to_owned(),
        access_token: Secret::new(""),
    };
    let kept = Session::load(&file).unwrap_or(None).filter(|kept| kept.user_id == user_id);
    if let Some(kept) = kept {
        let same = kept.url == wanted.url;
        let session = Session { url: wanted.url.clone(), ..kept };
        if !same {
            session.save(&file)?;
        }
        // One that renews its session would make the account in another database, as no admin.
        let client = Client::new(session, None, timeout)?;
        match unlimited(&client).await {
            Ok(()) => return Ok(false),
            // Another database below an old session: start over.
            Err(Error::Refused { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let password = Secret::read_or_generate(&data.secret("operator_password"), &mut rand::rng())?;
    match register(&wanted, &password, registration, timeout).await {
        Err(error) if !error.is("M_USER_IN_USE") => return Err(error),
        _ => {}
    }
    let session = client::login(data, wanted, timeout).await?;
    let client = Client::new(session, Some((data.clone(), file.clone())), timeout)?;
    unlimited(&client).await.map_err(|error| match error {
        error if error.is("M_FORBIDDEN") => Error::NotAdmin(user_id.to_string()),
        error => error,
    })?;
    client.session().save(&file)?;
    Ok(true)
}

/// Takes the rate limits off the client's own account: 0/0 switches every limiter off that knows
/// who asks.
async fn unlimited(client: &Client) -> Result<(), Error> {
    let user_id = client.user_id().to_owned();
    client.send(admin::users::override_ratelimit::Request::unlimited(user_id)).await.map(drop)
}

/// Registers an admin with the shared secret ([docs]).
///
/// [docs]: https://element-hq.github.io/synapse/latest/admin_api/register_api.html
async fn register(
    wanted: &Session,
    password: &Secret,
    registration: &Secret,
    timeout: Duration,
) -> Result<(), Error> {
    let client = Client::new(wanted.clone(), None, timeout)?;
    let nonce = client.send(admin::register::nonce::Request {}).await?.nonce;
    let localpart = wanted.user_id.localpart();
    let mut mac = <Hmac<Sha1>>::new_from_slice(registration.expose().as_bytes())
        .map_err(|source| Error::Request("register", source.into()))?;
    mac.update([&nonce, localpart, password.expose(), "admin"].join("\0").as_bytes());
    let mac = HEXLOWER.encode(&mac.finalize().into_bytes());
    let request = admin::register::create::Request {
        nonce,
        username: localpart.to_owned(),
        password: password.expose().to_owned(),
        admin: true,
        mac,
    };
    // What comes with it is a session on a device of Synapse's choice; ours is fixed.
    let token = Secret::new(client.send(request).await?.access_token);
    let client = Client::new(Session { access_token: token, ..wanted.clone() }, None, timeout)?;
    client.send(api::logout::Request {}).await.map(drop)
}

/// A client that acts as another user of this server. The user must exist: logging in by key would
/// make it.
pub(crate) async fn act_as(
    data: &DataDir,
    operator: &Client,
    user: &OwnedUserId,
    timeout: Duration,
) -> Result<Client, Error> {
    if user == operator.user_id() {
        return client::operator(data, timeout);
    }
    let file = session::file(data, user);
    if Session::load(&file).unwrap_or(None).is_none_or(|kept| kept.url != operator.url()) {
        let found =
            operator.send(admin::users::get::Request { user_id: user.clone().into() }).await;
        found.map_err(|error| {
            if error.is_not_found() { Error::NoUser(user.to_string()) } else { error }
        })?;
        let (user_id, device_id) = (user.clone(), session::device(user));
        let wanted = Session { user_id, device_id, ..operator.session() };
        client::login(data, wanted, timeout).await?.save(&file)?;
    }
    client::open(data, file, user.as_str(), timeout)
}
