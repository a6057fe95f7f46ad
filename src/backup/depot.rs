//! Where backups lie, a folder or a place in a bucket: names and what is under them. Everything here waits for the disk or for a
//! store, so it is called from threads that may wait.

use std::{
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use super::Error;
use crate::{
    age::{Sealer, To},
    files::{self, Growing},
    output,
    process::Lock,
    s3::objects::{Store, Upload},
};

/// A folder, or a place in a bucket.
#[derive(Clone, Debug)]
pub(crate) enum Depot {
    Folder(PathBuf),
    Bucket(Store),
}

/// Something in a depot, by its name there.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) depot: Depot,
    pub(crate) name: String,
}

/// What is read.
pub(super) type Content = Box<dyn Read + Send>;

impl Source {
    /// A file that a person named.
    pub(crate) fn file(path: &Path) -> Result<Self, Error> {
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| files::Error::NotText(path.to_owned()))?.to_owned();
        let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new(".")).to_owned();
        Ok(Self { depot: Depot::Folder(folder), name })
    }

    /// As a person names it.
    pub(crate) fn path(&self) -> PathBuf {
        self.depot.path(&self.name)
    }

    pub(super) fn open(&self) -> Result<(Content, u64), Error> {
        self.depot.open(&self.name)
    }

    pub(crate) fn size(&self) -> Result<Option<u64>, Error> {
        self.depot.size(&self.name)
    }
}

impl Depot {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        match self {
            Self::Folder(folder) => folder.join(name),
            Self::Bucket(store) => store.address(name).into(),
        }
    }

    /// The names right in it.
    pub(crate) fn names(&self) -> Result<Vec<(String, u64)>, Error> {
        match self {
            Self::Folder(folder) => {
                let mut found = Vec::new();
                for path in files::entries(folder)? {
                    let name = path.file_name().and_then(|name| name.to_str());
                    // Gone since its folder was read.
                    let Ok(about) = path.metadata() else { continue };
                    if let Some(name) = name.filter(|_| about.is_file()) {
                        found.push((name.to_owned(), about.len()));
                    }
                }
                Ok(found)
            }
            Self::Bucket(store) => {
                let mut found = Vec::new();
                store.list("", true, &mut |name, size| found.push((name.to_owned(), size)))?;
                Ok(found)
            }
        }
    }

    /// How large it is; none where nothing has that name.
    pub(crate) fn size(&self, name: &str) -> Result<Option<u64>, Error> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(name);
                match path.metadata() {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                    about => Ok(Some(about.map_err(files::Error::io("read", &path))?.len())),
                }
            }
            Self::Bucket(store) => Ok(store.size(name)?),
        }
    }

    pub(super) fn open(&self, name: &str) -> Result<(Content, u64), Error> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(name);
                let failed = |error| files::Error::io("read", &path)(error);
                let about = path.metadata().map_err(failed)?;
                if !about.is_file() {
                    return Err(Error::Foreign(path));
                }
                let file = files::open(&path).map_err(failed)?;
                Ok((Box::new(file), about.len()))
            }
            Self::Bucket(store) => {
                let (object, size) = store.open(name)?;
                Ok((Box::new(object), size))
            }
        }
    }

    /// The names below one of its folders.
    pub(super) fn below(
        &self,
        name: &str,
        found: &mut dyn FnMut(&str) -> Result<(), Error>,
    ) -> Result<(), Error> {
        match self {
            Self::Folder(folder) => {
                for path in files::entries(&folder.join(name))? {
                    let last = path.file_name().unwrap_or_default().to_string_lossy();
                    let name = format!("{name}/{last}");
                    if path.is_dir() {
                        self.below(&name, found)?;
                    } else {
                        found(&name)?;
                    }
                }
                Ok(())
            }
            Self::Bucket(store) => {
                let mut failed = Ok(());
                store.list(&format!("{name}/"), false, &mut |name, _| {
                    if failed.is_ok() {
                        failed = found(name);
                    }
                })?;
                failed
            }
        }
    }

    /// Begins what will take the place of what has this name, and is one of many: [`Self::settle`] is for all of
    /// them.
    pub(super) fn replace(&self, name: &str) -> Result<Output, Error> {
        let to = match self {
            Self::Folder(folder) => {
                let path = folder.join(name);
                if let Some(folder) = path.parent() {
                    files::private_folder(folder)?;
                }
                Sink::OneOfMany(Growing::beside(&path, files::PRIVATE)?)
            }
            Self::Bucket(store) => Sink::Object(store.create(name)),
        };
        Ok(Output { to, written: 0 })
    }

    /// Returns when all that was written is on the disk.
    pub(super) fn settle(&self) -> Result<(), Error> {
        match self {
            Self::Folder(folder) => Ok(files::settle(folder)?),
            // What it has taken it keeps.
            Self::Bucket(_) => Ok(()),
        }
    }

    /// Held by whoever makes or removes what others may need. A bucket has none.
    pub(crate) fn lock(&self, purpose: &str) -> Result<Option<Lock>, Error> {
        match self {
            Self::Folder(folder) => {
                Ok(Some(Lock::try_acquire(&folder.join(".backup.lock"), purpose)?))
            }
            Self::Bucket(_) => Ok(None),
        }
    }

    /// Begins what will have this name when it is whole.
    pub(crate) fn create(&self, name: &str) -> Result<Output, Error> {
        let to = match self {
            Self::Folder(folder) => {
                Sink::File(Growing::beside(&folder.join(name), files::PRIVATE)?)
            }
            Self::Bucket(store) => Sink::Object(store.create(name)),
        };
        Ok(Output { to, written: 0 })
    }

    pub(crate) fn remove(&self, name: &str) -> Result<(), Error> {
        match self {
            Self::Folder(folder) => Ok(files::remove(&folder.join(name))?),
            Self::Bucket(store) => Ok(store.remove(name)?),
        }
    }
}

