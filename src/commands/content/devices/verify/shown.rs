//! How far somebody is trusted, for people and machines.

use std::fmt::{self, Write as _};

use ruma::UserId;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    crypto::{Trust, Trusted},
    matrix::client::Client,
    output::{self, Report},
    reply::Stop,
};

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Shown {
    user_id: String,
    /// Whose trust it is.
    by: String,
    /// The public key of the user's identity; null where there is none.
    identity: Option<String>,
    /// Whether that identity is verified.
    verified: bool,
    /// Whether another one was verified before.
    identity_changed: bool,
    devices: Vec<Device>,
    #[serde(skip)]
    sentence: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Device {
    device_id: String,
    display_name: Option<String>,
    /// Its public ed25519 key.
    fingerprint: Option<String>,
    /// Whether its owner has signed it.
    signed: bool,
    /// Whether it is trusted: it is signed and its owner is verified, or it was verified itself.
    verified: bool,
    /// Whether it gets the keys of what is sent, as `encryption.share_with` says.
    gets_keys: bool,
}

impl From<Trusted> for Device {
    fn from(it: Trusted) -> Self {
        Self {
            device_id: it.device_id,
            display_name: it.name,
            fingerprint: it.ed25519,
            signed: it.signed,
            verified: it.verified,
            gets_keys: it.keys,
        }
    }
}

impl Shown {
    pub(super) fn of(client: &Client, user: &UserId, trust: Trust) -> Self {
        Self {
            user_id: user.to_string(),
            by: client.user_id().to_string(),
            identity: trust.identity,
            verified: trust.verified,
            identity_changed: trust.changed,
            devices: trust.devices.into_iter().map(Device::from).collect(),
            sentence: None,
        }
    }

    /// What a comparison has led to.
    pub(super) fn verified(
        client: &Client,
        user: &UserId,
        trust: Trust,
        device: Option<String>,
    ) -> Self {
        let can_sign = trust.can_sign;
        let mut it = Self::of(client, user, trust);
        let is_own = user == client.user_id();
        it.sentence = Some(match device {
            _ if it.verified && !is_own => format!("{user} is verified"),
            Some(device) => format!("the device {device} of {user} is verified"),
            None if is_own => format!("the devices of {user} know each other"),
            None if can_sign => format!("what was compared of {user} is verified"),
            None => {
                let own = client.user_id();
                format!("the device that was compared is verified, but {own} cannot sign {user}")
            }
        });
        it
    }

    pub(super) fn forgotten(client: &Client, user: &UserId, trust: Trust, was: bool) -> Self {
        let said = if was {
            format!("{user} counts as never verified now")
        } else {
            format!("the identity of {user} did not change since it was verified")
        };
        Self { sentence: Some(said), ..Self::of(client, user, trust) }
    }

    /// Of one device alone, where one was named.
    pub(super) fn only(mut self, device: Option<&str>) -> Result<Self, Stop> {
        if let Some(device) = device {
            self.devices.retain(|it| it.device_id == device);
            if self.devices.is_empty() {
                return Err(Stop::absent("device", "device_id", device));
            }
        }
        Ok(self)
    }

    fn is_verified(&self) -> &'static str {
        match self {
            Self { identity_changed: true, .. } => "no: another identity was, before it changed",
            Self { verified: true, .. } => "yes",
            Self { identity: None, .. } => "no: there is no identity",
            Self { .. } => "no",
        }
    }
}

/// As programs show a fingerprint.
pub(super) fn grouped(key: &str) -> String {
    let letters: Vec<char> = key.chars().collect();
    letters.chunks(4).map(String::from_iter).collect::<Vec<_>>().join(" ")
}

fn yes(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}

impl Report for Shown {
    fn text(&self, page: &mut String) -> fmt::Result {
        if let Some(sentence) = &self.sentence {
            return page.write_str(sentence);
        }
        let identity = self.identity.as_deref().map_or_else(|| "none".to_owned(), grouped);
        let rows = [
            ("User", self.user_id.clone()),
            ("Identity", identity),
            ("Verified", format!("{} (by {})", self.is_verified(), self.by)),
        ];
        output::fields(page, &rows)?;
        if self.devices.is_empty() {
            return page.write_str("\nno device with keys\n");
        }
        page.push('\n');
        let cells = |it: &Device| {
            vec![
                it.device_id.clone(),
                it.display_name.clone().unwrap_or_default(),
                yes(it.signed),
                yes(it.verified),
                yes(it.gets_keys),
                it.fingerprint.as_deref().map(grouped).unwrap_or_default(),
            ]
        };
        let heading = ["DEVICE", "NAME", "SIGNED", "VERIFIED", "GETS KEYS", "FINGERPRINT"];
        output::table(page, &heading, self.devices.iter().map(cells).collect())
    }

    fn id(&self) -> Option<&str> {
        self.sentence.as_ref().map(|_| self.user_id.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_in_groups_and_a_changed_identity_is_said() {
        assert_eq!(grouped("abcdefghij"), "abcd efgh ij");
        let shown = Shown {
            user_id: "@a:x".into(),
            by: "@op:x".into(),
            identity: Some("abcdefgh".into()),
            verified: false,
            identity_changed: true,
            devices: vec![Device {
                device_id: "D".into(),
                display_name: None,
                fingerprint: Some("12345678".into()),
                signed: true,
                verified: false,
                gets_keys: false,
            }],
            sentence: None,
        };
        let mut page = String::new();
        shown.text(&mut page).unwrap();
        for part in ["abcd efgh", "no: another identity was", "(by @op:x)", "1234 5678"] {
            assert!(page.contains(part), "{page}");
        }
    }
}
