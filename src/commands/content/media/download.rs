//! `content download-media`.

use std::{
    fmt::{self, Write as _},
    io::{Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
};

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    mxc::Mxc,
    of_message::{self, Found, Named},
};
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{Sending, transaction::quoted, written::free},
        offered,
    },
    context::Context,
    error::Failure,
    files::{self, Growing},
    matrix::{Error, download::Download},
    output::{self, Report, amount},
    process::Ending,
    reply::{Interrupted, Stop},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The address of the file, or the room of the message that shows it
    #[arg(value_name = "MXC|ROOM", add = offered::rooms())]
    pub(crate) file: Named,
    /// That message: what opens the file of an encrypted room is in there
    pub(crate) event: Option<String>,
    /// Where to put it: a file, a folder, or `-` for stdout; by default here, under the name that it was sent with
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Replace what is there
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Saved {
    url: String,
    /// Where it is; `-` for stdout.
    path: String,
    /// How large it is, in bytes.
    bytes: u64,
    /// Its SHA-256, in hexadecimal digits.
    sha256: String,
    mimetype: Option<String>,
    /// How often the connection broke and the rest was fetched.
    resumed: u32,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Saved> {
    let wanted = of_message::wanted(args.file, args.event.as_deref())?;
    let to_stdout = args.out.as_deref() == Some(Path::new("-"));
    if to_stdout && !context.view().is_text() {
        return Err(Failure::request("the file and its description cannot both be on stdout")
            .hinted("name a file with `--out FILE`, or leave `--format` out")
            .into());
    }
    if let Some(out) = args.out.as_deref().filter(|_| !to_stdout) {
        require_folder(out)?;
    }
    let client = args.sending.client(context).await?;
    let found = of_message::find(wanted, &args.sending, context, &client).await?;
    let opened = Download::open(&client, &found.mxc.server, &found.mxc.id).await;
    let mut download = match opened {
        Err(error @ Error::Refused { .. }) if error.is_not_found() => {
            return Err(why_absent(&found.mxc, &args.sending, context).await?);
        }
        opened => opened?,
    };
    if let Some(key) = &found.key {
        download.opened_with(key);
        // What the server knows of it is that it is sealed.
        (download.name, download.mimetype) = (None, None);
    }
    let path = place(args.out.as_deref(), &download, &found);
    if !to_stdout {
        free(&path, args.force, "`--out FILE`")?;
    }
    context.would(format_args!("write {} to `{}`", found.mxc, path.display()))?;
    let mut is_read = true;
    if to_stdout && found.key.is_some() {
        is_read = checked(&mut download, context).await?;
    } else if to_stdout {
        while is_read && let Some(piece) = download.next().await? {
            // Whoever has seen enough asks for no more.
            is_read = output::write_bytes(&piece);
        }
    } else {
        let mut file = Growing::beside(&path, files::PRIVATE)?;
        let mut signals = Ending::new()?;
        tokio::select! {
            done = written(&mut download, &mut file, context, &path) => done?,
            signal = signals.next() => {
                let said = format!("interrupted after {} bytes: nothing was left", download.bytes);
                return Err(Failure::from(Interrupted { signal, said }).into());
            }
        }
        if args.force { file.finish()? } else { file.finish_new()? }
    }
    let path = path.display().to_string();
    let saved = Saved {
        url: found.mxc.to_string(),
        path: path.clone(),
        bytes: download.bytes,
        sha256: download.sha256(),
        mimetype: download.mimetype.take().or(found.mimetype),
        resumed: download.broken,
    };
    if to_stdout && is_read {
        context.say(format_args!("{} bytes, sha256 {}", saved.bytes, saved.sha256));
    }
    Ok(Reply::done(saved))
}

/// The server says of a file that is kept from everybody what it says of none.
async fn why_absent(file: &Mxc, sending: &Sending, context: &Context) -> Result<Stop, Failure> {
    let info = file.info(&sending.operator(context)?).await.ok();
    Ok(match info.and_then(|info| info.quarantined_by) {
        Some(by) => Failure::request(format!("`{file}` was quarantined by {by}"))
            .hinted(format!("`content unquarantine-media {file}` lets it be seen again"))
            .into(),
        None => Stop::absent("file", "url", file.to_string()),
    })
}

/// Writes to stdout what is known to be what was sent: until all of it came, it is kept where nobody sees it.
/// Whether it is still read.
async fn checked(download: &mut Download, context: &Context) -> Result<bool, Failure> {
    let cache = context.data()?.cache();
    files::private_folder(&cache)?;
    let mut kept = files::nameless(&cache)?;
    let failed = |error| Failure::from(files::Error::io("write a file in", &cache)(error));
    while let Some(piece) = download.next().await? {
        kept.write_all(&piece).map_err(failed)?;
    }
    kept.rewind().map_err(failed)?;
    let mut piece = vec![0; 1 << 16];
    loop {
        let length = kept.read(&mut piece).map_err(failed)?;
        if length == 0 {
            return Ok(true);
        }
        if !output::write_bytes(&piece[..length]) {
            return Ok(false);
        }
    }
}

async fn written(
    download: &mut Download,
    file: &mut Growing,
    context: &Context,
    path: &Path,
) -> Result<(), Error> {
    let progress = context.progress(format!("writing {}", path.display()));
    while let Some(piece) = download.next().await? {
        file.write(&piece)?;
        let of = download.total.map(|total| format!(" of {}", amount(total))).unwrap_or_default();
        progress.now(format!("writing {}: {}{of}", path.display(), amount(download.bytes)));
    }
    Ok(())
}

/// The file that it becomes.
fn place(out: Option<&Path>, download: &Download, found: &Found) -> PathBuf {
    let name = download.name.as_ref().or(found.name.as_ref()).unwrap_or(&found.mxc.id);
    match out {
        None => name.into(),
        Some(folder) if folder.is_dir() => folder.join(name),
        Some(file) => file.to_owned(),
    }
}

/// Refuses a place in a folder that there is not, before anything is fetched.
fn require_folder(out: &Path) -> Result<(), Failure> {
    let folder = if out.as_os_str().as_encoded_bytes().ends_with(b"/") {
        out
    } else {
        out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
    };
    if folder.is_dir() {
        return Ok(());
    }
    let folder = folder.to_string_lossy();
    Err(Failure::request(format!("there is no folder `{folder}`"))
        .hinted(format!("`mkdir -p {}` makes it", quoted(&folder))))
}

impl Report for Saved {
    fn text(&self, page: &mut String) -> fmt::Result {
        if self.path == "-" {
            return Ok(());
        }
        write!(page, "wrote {} ({}, sha256 {})", self.path, amount(self.bytes), self.sha256)
    }

    fn id(&self) -> Option<&str> {
        Some(if self.path == "-" { "" } else { &self.path })
    }
}
