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
            return Err("may only contain a-z, 0-9 and - . _ ~".into());
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
        /// Issuer URL of the OpenID provider; if set, people can log in through it. For Keycloak `https://HOST/realms/REALM`.
        issuer: Option<HttpUrl> = "" ["MATRIX_SYNAPSE_OIDC_ISSUER"];
        /// `keycloak`, or `generic` for any other provider.
        provider: Kind = "generic" ["MATRIX_SYNAPSE_OIDC_PROVIDER"];
        /// Client id of this homeserver at the provider, whose redirect URI is `/_synapse/client/oidc/callback` below `server.public_url`.
        client_id: String = "synapse" ["MATRIX_SYNAPSE_OIDC_CLIENT_ID"];
        /// Client secret at the provider.
        #[secret] client_secret: Option<Password> = "" ["MATRIX_SYNAPSE_OIDC_CLIENT_SECRET"];
        /// Name of the provider on the login page.
        name: String = "Single sign-on" ["MATRIX_SYNAPSE_OIDC_NAME"];
        /// Name of the provider in URLs and in the database; it must not change once somebody has logged in.
        id: Id = "oidc" ["MATRIX_SYNAPSE_OIDC_ID"];
        /// Scopes requested from the provider.
        scopes: Vec<String> = "openid profile" ["MATRIX_SYNAPSE_OIDC_SCOPES"];
        /// Template for the localpart of a user id, made from the provider's claims. Characters that are not allowed are escaped, and a name that is taken gets a number.
        localpart: String = "{{ user.preferred_username }}" ["MATRIX_SYNAPSE_OIDC_LOCALPART"];
        /// Template for the display name, made from the provider's claims.
        display_name: String = "{{ user.name }}" ["MATRIX_SYNAPSE_OIDC_DISPLAY_NAME"];
        /// Create an account at the first login.
        register: bool = "true" ["MATRIX_SYNAPSE_OIDC_REGISTER"];
        /// Let people into the existing account of the same name. Only if names at the provider and on the homeserver mean the same people.
        existing_users: bool = "false" ["MATRIX_SYNAPSE_OIDC_EXISTING_USERS"];
        /// Allow logins with a password; otherwise only through the provider. This program does not need one.
        passwords: bool = "true" ["MATRIX_SYNAPSE_PASSWORD_LOGIN"];
    }
}

impl Config {
    /// Where the provider sends people back to.
    pub(crate) fn oidc_callback(&self) -> String {
        format!("{}/_synapse/client/oidc/callback", self.public_url().trim_end_matches('/'))
    }
}