enum Sink {
    File(Growing),
    OneOfMany(Growing),
    Object(Upload),
    Stdout,
}

/// What is written, and is there whole or not at all.
pub(crate) struct Output {
    to: Sink,
    written: u64,
}

impl Output {
    /// The standard output, which has no name to give.
    pub(crate) fn stdout() -> Self {
        Self { to: Sink::Stdout, written: 0 }
    }

    /// Gives it its name; what came there meanwhile stays. Its size.
    pub(super) fn finish(self) -> Result<u64, Error> {
        match self.to {
            Sink::File(file) => file.finish_new()?,
            Sink::OneOfMany(file) => file.finish_unflushed()?,
            Sink::Object(object) => object.finish()?,
            Sink::Stdout => {}
        }
        Ok(self.written)
    }
}

impl Write for Output {
    fn write(&mut self, content: &[u8]) -> io::Result<usize> {
        let written = match &mut self.to {
            Sink::File(file) | Sink::OneOfMany(file) => Write::write(file, content)?,
            Sink::Object(object) => object.write(content)?,
            Sink::Stdout if output::write_bytes(content) => content.len(),
            Sink::Stdout => return Err(io::ErrorKind::BrokenPipe.into()),
        };
        self.written += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.to {
            Sink::File(file) | Sink::OneOfMany(file) => file.flush(),
            Sink::Object(_) | Sink::Stdout => Ok(()),
        }
    }
}

/// What is written as it is, or sealed for some.
pub(super) enum Coat {
    Plain(Output),
    Sealed(Box<Sealer<Output>>),
}

impl Coat {
    pub(super) fn new(output: Output, to: Option<&To>) -> io::Result<Self> {
        Ok(match to {
            None => Self::Plain(output),
            Some(to) => Self::Sealed(Box::new(Sealer::new(output, to)?)),
        })
    }

    /// What it was put on, with all of it written.
    pub(super) fn off(self) -> io::Result<Output> {
        match self {
            Self::Plain(output) => Ok(output),
            Self::Sealed(sealer) => sealer.finish(),
        }
    }
}

impl Write for Coat {
    fn write(&mut self, content: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(output) => output.write(content),
            Self::Sealed(sealer) => sealer.write(content),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(output) => output.flush(),
            Self::Sealed(sealer) => sealer.flush(),
        }
    }
}
