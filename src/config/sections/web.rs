//! The client for browsers that the proxy serves.

use std::{fmt, path::PathBuf};

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::stack::Part;
use crate::config::{
    Config,
    values::{
        setting::section,
        shape::{HttpUrl, Shape},
    },
};

section! {
    /// The client for browsers that the proxy serves.
    Web "web" {
        /// Web client to serve: `hydrogen`, which `manage install` builds; the folder of another built client, such as Element Web; or the URL of one that is served elsewhere. Empty: none.
        client: Option<Client> = "" ["MATRIX_SYNAPSE_WEB_CLIENT"];
        /// JSON file with settings of the web client; they override those that this program writes to its `config.json`.
        config: Option<PathBuf> = "" ["MATRIX_SYNAPSE_WEB_CONFIG"];
    }
}

/// Where the client comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    /// Made by us of npm's packages.
    Hydrogen,
    /// The operator's, ready to be served.
    Folder(PathBuf),
    /// Served by somebody else.
    Hosted(HttpUrl),
}

const HYDROGEN: &str = "hydrogen";

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hydrogen => f.write_str(HYDROGEN),
            Self::Folder(path) => path.display().fmt(f),
            Self::Hosted(url) => f.write_str(&url.0),
        }
    }
}

impl Serialize for Client {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Shape for Client {
    fn read(value: &Value) -> Result<Self, String> {
        if value == HYDROGEN {
            return Ok(Self::Hydrogen);
        }
        let folder = PathBuf::read(value).map(Self::Folder);
        folder.or_else(|_| HttpUrl::read(value).map(Self::Hosted)).map_err(|_| {
            "must be `hydrogen`, the absolute path of a folder, or an address such as `https://app.example.org`"
                .into()
        })
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^(hydrogen|/.*|https?://[^\\s\"'$\\\\`;{}<>?#@]+)$" })
    }
}

impl Config {
    /// The client that the proxy of this profile serves from a folder.
    pub(crate) fn served_client(&self) -> Option<&Client> {
        let client = self.web.client.as_ref().filter(|_| self.has(Part::Proxy));
        client.filter(|client| !matches!(client, Client::Hosted(_)))
    }

    /// Where a browser finds the client.
    pub(crate) fn web_url(&self) -> Option<String> {
        match self.web.client.as_ref()? {
            Client::Hosted(url) => Some(format!("{}/", url.0)),
            _ => self.served_client().map(|_| format!("{}/", self.public_url())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::sources::environment::Environment, data_dir::DataDir};

    fn load(flags: &[&str]) -> Result<Config, crate::config::Error> {
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        Config::load(DataDir::new("/nowhere".into()), &flags, &Environment::default())
    }

    #[test]
    fn a_client_is_built_or_in_a_folder_or_elsewhere() {
        let url = |client: &str, profile: &str| {
            let client = format!("web.client={client}");
            load(&[&client, &format!("stack.profile={profile}")]).unwrap().web_url()
        };
        assert_eq!(url("", "isms"), None);
        for client in ["hydrogen", "/srv/element"] {
            assert_eq!(url(client, "isms").unwrap(), "http://127.0.0.1:8480/");
            assert_eq!(url(client, "core"), None);
        }
        let elsewhere = url("https://app.example.org/", "core").unwrap();
        assert_eq!(elsewhere, "https://app.example.org/");
        for wrong in ["element", "srv/element", "ftp://a.example", "https://a.example/';}"] {
            let error = load(&[&format!("web.client={wrong}")]).unwrap_err().to_string();
            assert!(error.contains("must be `hydrogen`, the absolute path of a folder"), "{error}");
        }
    }
}
