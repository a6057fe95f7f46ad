//! The address of a file.

use std::str::FromStr;

use ruma::{MxcUri, ServerName};

use crate::{
    error::Failure,
    matrix::{
        Error,
        admin::media::get::{Info, Request},
        client::Client,
    },
    reply::Stop,
};

/// `mxc://SERVER/ID`.
#[derive(Clone, Debug)]
pub(crate) struct Mxc {
    pub(crate) server: String,
    pub(crate) id: String,
}

impl FromStr for Mxc {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (server, id) = <&MxcUri>::from(text)
            .parts()
            .map_err(|_| "must be the address of a file: `mxc://SERVER/ID`".to_owned())?;
        Ok(Self { server: server.to_string(), id: id.to_owned() })
    }
}

impl std::fmt::Display for Mxc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "mxc://{}/{}", self.server, self.id)
    }
}

impl Mxc {
    /// What the server knows of the file.
    pub(super) async fn info(&self, operator: &Client) -> Result<Info, Stop> {
        let request =
            Request { server_name: self.server.clone().into(), media_id: self.id.clone().into() };
        match operator.send(request).await {
            Ok(found) => Ok(found.media_info),
            Err(error @ Error::Refused { .. }) if error.is_not_found() => {
                Err(Stop::absent("file", "url", self.to_string()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// For what a server does only with files that were uploaded to it.
    pub(super) fn require_own(&self, server: &ServerName) -> Result<(), Failure> {
        if self.server == server.as_str() {
            return Ok(());
        }
        Err(Failure::request(format!("`{self}` is a file of another server than `{server}`"))
            .hinted("`content purge-remote-media` deletes copies of files of other servers"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_server_and_an_id() {
        let mxc: Mxc = "mxc://x.org:8448/abc".parse().unwrap();
        assert_eq!((mxc.server.as_str(), mxc.id.as_str()), ("x.org:8448", "abc"));
        assert_eq!(mxc.to_string(), "mxc://x.org:8448/abc");
        for wrong in ["abc", "mxc://x.org", "https://x.org/abc", "mxc://x.org/a/b", "mxc:///a"] {
            wrong.parse::<Mxc>().unwrap_err();
        }
    }
}
