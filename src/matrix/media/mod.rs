//! Files sent as messages: what kind they are, how large, and their upload.

mod decoded;
mod measures;

use std::{path::Path, time::Duration};

use serde_json::{Value, json};

use measures::Measures;

use super::{
    Error,
    api::{media_config, upload},
    client::Client,
};

/// What is sent, before it is uploaded.
#[derive(Debug)]
pub(crate) struct Media {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) bytes: Vec<u8>,
    measures: Measures,
    still: Option<Still>,
    waveform: Option<Vec<u32>>,
}

/// A picture out of a video, which clients show until somebody plays it.
#[derive(Debug)]
struct Still {
    bytes: Vec<u8>,
    size: (u64, u64),
}

impl Still {
    const KIND: &str = "image/jpeg";
}

/// Where the server has a file, and its still picture.
#[derive(Debug)]
pub(crate) struct Uploaded {
    pub(crate) url: String,
    pub(crate) thumbnail: Option<String>,
}

const UNKNOWN: &str = "application/octet-stream";

/// The name by which Synapse lets a browser play a file: by another it is served as a download ([docs]).
///
/// [docs]: https://spec.matrix.org/latest/client-server-api/#serving-inline-content
fn played_by_name(kind: &'static str) -> &'static str {
    match kind {
        "audio/m4a" | "audio/x-m4a" => "audio/mp4",
        "video/x-m4v" => "video/mp4",
        other => other,
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Media {
    /// `kind` is a MIME type; without it the name decides.
    pub(crate) fn new(path: &Path, bytes: Vec<u8>, kind: Option<String>) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let guess = || mime_guess::from_path(path).first_raw().map_or(UNKNOWN, played_by_name);
        let kind = kind.unwrap_or_else(|| guess().to_owned());
        let measures = measures::of(&kind, &bytes);
        Self { name, kind, bytes, measures, still: None, waveform: None }
    }

    /// Looks for what has to be decoded, in the same file: a still picture of a video, and of a `voice`
    /// how loud it is. What cannot be found is not sent.
    pub(crate) async fn decode(&mut self, path: &Path, voice: bool) {
        match self.message_type() {
            "m.video" => self.still = decoded::still(path, self.measures.duration).await,
            "m.audio" if voice => self.waveform = decoded::waveform(path).await,
            _ => {}
        }
    }

    /// `m.image`, `m.audio`, `m.video` or `m.file`.
    pub(crate) fn message_type(&self) -> &'static str {
        match self.kind.split('/').next() {
            Some("image") => "m.image",
            Some("audio") => "m.audio",
            Some("video") => "m.video",
            _ => "m.file",
        }
    }

    /// The message that shows the uploaded file.
    pub(crate) fn content(&self, at: &Uploaded, caption: Option<&str>) -> Value {
        let mut info = json!({ "mimetype": self.kind, "size": self.bytes.len() });
        let Measures { size, duration } = self.measures;
        if let Some((width, height)) = size {
            info["w"] = width.into();
            info["h"] = height.into();
        }
        if let Some(duration) = duration {
            info["duration"] = milliseconds(duration).into();
        }
        if let (Some(still), Some(thumbnail)) = (&self.still, &at.thumbnail) {
            info["thumbnail_url"] = thumbnail.as_str().into();
            info["thumbnail_info"] = json!({
                "mimetype": Still::KIND, "size": still.bytes.len(), "w": still.size.0, "h": still.size.1,
            });
        }
        json!({
            "msgtype": self.message_type(), "body": caption.unwrap_or(&self.name),
            "filename": self.name, "url": at.url, "info": info, "m.mentions": {},
        })
    }

    /// The same as something spoken, which clients play in the room ([MSC3245]).
    ///
    /// [MSC3245]: https://github.com/matrix-org/matrix-spec-proposals/pull/3245
    pub(crate) fn voice(&self, at: &Uploaded, caption: Option<&str>) -> Value {
        let mut content = self.content(at, Some(caption.unwrap_or("Voice message")));
        let mut audio = json!({});
        if let Some(duration) = content["info"].get("duration") {
            audio["duration"] = duration.clone();
        }
        if let Some(waveform) = &self.waveform {
            audio["waveform"] = json!(waveform);
        }
        content["org.matrix.msc3245.voice"] = json!({});
        content["org.matrix.msc1767.audio"] = audio;
        content
    }

    /// Refuses what is larger than the server takes: it would break off the upload without a word
    /// ([docs]).
    ///
    /// [docs]: https://spec.matrix.org/v1.16/client-server-api/#get_matrixclientv1mediaconfig
    pub(crate) async fn fits(&self, client: &Client) -> Result<(), Error> {
        let limits = client.send(media_config::Request {}).await?;
        let (size, largest) = (self.bytes.len() as u64, limits.upload_size);
        match largest {
            Some(largest) if size > largest => {
                Err(Error::MediaTooLarge { name: self.name.clone(), size, largest })
            }
            _ => Ok(()),
        }
    }

    /// Puts the file onto the server, and its still picture.
    pub(crate) async fn upload(&self, client: &Client) -> Result<Uploaded, Error> {
        let put = async |filename: String, kind: &str, bytes: &[u8]| {
            let (content_type, file) = (kind.to_owned(), bytes.to_vec());
            let request = upload::Request { filename, content_type, file };
            client.send(request).await.map(|made| made.content_uri.to_string())
        };
        let mut thumbnail = None;
        if let Some(still) = &self.still {
            let name = format!("{}.jpg", self.name);
            thumbnail = Some(put(name, Still::KIND, &still.bytes).await?);
        }
        Ok(Uploaded { url: put(self.name.clone(), &self.kind, &self.bytes).await?, thumbnail })
    }
}

impl Uploaded {
    /// What a message shows.
    pub(crate) fn of(content: &Value) -> Option<Self> {
        let thumbnail = content["info"]["thumbnail_url"].as_str().map(str::to_owned);
        content["url"].as_str().map(|url| Self { url: url.to_owned(), thumbnail })
    }

    /// The longest addresses there are, to know beforehand whether a message can hold them.
    pub(crate) fn longest() -> Self {
        let url = "x".repeat(300);
        Self { thumbnail: Some(url.clone()), url }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_has_its_measures_and_anything_else_is_a_file() {
        let gif = b"GIF89a\x02\x00\x03\x00\x00\x00\x00;".to_vec();
        let image =
            Media::new(Path::new("/x/a.gif"), gif, None).content(&Uploaded::longest(), None);
        assert_eq!((image["info"]["w"].as_u64(), image["info"]["h"].as_u64()), (Some(2), Some(3)));
        assert_eq!(image["msgtype"], "m.image");
        let other = Media::new(Path::new("noext"), vec![1], None);
        assert_eq!(
            (other.message_type(), other.kind.as_str()),
            ("m.file", "application/octet-stream")
        );
    }
}
