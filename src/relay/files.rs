//! Files that messages show: fetched where the application gave an address, uploaded as whoever sends them, and noted
//! before they are shown, so that whoever is killed in between uploads nothing twice.

use std::path::Path;

use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::{
    fetch::{self, Fetcher},
    trouble::Trouble,
};
use crate::matrix::{client::Client, media::Media};

/// How many are fetched at once, and how many of those that are here are uploaded: who has one and does not answer
/// keeps none of these waiting.
const FETCHED: usize = 8;
const UPLOADED: usize = 4;
/// What a server says of a file that it does not know.
const UNKNOWN: [&str; 2] = ["application/octet-stream", "binary/octet-stream"];

pub(super) struct Files {
    pool: PgPool,
    pub(super) fetcher: Fetcher,
    fetched: Semaphore,
    uploaded: Semaphore,
}

/// The kind of a message that shows a file of that MIME type.
pub(super) fn kind(mime: Option<&str>) -> &'static str {
    match mime.and_then(|mime| mime.split('/').next()) {
        Some("image") => "image",
        Some("audio") => "audio",
        Some("video") => "video",
        _ => "file",
    }
}

/// Without what says more of it, such as a character set; none where nothing is known of the file.
pub(super) fn bare(mime: &str) -> Option<String> {
    let bare = mime.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    (!UNKNOWN.contains(&bare.as_str()) && bare.contains('/') && !is_form(&bare)).then_some(bare)
}

/// Whether it is a type of what holds a file and more, or of what nothing was said of: Synapse reads such a body, and then
/// has no file.
pub(super) fn is_form(mime: &str) -> bool {
    let mime = mime.trim_start().to_ascii_lowercase();
    mime.starts_with("application/x-www-form-urlencoded") || mime.starts_with("multipart/")
}

/// A message that shows what the homeserver has; none where it has nothing.
fn shown(kind: &str, text: &str, media: &Value) -> Option<Value> {
    let url = media["url"].as_str()?;
    Some(json!({
        "msgtype": format!("m.{kind}"), "body": text, "filename": media["name"], "url": url,
        "info": media.get("info").cloned().unwrap_or_else(|| json!({})), "m.mentions": {},
    }))
}

impl Files {
    pub(super) fn of(pool: PgPool, fetcher: Fetcher) -> Self {
        let (fetched, uploaded) = (Semaphore::new(FETCHED), Semaphore::new(UPLOADED));
        Self { pool, fetcher, fetched, uploaded }
    }

    /// The message that shows a file with this text; none where it was deleted meanwhile.
    pub(super) async fn content(
        &self,
        client: &Client,
        message: Uuid,
        text: &str,
    ) -> Result<Option<Value>, Trouble> {
        let row: Option<(String, Option<Value>)> =
            sqlx::query_as("SELECT kind, media FROM relay.messages WHERE id = $1")
                .bind(message)
                .fetch_optional(&self.pool)
                .await?;
        let Some((kind, Some(media))) = row else { return Ok(None) };
        if let Some(content) = shown(&kind, text, &media) {
            return Ok(Some(content));
        }
        // What the application gave an address of is not here.
        let places = if media["source"].is_null() { &self.uploaded } else { &self.fetched };
        let _place = places.acquire().await;
        let file = self.file(message, &media).await?;
        let file = self.uploaded(client, file).await?;
        self.note(message, &media, file, text).await
    }

    /// What is to be uploaded.
    async fn file(&self, message: Uuid, media: &Value) -> Result<Media, Trouble> {
        let name = media["name"].as_str().unwrap_or("file");
        let mime = media["mime"].as_str().and_then(bare);
        let bytes: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT bytes FROM relay.files WHERE message_id = $1")
                .bind(message)
                .fetch_optional(&self.pool)
                .await?;
        if let Some(bytes) = bytes {
            return Ok(Media::new(Path::new(name), bytes, mime));
        }
        let source = media["source"].as_str().ok_or(Trouble::Senseless("its file is gone"))?;
        let fetched = self.fetcher.fetch(source).await?;
        let said = fetched.mime.as_deref().and_then(bare);
        // Such as a page to log in at.
        if said.as_deref() == Some("text/html") && mime.as_deref() != Some("text/html") {
            return Err(fetch::Error::Page(fetch::host_of(source)).into());
        }
        Ok(Media::new(Path::new(name), fetched.bytes, mime.or(said)))
    }

    async fn uploaded(&self, client: &Client, file: Media) -> Result<(Media, String), Trouble> {
        // Fetching it took its time.
        let at = file.upload(&client.afresh(), false).await?;
        Ok((file, at.file.url))
    }

    async fn note(
        &self,
        message: Uuid,
        media: &Value,
        (file, url): (Media, String),
        text: &str,
    ) -> Result<Option<Value>, Trouble> {
        let kind = file.message_type().trim_start_matches("m.");
        let mut media = media.clone();
        media["mime"] = file.kind.as_str().into();
        media["size"] = file.bytes.len().into();
        media["info"] = file.info();
        media["url"] = url.into();
        let noted = sqlx::query(
            "UPDATE relay.messages SET kind = $2, media = $3 WHERE id = $1 AND deleted_at IS NULL",
        )
        .bind(message)
        .bind(kind)
        .bind(&media)
        .execute(&self.pool)
        .await?;
        Ok(shown(kind, text, &media).filter(|_| noted.rows_affected() > 0))
    }

    /// A picture from an address; where the homeserver has it.
    pub(super) async fn picture(&self, client: &Client, source: &str) -> Result<String, Trouble> {
        let _place = self.fetched.acquire().await;
        let fetched = self.fetcher.fetch(source).await?;
        let mime = fetched.mime.as_deref().and_then(bare);
        let name = fetch::name_of(source).unwrap_or_else(|| "avatar".to_owned());
        let file = Media::new(Path::new(&name), fetched.bytes, mime);
        if file.message_type() != "m.image" {
            return Err(fetch::Error::Picture(fetch::host_of(source)).into());
        }
        Ok(self.uploaded(client, file).await?.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_told_by_the_type_and_the_type_without_its_parameters() {
        assert_eq!(bare("Text/HTML; charset=utf-8").as_deref(), Some("text/html"));
        assert_eq!((bare("application/octet-stream"), bare("x")), (None, None));
        assert_eq!(bare("Multipart/form-data; boundary=x"), None);
        assert_eq!(kind(Some("image/png")), "image");
        assert_eq!((kind(Some("application/pdf")), kind(None)), ("file", "file"));
    }

    #[test]
    fn a_file_is_shown_once_the_homeserver_has_it() {
        let mut media = json!({ "name": "a.png", "mime": "image/png", "size": 3 });
        assert!(shown("image", "look", &media).is_none());
        media["url"] = "mxc://x/1".into();
        media["info"] = json!({ "w": 1 });
        let content = shown("image", "look", &media).unwrap();
        assert_eq!((&content["msgtype"], &content["body"]), (&json!("m.image"), &json!("look")));
        assert_eq!((&content["filename"], &content["info"]["w"]), (&json!("a.png"), &json!(1)));
    }
}
