//! Logins through a provider that people have an account with already (OpenID Connect).

use super::database::Password;
use crate::config::{
    Config,
    values::{
        setting::section,
        shape::{HttpUrl, Shape, words},
    },
};

words! {
    /// What is known of the provider.
    Kind {
        /// Nothing: it keeps to the standard.
        Generic = "generic",
        /// It tells Synapse when somebody has logged out.
        Keycloak = "keycloak",
    }
}

/// The name of a provider in addresses and in Synapse's database.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub(crate) struct Id(pub(crate) String);

impl Shape for Id {
    fn read(value: &serde_json::Value) -> Result<Self, String> {
        let text = String::read(value)?;
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._~".contains(c);
        if text.is_empty() || text.len() > 100 || !text.chars().all(allowed) {
            return Err("must be made of a-z, 0-9 and - . _ ~".into());
        }
        Ok(Self(text))
    }

    fn schema() -> serde_json::Value {
        serde_json::json!({ "type": "string", "pattern": "^[a-z0-9._~-]{1,100}$" })
    }
}

section! {
    /// Logins through a provider that people have an account with already (OpenID Connect).
    Oidc "oidc" {
        /// The address of the provider as it calls itself (its issuer); people can log in through it where this is set. For Keycloak `https://HOST/realms/REALM`.
        issuer: Option<HttpUrl> = "" ["MATRIX_SYNAPSE_OIDC_ISSUER"];
        /// `keycloak`, or `generic` for any other one.
        provider: Kind = "generic" ["MATRIX_SYNAPSE_OIDC_PROVIDER"];
        /// The name of this homeserver at the provider, which sends people back to `/_synapse/client/oidc/callback` of `server.public_url`.
        client_id: String = "synapse" ["MATRIX_SYNAPSE_OIDC_CLIENT_ID"];
        /// The secret that goes with it.
        #[secret] client_secret: Option<Password> = "" ["MATRIX_SYNAPSE_OIDC_CLIENT_SECRET"];
        /// What the provider is called on the login page.
        name: String = "Single sign-on" ["MATRIX_SYNAPSE_OIDC_NAME"];
        /// What it is called in addresses and in the database; it must not change once somebody has logged in.
        id: Id = "oidc" ["MATRIX_SYNAPSE_OIDC_ID"];
        /// What the provider is asked about people.
        scopes: Vec<String> = "openid profile" ["MATRIX_SYNAPSE_OIDC_SCOPES"];
        /// What becomes the part of a user id before the colon: a template of what the provider says. What does not fit there is written differently, and a name that is taken gets a number.
        localpart: String = "{{ user.preferred_username }}" ["MATRIX_SYNAPSE_OIDC_LOCALPART"];
        /// What becomes the display name, likewise.
        display_name: String = "{{ user.name }}" ["MATRIX_SYNAPSE_OIDC_DISPLAY_NAME"];
        /// Make an account for who has none yet.
        register: bool = "true" ["MATRIX_SYNAPSE_OIDC_REGISTER"];
        /// Let people into the account that already has their name. Only where the provider's names are the homeserver's.
        existing_users: bool = "false" ["MATRIX_SYNAPSE_OIDC_EXISTING_USERS"];
        /// Let people log in with a password; without it only through the provider. This program does not need one.
        passwords: bool = "true" ["MATRIX_SYNAPSE_PASSWORD_LOGIN"];
    }
}

impl Config {
    /// Where the provider sends people back to.
    pub(crate) fn oidc_callback(&self) -> String {
        format!("{}/_synapse/client/oidc/callback", self.public_url().trim_end_matches('/'))
    }
}
