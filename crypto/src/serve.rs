//! The socket: whoever may open it asks, a line a question, and is answered in the same order.

use std::{collections::BTreeMap, fs, io, path::Path, rc::Rc, time::Duration};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    signal::unix::{SignalKind, signal},
    sync::Mutex,
    task::LocalSet,
};

use crate::{
    account::{self, Account},
    store::Stores,
    wire::{self, Answer, Failed, Fault, Question},
};

/// The longest question, in bytes: a file with many keys.
const LONGEST: u64 = 64 << 20;
/// How long after an answer what is new is backed up: whoever has asked may ask again at once.
const REST: Duration = Duration::from_secs(1);
/// How long those that are asked something may go on when it is to end.
const LAST: Duration = Duration::from_secs(4);

type Key = (String, String);

struct Accounts {
    stores: Stores,
    open: Mutex<BTreeMap<Key, Rc<Mutex<Option<Account>>>>>,
}

pub(crate) async fn serve(socket: &Path, stores: Stores) -> Result<(), Box<dyn std::error::Error>> {
    match fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let listener = UnixListener::bind(socket)?;
    ready();
    let mut term = signal(SignalKind::terminate())?;
    let accounts = Rc::new(Accounts { stores, open: Mutex::default() });
    let local = LocalSet::new();
    local
        .run_until(async {
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let Ok((stream, _)) = accepted else { continue };
                        let accounts = Rc::clone(&accounts);
                        tokio::task::spawn_local(async move {
                            drop(talk(stream, accounts).await);
                        });
                    }
                    _ = term.recv() => break,
                }
            }
            drop(fs::remove_file(socket));
            // What was begun with an account is ended first: nobody reads a message whose key went nowhere.
            drop(tokio::time::timeout(LAST, accounts.settled()).await);
        })
        .await;
    Ok(())
}

/// Tells whoever started it that it can be asked (`sd_notify(3)`).
fn ready() {
    if let Some(path) = std::env::var_os("NOTIFY_SOCKET")
        && let Ok(socket) = std::os::unix::net::UnixDatagram::unbound()
    {
        drop(socket.send_to(b"READY=1", path));
    }
}

impl Accounts {
    async fn settled(&self) {
        let open = self.open.lock().await;
        for account in open.values() {
            if let Some(mut open) = account.lock().await.take()
                && open.is_unsaved
            {
                drop(open.save(&self.stores).await);
            }
        }
    }

    async fn answer(self: &Rc<Self>, line: &[u8]) -> Answer {
        let question: Question = match serde_json::from_slice(line) {
            Ok(question) => question,
            Err(error) => {
                let what = format!("it is no question: {error}");
                return Answer::Failed(Failed { kind: Fault::Question, refusal: None, what });
            }
        };
        let wire::Account { user_id, device_id, .. } = &question.account;
        let key = (user_id.clone(), device_id.clone());
        let slot = Rc::clone(self.open.lock().await.entry(key.clone()).or_default());
        let mut account = slot.lock().await;
        let answered = async {
            let open = match account.take() {
                Some(open) => open,
                None => {
                    // An account has one device at a time: this takes up what the one before it leaves.
                    self.open.lock().await.retain(|other, _| other.0 != key.0 || *other == key);
                    Account::open(&self.stores, &question.account).await?
                }
            };
            let open = account.insert(open);
            open.speaks_as(&question.account)?;
            let answer = open.answer(&self.stores, question.request).await;
            if open.is_unsaved && !open.will_save {
                open.will_save = true;
                tokio::task::spawn_local(Rc::clone(self).save(Rc::clone(&slot)));
            }
            answer
        };
        answered.await.unwrap_or_else(|error: account::Error| Answer::Failed(error.into()))
    }

    /// Backs up what is new of an account.
    async fn save(self: Rc<Self>, slot: Rc<Mutex<Option<Account>>>) {
        tokio::time::sleep(REST).await;
        let mut account = slot.lock().await;
        let Some(open) = account.as_mut() else { return };
        open.will_save = false;
        // What is not brought there now is with the next.
        match open.save(&self.stores).await {
            // One that a person has with another program sees to that itself.
            Ok(()) | Err(account::Error::Elsewhere(_)) => {}
            Err(error) => eprintln!("keys are not backed up: {}", Failed::from(error).what),
        }
    }
}

async fn talk(stream: UnixStream, accounts: Rc<Accounts>) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    loop {
        let mut line = Vec::new();
        (&mut read).take(LONGEST).read_until(b'\n', &mut line).await?;
        if line.is_empty() {
            return Ok(());
        }
        let mut answer = serde_json::to_vec(&accounts.answer(&line).await)?;
        answer.push(b'\n');
        write.write_all(&answer).await?;
    }
}
