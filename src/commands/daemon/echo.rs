//! Log lines on stdout, for containers. A reader that is slow loses lines and holds nobody up.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use tokio::{sync::oneshot, time::timeout};

use super::super::logs::Shown;
use crate::{
    output::{Format, Output, View},
    supervisor::log::{self, read::Line},
};

/// How many lines may wait to be printed.
const WAITING: usize = 4096;
/// How long the last of them may take at the end.
const LAST_LINES: Duration = Duration::from_secs(1);

enum Message {
    Line(Line),
    End(oneshot::Sender<()>),
}

pub(super) struct Echo(SyncSender<Message>);

impl Echo {
    pub(super) fn new(format: Format) -> Self {
        let (sender, receiver) = sync_channel(WAITING);
        thread::spawn(move || print(format, &receiver));
        Self(sender)
    }

    /// What the logs call with each line.
    pub(super) fn of_lines(&self) -> log::Echo {
        let sender = self.0.clone();
        Arc::new(move |service, time, message| {
            let (service, message) = (service.to_owned(), message.to_owned());
            let line = Line { time: Some(time.to_owned()), service, message };
            // Full: the line is in the file at least.
            drop(sender.try_send(Message::Line(line)));
        })
    }

    /// Waits a moment until all is printed.
    pub(super) async fn finish(self) {
        let (done, printed) = oneshot::channel();
        if self.0.try_send(Message::End(done)).is_ok() {
            drop(timeout(LAST_LINES, printed).await);
        }
    }
}

fn print(format: Format, messages: &Receiver<Message>) {
    let output = Output::new(View { format, ..View::default() });
    while let Ok(message) = messages.recv() {
        match message {
            Message::Line(line) => drop(output.print_line(&Shown::plain(line))),
            Message::End(done) => drop(done.send(())),
        }
    }
}
