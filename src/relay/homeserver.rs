//! The homeserver as the relay speaks with it: as one application service, for each user of the application.

use std::time::Duration;

use http::Method;
use ruma::{EventId, OwnedUserId, RoomId, UserId};
use serde_json::json;

use super::Error;
use crate::{
    bridges::Registration,
    config::Config,
    matrix::{self, api, client::Client, segment::escaped, session::Session},
};

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The device of each user, for which the homeserver keeps transaction ids for a day.
const DEVICE: &str = "RELAY";

#[derive(Clone)]
pub(super) struct Homeserver {
    bare: Client,
    service: OwnedUserId,
}

impl Homeserver {
    pub(super) fn of(config: &Config, registration: &Registration) -> Result<Self, Error> {
        let server = config.server.name.0.clone();
        let service = UserId::parse(registration.user(server.as_str()));
        let service = service.map_err(|_| matrix::Error::lacks("the relay", "service user"))?;
        let session = Session {
            url: config.homeserver_of_relay(),
            server_name: server,
            user_id: service.clone(),
            device_id: String::new(),
            access_token: registration.as_token.clone(),
            dendrite: false,
        };
        Ok(Self { bare: Client::new(session, None, PATIENCE)?, service })
    }

    pub(super) fn service(&self) -> &UserId {
        &self.service
    }

    /// Whom it acts as, with the device that makes a repeat harmless.
    pub(super) fn user(&self, user: &UserId) -> Client {
        self.bare.as_ghost(user.to_owned(), Some(DEVICE))
    }

    /// Takes an alias of ours away from its room; it may have none.
    pub(super) async fn free_alias(&self, alias: &str) -> Result<(), matrix::Error> {
        let path = format!("/_matrix/client/v3/directory/room/{}", escaped(alias));
        match self.user(&self.service).raw(Method::DELETE, &path, None).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    /// Tells how far they have read.
    pub(super) async fn has_read(
        &self,
        user: &UserId,
        room: &RoomId,
        event: &EventId,
    ) -> Result<(), matrix::Error> {
        let (room, event) = (escaped(room.as_str()), escaped(event.as_str()));
        let path = format!("/_matrix/client/v3/rooms/{room}/receipt/m.read/{event}");
        // The second says what is known already.
        self.user(user).raw(Method::POST, &path, Some(&json!({}))).await.map(drop)
    }

    /// Makes the account and its device where they are not, and says what it is called.
    pub(super) async fn provision(
        &self,
        user: &UserId,
        name: Option<&str>,
    ) -> Result<(), matrix::Error> {
        let body = json!({
            "type": "m.login.application_service",
            "username": user.localpart(),
            "inhibit_login": true,
        });
        let path = "/_matrix/client/v3/register";
        match self.bare.afresh().raw(Method::POST, path, Some(&body)).await {
            Err(error) if !error.is("M_USER_IN_USE") => return Err(error),
            _ => {}
        }
        let path = format!("/_matrix/client/v3/devices/{DEVICE}");
        let ghost = self.bare.as_ghost(user.to_owned(), None);
        ghost.raw(Method::PUT, &path, Some(&json!({ "display_name": "relay" }))).await?;
        match name {
            Some(name) => self.profile(user, "displayname", name).await,
            None => Ok(()),
        }
    }

    /// Says what they are called or look like: `displayname` or `avatar_url`.
    pub(super) async fn profile(
        &self,
        user: &UserId,
        what: &str,
        value: &str,
    ) -> Result<(), matrix::Error> {
        let path = format!("/_matrix/client/v3/profile/{}/{what}", escaped(user.as_str()));
        let ghost = self.bare.as_ghost(user.to_owned(), None);
        ghost.raw(Method::PUT, &path, Some(&json!({ what: value }))).await.map(drop)
    }

    /// Says whether they are there. The homeserver has to know the account.
    pub(super) async fn is_present(
        &self,
        user: &UserId,
        presence: &str,
        status: Option<&str>,
    ) -> Result<(), matrix::Error> {
        let request = api::presence::set::Request {
            user_id: user.to_owned().into(),
            presence: presence.to_owned(),
            status_msg: status.map(str::to_owned),
        };
        let say = async || self.user(user).send(request.clone()).await;
        let said = match say().await {
            // It has not said anything yet.
            Err(error) if error.is("M_FORBIDDEN") => {
                self.provision(user, None).await?;
                say().await
            }
            said => said,
        };
        said.map(drop)
    }
}
