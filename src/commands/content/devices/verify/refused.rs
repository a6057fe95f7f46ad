//! Why somebody was not verified, and what to type next.

use ruma::UserId;

use super::shown::grouped;
use crate::{
    commands::content::arguments::transaction::quoted,
    crypto::Signed,
    error::Failure,
    matrix::{Error, client::Client},
};

pub(super) fn refused(
    outcome: &Signed,
    client: &Client,
    user: &UserId,
    device: Option<&str>,
) -> Failure {
    let name = quoted(user.as_str());
    let acting = quoted(client.user_id().as_str());
    match outcome {
        Signed::Differs(key) => {
            let what = device.map_or_else(
                || format!("the identity of {user}"),
                |device| format!("the device {device} of {user}"),
            );
            Failure::request(format!("{what} has another fingerprint: {}", grouped(key))).hinted(
                "nothing was changed: ask them for it over another way, as somebody may stand between you",
            )
        }
        Signed::NoIdentity => {
            Failure::request(format!("{user} has no identity that could be verified")).hinted(format!(
                "programs make one when recovery is set up; `content verify {name} DEVICE --fingerprint KEY` trusts one device"
            ))
        }
        Signed::NoDevice => {
            let device = device.unwrap_or_default();
            Failure::request(format!("{user} has no device `{device}` with keys"))
                .hinted(format!("`content verify {name}` shows those there are"))
        }
        Signed::NoFingerprint => {
            Failure::request(format!("nothing is kept here that {user} could be known by")).hinted(
                format!("`content verify {name} --fingerprint KEY` compares what they have told you"),
            )
        }
        Signed::NoSecret => {
            let own = client.user_id();
            Failure::request(format!("{own} cannot sign: its identity was made by another program"))
                .hinted(format!(
                    "`content verify --emoji --as {acting}` asks that program, which hands the keys on at the latest when it has said something in an encrypted room"
                ))
        }
        Signed::Now | Signed::Before => Failure::request("it was verified"),
    }
}

/// An answer to something else.
pub(super) fn unclear(client: &Client) -> Failure {
    let user = client.user_id().to_string();
    Error::Trust { user, why: "the service `crypto` answered something else".to_owned() }.into()
}
