//! The sessions this program acts with: one JSON file a user, mode 0600. A short command reads this
//! file and nothing else.

use std::path::{Path, PathBuf};

use ruma::{OwnedServerName, OwnedUserId, UserId};
use serde::Deserialize;

use super::Error;
use crate::{data_dir::DataDir, files, secret::Secret, synapse::sealing::DEVICES};

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Session {
    /// Where the server is, without a slash at its end.
    pub(crate) url: String,
    pub(crate) server_name: OwnedServerName,
    pub(crate) user_id: OwnedUserId,
    pub(crate) device_id: String,
    pub(crate) access_token: Secret,
    /// Whether the server is Dendrite, which is asked in other words.
    #[serde(default)]
    pub(crate) dendrite: bool,
}

impl Session {
    pub(crate) fn load(path: &Path) -> Result<Option<Self>, Error> {
        let damaged = |source| Error::SessionFile(path.display().to_string(), source);
        let text = match files::read_if_exists(path) {
            Ok(None) => return Ok(None),
            Ok(Some(text)) => text,
            Err(
                error @ (files::Error::NotText(_)
                | files::Error::NotAFile(_)
                | files::Error::TooLarge { .. }),
            ) => return Err(damaged(error.into())),
            Err(error) => return Err(error.into()),
        };
        let session: Self =
            serde_json::from_str(&text).map_err(|source| damaged(without_text(&source).into()))?;
        match session.flaw() {
            Some(flaw) => Err(damaged(flaw.into())),
            None => Ok(Some(session)),
        }
    }

    /// What no request could be made with.
    fn flaw(&self) -> Option<&'static str> {
        let token = self.access_token.expose();
        let address = reqwest::Url::parse(&self.url)
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        // Requests are made of the text itself, not of what a lenient parser makes of it.
        if !address || self.url.parse::<http::Uri>().is_err() || self.url.ends_with('/') {
            Some("its `url` is not an address")
        } else if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            Some("its `access_token` is not a token")
        } else {
            None
        }
    }

    /// How clients list the device: that which has an account's keys is told from that which acts for it.
    pub(crate) fn device_name(&self) -> &'static str {
        if self.device_id == device(&self.user_id) || self.device_id == OPERATOR_DEVICE {
            "resource-matrix-synapse"
        } else {
            "resource-matrix-synapse, encrypted rooms"
        }
    }

    pub(crate) fn save(&self, path: &Path) -> Result<(), Error> {
        let document = serde_json::json!({
            "url": self.url,
            "server_name": self.server_name,
            "user_id": self.user_id,
            "device_id": self.device_id,
            "access_token": self.access_token.expose(),
            "dendrite": self.dendrite,
        });
        if let Some(folder) = path.parent() {
            files::private_folder(folder)?;
        }
        Ok(files::write_atomically(path, document.to_string().as_bytes(), files::PRIVATE)?)
    }
}

/// Where and how the JSON is wrong, without a word of what it holds.
fn without_text(error: &serde_json::Error) -> String {
    let how = if error.is_eof() { "it ends too early" } else { "it is not the JSON of a session" };
    format!("{how} (line {}, column {})", error.line(), error.column())
}

/// The operator's session.
pub(crate) fn operator_file(data: &DataDir) -> PathBuf {
    data.secret("operator.json")
}

/// The session of another user.
pub(crate) fn file(data: &DataDir, user: &UserId) -> PathBuf {
    data.sessions().join(format!("{}.json", file_name(user)))
}

/// The localpart as the name of a file: it may hold `/`; nothing else in it means anything to a file system.
pub(crate) fn file_name(user: &UserId) -> String {
    user.localpart().replace('/', "%2F")
}

/// Whom this program acts as beside the operator.
pub(crate) fn others(data: &DataDir) -> Vec<OwnedUserId> {
    let entries = std::fs::read_dir(data.sessions()).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some(Session::load(&entry.path()).ok()??.user_id)).collect()
}

/// The fixed device: transaction ids are kept for a device, and survive a renewed token only with it.
pub(crate) fn device(user: &UserId) -> String {
    format!("{DEVICES}{}", user.localpart().to_uppercase())
}

/// The operator's device.
pub(crate) const OPERATOR_DEVICE: &str = "RMS_OPERATOR";

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_homeserver_knows_all_devices_by_how_their_ids_begin() {
        assert!(OPERATOR_DEVICE.starts_with(DEVICES));
        assert_eq!(device(&UserId::parse("@bot:x.org").unwrap()), "RMS_BOT");
    }

    #[test]
    fn a_session_comes_back_from_a_private_file() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().to_owned());
        let user = UserId::parse("@a/b:x.org").unwrap();
        let path = file(&data, &user);
        assert!(path.ends_with("secrets/sessions/a%2Fb.json"));
        assert!(Session::load(&path).unwrap().is_none());
        let session = Session {
            url: "http://127.0.0.1:1".into(),
            server_name: "x.org".try_into().unwrap(),
            device_id: device(&user),
            user_id: user,
            access_token: Secret::new("syt_x"),
            dendrite: false,
        };
        session.save(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let read = Session::load(&path).unwrap().unwrap();
        assert_eq!((read.device_id.as_str(), read.access_token.expose()), ("RMS_A/B", "syt_x"));
    }

    #[test]
    fn the_device_that_has_keys_is_told_from_the_one_that_acts() {
        let name = |device_id: &str| {
            let session = Session {
                url: "http://127.0.0.1:1".into(),
                server_name: "x.org".try_into().unwrap(),
                user_id: UserId::parse("@bot:x.org").unwrap(),
                device_id: device_id.to_owned(),
                access_token: Secret::new("syt_x"),
                dendrite: false,
            };
            session.device_name()
        };
        assert_eq!(name("RMS_BOT"), "resource-matrix-synapse");
        assert_eq!(name(OPERATOR_DEVICE), name("RMS_BOT"));
        assert_eq!(name("RMS_BOT_ABCDEFG"), "resource-matrix-synapse, encrypted rooms");
    }

    #[test]
    fn a_damaged_file_is_called_so_and_its_token_is_not_shown() {
        let whole = r#"{"url":"URL","server_name":"x.org","user_id":"@a:x.org","device_id":"D","access_token":"syt_x"}"#;
        let good = whole.replace("URL", "http://127.0.0.1:1");
        let damaged: [Vec<u8>; 7] = [
            whole.replace("URL", "not a url").into(),
            whole.replace("URL", "file:///etc").into(),
            good.replace("syt_x", "syt_x\\ny").into(),
            good.replace("\"syt_x\"", "[\"syt_x\"]").into(),
            good[..good.len() - 4].into(),
            b"\xff\xfe".to_vec(),
            Vec::new(),
        ];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.json");
        files::write_atomically(&path, good.as_bytes(), files::PRIVATE).unwrap();
        Session::load(&path).unwrap().unwrap();
        for bytes in damaged {
            files::write_atomically(&path, &bytes, files::PRIVATE).unwrap();
            let error = crate::error::Failure::from(Session::load(&path).unwrap_err());
            assert_eq!(error.kind, crate::error::Kind::Environment);
            assert!(error.to_string().contains("is damaged"), "{error}");
            assert!(!error.to_string().contains("syt_"), "{error}");
        }
    }
}
