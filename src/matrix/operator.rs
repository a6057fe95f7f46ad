//! The account this program acts with, and the sessions of others.

use std::time::Duration;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use ruma::OwnedUserId;
use sha1::Sha1;

use super::{
    Error, admin, api,
    client::{self, Client},
    running,
    session::{self, OPERATOR_DEVICE, Session},
};
use crate::{config::Config, data_dir::DataDir, secret::Secret, synapse::keys};

/// Makes sure that the operator exists, is a server admin without rate limits, and has a session in
/// `secrets/operator.json`; true if that session had to be made or renewed. The server must be up.
/// Running it again costs one request.
///
/// `registration` is the server's registration shared secret; it is needed only for the first account.
pub(crate) async fn ensure(
    config: &Config,
    url: &str,
    registration: &Secret,
    timeout: Duration,
) -> Result<bool, Error> {
    let data = &config.data;
    let (server_name, localpart) = (&config.server.name.0, &config.server.operator.0);
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
        dendrite: config.is_dendrite(),
    };
    let kept = Session::load(&file).unwrap_or(None).filter(|kept| kept.user_id == user_id);
    let kept = kept.filter(|kept| kept.dendrite == wanted.dendrite);
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
    match register(&wanted, &password, true, registration, timeout).await {
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
    if client.is_dendrite() {
        // It limits no admin.
        return require_admin(client).await;
    }
    let user_id = client.user_id().to_owned();
    client.send(admin::users::override_ratelimit::Request::unlimited(user_id)).await.map(drop)
}

/// Refuses an account that is no server admin.
pub(crate) async fn require_admin(client: &Client) -> Result<(), Error> {
    let user_id = client.user_id().to_owned();
    let is_admin = if client.is_dendrite() {
        match client.send(api::admin_of_dendrite::Request {}).await {
            Ok(_) => true,
            Err(error) if error.is("M_FORBIDDEN") => false,
            Err(error) => return Err(error),
        }
    } else {
        client
            .send(admin::users::get::Request { user_id: user_id.clone().into() })
            .await?
            .user
            .admin
    };
    if is_admin { Ok(()) } else { Err(Error::NotAdmin(user_id.into())) }
}

/// Makes an account at a Dendrite, with the registration shared secret; its display name is its localpart.
pub(crate) async fn add(
    operator: &Client,
    user_id: OwnedUserId,
    password: &Secret,
    is_admin: bool,
) -> Result<(), Error> {
    let Some(data) = operator.data() else { return Err(Error::NoSession(user_id.into())) };
    let registration = match Secret::read(&keys::registration(data)) {
        Err(error) if error.is_not_found() => return Err(Error::NoRegistration),
        secret => secret?,
    };
    let wanted = Session { user_id, access_token: Secret::new(""), ..operator.session() };
    register(&wanted, password, is_admin, &registration, operator.left()).await
}

/// Gives a user of this server another display name: at a Dendrite only they themselves can.
pub(crate) async fn rename(
    operator: &Client,
    user_id: &OwnedUserId,
    name: &str,
) -> Result<(), Error> {
    if !operator.is_dendrite() {
        return operator.send(admin::users::put::Request::named(user_id, name)).await.map(drop);
    }
    let client = user(operator, user_id).await?;
    let displayname = name.to_owned();
    let request = api::set_display_name::Request { user_id: user_id.clone().into(), displayname };
    client.send(request).await.map(drop)
}

/// Registers an account with the shared secret ([docs]).
///
/// [docs]: https://element-hq.github.io/synapse/latest/admin_api/register_api.html
async fn register(
    wanted: &Session,
    password: &Secret,
    is_admin: bool,
    registration: &Secret,
    timeout: Duration,
) -> Result<(), Error> {
    let client = Client::new(wanted.clone(), None, timeout)?;
    let nonce = client.send(admin::register::nonce::Request {}).await?.nonce;
    let localpart = wanted.user_id.localpart();
    let mut mac = <Hmac<Sha1>>::new_from_slice(registration.expose().as_bytes())
        .map_err(|source| Error::Request("register", source.into()))?;
    let power = if is_admin { "admin" } else { "notadmin" };
    mac.update([nonce.as_str(), localpart, password.expose(), power].join("\0").as_bytes());
    let mac = HEXLOWER.encode(&mac.finalize().into_bytes());
    let request = admin::register::create::Request {
        nonce,
        username: localpart.to_owned(),
        password: password.expose().to_owned(),
        admin: is_admin,
        mac,
    };
    // What comes with it is a session on a device of Synapse's choice; ours is fixed.
    let made = client.send(request).await.map_err(|error| {
        let is_mac = matches!(&error, Error::Refused { message, .. } if message == "bad mac");
        if is_mac { Error::OtherSecret } else { error }
    })?;
    let token = Secret::new(made.access_token);
    let client = Client::new(Session { access_token: token, ..wanted.clone() }, None, timeout)?;
    client.send(api::logout::Request {}).await.map(drop)
}

/// A client as [`act_as`] makes it, in the time that the operator's has left and from its data folder.
pub(super) async fn user(operator: &Client, user: &OwnedUserId) -> Result<Client, Error> {
    let Some(data) = operator.data() else { return Err(Error::NoSession(user.to_string())) };
    act_as(data, operator, user, operator.left()).await
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
