//! Files sent as messages: what kind they are, how large, and their upload.

mod decoded;
mod measures;

use std::{io, path::Path, time::Duration};

use ruma::MxcUri;
use serde_json::{Value, json};
use tokio::task;

use measures::Measures;

use super::{
    Error, admin,
    api::{media_config, upload},
    attachment::{self, Key},
    client::Client,
};
use crate::files;

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
    pub(crate) file: Stored,
    pub(crate) thumbnail: Option<Stored>,
}

/// Where the server has something, and what opens it where it was sealed.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) url: String,
    pub(crate) key: Option<Key>,
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

/// The MIME type of a file of that name.
pub(crate) fn guessed(path: &Path) -> Option<&'static str> {
    mime_guess::from_path(path).first_raw().map(played_by_name)
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Media {
    /// `kind` is a MIME type; without it the name decides.
    pub(crate) fn new(path: &Path, bytes: Vec<u8>, kind: Option<String>) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let kind = kind.unwrap_or_else(|| guessed(path).unwrap_or(UNKNOWN).to_owned());
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

    /// What clients lay out a room with.
    pub(crate) fn info(&self) -> Value {
        let mut info = json!({ "mimetype": self.kind, "size": self.bytes.len() });
        let Measures { size, duration } = self.measures;
        if let Some((width, height)) = size {
            info["w"] = width.into();
            info["h"] = height.into();
        }
        if let Some(duration) = duration {
            info["duration"] = milliseconds(duration).into();
        }
        info
    }

    /// The message that shows the uploaded file.
    pub(crate) fn content(&self, at: &Uploaded, caption: Option<&str>) -> Value {
        let mut info = self.info();
        if let (Some(still), Some(thumbnail)) = (&self.still, &at.thumbnail) {
            thumbnail.show(&mut info, "thumbnail_url", "thumbnail_file");
            info["thumbnail_info"] = json!({
                "mimetype": Still::KIND, "size": still.bytes.len(), "w": still.size.0, "h": still.size.1,
            });
        }
        let mut content = json!({
            "msgtype": self.message_type(), "body": caption.unwrap_or(&self.name),
            "filename": self.name, "info": info, "m.mentions": {},
        });
        at.file.show(&mut content, "url", "file");
        content
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

    /// Puts the file onto the server, and its still picture; sealed, they have neither name nor kind there.
    pub(crate) async fn upload(&self, client: &Client, is_sealed: bool) -> Result<Uploaded, Error> {
        let put = async |name: String, kind: &str, bytes: &[u8]| {
            let mut file = bytes.to_vec();
            let (mut key, mut filename, mut content_type) = (None, Some(name), kind.to_owned());
            if is_sealed {
                // Of a large file it takes a while, in which others are served.
                let sealing = task::spawn_blocking(move || (attachment::seal(&mut file), file));
                let sealed = sealing.await.map_err(io::Error::from);
                let sealed = sealed.map_err(files::Error::io("encrypt", Path::new(&self.name)))?;
                (key, file) = (Some(sealed.0), sealed.1);
                (filename, content_type) = (None, UNKNOWN.to_owned());
            }
            let request = upload::Request { filename, content_type, file };
            let made = client.send(request).await?;
            Ok::<_, Error>(Stored { url: made.content_uri.to_string(), key })
        };
        let mut thumbnail = None;
        if let Some(still) = &self.still {
            let name = format!("{}.jpg", self.name);
            thumbnail = Some(put(name, Still::KIND, &still.bytes).await?);
        }
        Ok(Uploaded { file: put(self.name.clone(), &self.kind, &self.bytes).await?, thumbnail })
    }
}

impl Uploaded {
    /// Takes away what no message shows. What the server does not take away lies there unseen.
    pub(crate) async fn remove(&self, operator: &Client) {
        for stored in [Some(&self.file), self.thumbnail.as_ref()].into_iter().flatten() {
            if let Ok((server, id)) = <&MxcUri>::from(stored.url.as_str()).parts() {
                let (server_name, media_id) = (server.to_string().into(), id.to_owned().into());
                drop(operator.send(admin::media::delete::Request { server_name, media_id }).await);
            }
        }
    }

    /// What a message shows.
    pub(crate) fn of(content: &Value) -> Option<Self> {
        let found = |within, clear, sealed| Stored::of(within, clear, sealed).ok().flatten();
        let thumbnail = found(&content["info"], "thumbnail_url", "thumbnail_file");
        found(content, "url", "file").map(|file| Self { file, thumbnail })
    }

    /// The longest addresses there are, to know beforehand whether a message can hold them.
    pub(crate) fn longest() -> Self {
        let stored = || Stored { url: "x".repeat(300), key: None };
        Self { file: stored(), thumbnail: Some(stored()) }
    }
}

impl Stored {
    /// What a message shows, in the clear or sealed.
    pub(crate) fn of(within: &Value, clear: &str, sealed: &str) -> Result<Option<Self>, Error> {
        // Anybody may have written it.
        let address = |url: &Value| {
            url.as_str().filter(|url| <&MxcUri>::from(*url).is_valid()).map(str::to_owned)
        };
        let file = &within[sealed];
        let Some(url) = address(&file["url"]) else {
            return Ok(address(&within[clear]).map(|url| Self { url, key: None }));
        };
        match Key::of(file) {
            Ok(key) => Ok(Some(Self { url, key: Some(key) })),
            Err(source) => Err(Error::Attachment { url, source }),
        }
    }

    /// Shows it in the clear or sealed.
    fn show(&self, within: &mut Value, clear: &str, sealed: &str) {
        match &self.key {
            Some(key) => within[sealed] = key.file(&self.url),
            None => within[clear] = self.url.as_str().into(),
        }
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

    #[test]
    fn what_is_shown_is_found_again_in_the_clear_and_sealed() {
        let mut video = Media::new(Path::new("a.mp4"), vec![1], None);
        video.still = Some(Still { bytes: vec![2], size: (1, 1) });
        for key in [None, Some(attachment::seal(&mut [1]))] {
            let stored = |url: &str| Stored { url: url.to_owned(), key: key.clone() };
            let at = Uploaded { file: stored("mxc://x/1"), thumbnail: Some(stored("mxc://x/2")) };
            let content = video.content(&at, None);
            let shown = |within: &Value, name: &str| within.get(name).is_some();
            assert_eq!(shown(&content, "url"), key.is_none());
            assert_eq!(shown(&content, "file"), key.is_some());
            assert_eq!(shown(&content["info"], "thumbnail_url"), key.is_none());
            assert_eq!(shown(&content["info"], "thumbnail_file"), key.is_some());
            let found = Uploaded::of(&content).unwrap();
            let still = found.thumbnail.unwrap();
            assert_eq!((found.file.url.as_str(), still.url.as_str()), ("mxc://x/1", "mxc://x/2"));
            assert!(found.file.key == key && still.key == key);
        }
        let broken = json!({ "file": { "url": "mxc://x/1" }, "url": "mxc://x/2" });
        Stored::of(&broken, "url", "file").unwrap_err();
        for none in [json!({}), json!({ "url": "mxc://x/\u{1b}" }), json!({ "url": "https://x/1" })]
        {
            assert!(Stored::of(&none, "url", "file").unwrap().is_none());
        }
    }
}
