//! Comparing emoji with somebody: the service that keeps the keys speaks with their program, a person here with them.

use std::{
    thread,
    time::{Duration, Instant},
};

use ruma::{OwnedRoomId, OwnedUserId};
use tokio::{sync::oneshot, time::sleep};

use super::refused::{refused, unclear};
use crate::{
    commands::content::arguments::transaction::quoted,
    context::Context,
    crypto::{Answer, Stage, Verify},
    error::Failure,
    matrix::{client::Client, sealed},
    output,
    process::Ending,
    reply::Interrupted,
};

/// How long between two looks.
const PAUSE: Duration = Duration::from_millis(250);

/// Who has the first word.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Begins {
    They,
    We,
    /// Without a request.
    WeAtOnce,
}

/// With whom, where and how long.
pub(super) struct Compared {
    pub(super) user: OwnedUserId,
    pub(super) device: Option<String>,
    pub(super) room: Option<OwnedRoomId>,
    pub(super) begins: Begins,
    pub(super) within: Duration,
}

/// Refuses it where nobody is there who could compare.
pub(super) fn require_person(context: &Context, user: Option<&str>) -> Result<(), Failure> {
    if context.view().is_text() && output::stdin_is_terminal() {
        return Ok(());
    }
    let user = user.map_or_else(|| "USER DEVICE".to_owned(), quoted);
    Err(Failure::request("there is nobody at a terminal who could compare emoji")
        .hinted(format!("`content verify {user} --fingerprint KEY` does it for scripts")))
}

pub(super) async fn compare(
    context: &Context,
    client: &Client,
    with: &Compared,
) -> Result<(), Failure> {
    let mut dialog = Dialog { client, with, flow: None, until: Instant::now() + with.within };
    let mut signals = Ending::new()?;
    let ended = tokio::select! {
        ended = dialog.run(context) => ended,
        signal = signals.next() => {
            let said = "interrupted: nobody was verified".to_owned();
            Err(Interrupted { signal, said }.into())
        }
    };
    if ended.is_err() {
        // The other side need not wait to the end.
        drop(dialog.cancel(false).await);
    }
    ended
}

struct Dialog<'d> {
    client: &'d Client,
    with: &'d Compared,
    flow: Option<String>,
    until: Instant,
}

impl Dialog<'_> {
    fn user_id(&self) -> String {
        self.with.user.to_string()
    }

    async fn run(&mut self, context: &Context) -> Result<(), Failure> {
        let user = &self.with.user;
        let mut progress = Some(context.progress(format!("waiting for {user}")));
        if self.with.begins == Begins::They {
            context.say(format_args!("waiting until {user} begins"));
        } else {
            let step = Verify::Begin {
                user_id: self.user_id(),
                device_id: self.with.device.clone(),
                room_id: self.with.room.as_ref().map(ToString::to_string),
                bare: self.with.begins == Begins::WeAtOnce,
            };
            self.ask(&step).await?;
            context.say(format_args!("{user} was asked: it has to be accepted there"));
        }
        let mut is_same = None;
        loop {
            match self.look().await? {
                Stage::Done => return Ok(()),
                Stage::Compare { emoji, decimals } if is_same.is_none() => {
                    // It would be drawn over what is typed.
                    drop(progress.take());
                    let same = self.asked(question(user.as_str(), &emoji, decimals)).await?;
                    is_same = Some(same);
                    if !same {
                        self.cancel(true).await?;
                        return Err(Failure::request(format!("{user} is not verified: what both see is not the same"))
                            .hinted("somebody may stand between you: look again whether it was the same comparison, or compare fingerprints over another way"));
                    }
                    self.confirm().await?;
                    let waits = format!("waiting until {user} says that it is the same");
                    progress = Some(context.progress(waits));
                }
                _ => {}
            }
            sleep(PAUSE).await;
        }
    }

    /// Asks the person here, and sees meanwhile whether the other side ends it.
    async fn asked(&mut self, question: String) -> Result<bool, Failure> {
        let (tell, mut told) = oneshot::channel();
        // Nobody waits for it where a signal ends this.
        thread::spawn(move || tell.send(output::confirm(&question)));
        loop {
            tokio::select! {
                answer = &mut told => return Ok(answer.unwrap_or(false)),
                () = sleep(PAUSE) => drop(self.look().await?),
            }
        }
    }

    async fn look(&mut self) -> Result<Stage, Failure> {
        let user = &self.with.user;
        if Instant::now() >= self.until {
            let within = self.with.within.as_secs();
            return Err(Failure::request(format!(
                "{user} has not answered within {within} seconds"
            ))
            .hinted("`--timeout SECONDS` waits longer, and the other side at most ten minutes"));
        }
        let step = Verify::Look {
            user_id: self.user_id(),
            room_id: self.with.room.as_ref().map(ToString::to_string),
            flow: self.flow.clone(),
        };
        match self.ask(&step).await? {
            Stage::Cancelled { code, reason, by_us } => {
                let who = if by_us { "it" } else { user.as_str() };
                Err(Failure::request(format!("{who} was ended: {reason} ({code})")).hinted(
                    format!(
                        "nobody was verified; `content verify {} --emoji` begins anew",
                        quoted(user.as_str())
                    ),
                ))
            }
            Stage::Gone => Err(Failure::request(
                "the service `crypto` was started anew, and knows nothing of it",
            )
            .hinted("nobody was verified: begin anew")),
            stage => Ok(stage),
        }
    }

    async fn confirm(&mut self) -> Result<(), Failure> {
        let Some(flow) = self.flow.clone() else { return Ok(()) };
        self.ask(&Verify::Confirm { user_id: self.user_id(), flow }).await.map(drop)
    }

    async fn cancel(&mut self, differs: bool) -> Result<(), Failure> {
        let Some(flow) = self.flow.take() else { return Ok(()) };
        self.ask(&Verify::Cancel { user_id: self.user_id(), flow, differs }).await.map(drop)
    }

    async fn ask(&mut self, step: &Verify) -> Result<Stage, Failure> {
        let client = self.client.afresh();
        match sealed::verify(&client, step).await? {
            Answer::Flow { flow, stage } => {
                self.flow = flow.or(self.flow.take());
                Ok(stage)
            }
            Answer::Signed { outcome } => {
                let device = self.with.device.as_deref();
                Err(refused(&outcome, &client, &self.with.user, device))
            }
            _ => Err(unclear(&client)),
        }
    }
}

/// What both have to see.
fn question(user: &str, emoji: &[(u8, String, String)], decimals: [u16; 3]) -> String {
    let numbers = decimals.map(|number| number.to_string()).join(" ");
    let mut question = format!("compare with what {user} sees:\n\n");
    for (number, picture, name) in emoji {
        question.push_str(&format!("  {picture}  {name} ({number})\n"));
    }
    if !emoji.is_empty() {
        question.push_str("\nor the numbers:");
    }
    question + &format!("  {numbers}\n\nis it the same?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_sees_names_and_numbers_or_numbers_alone() {
        let dog = [(0, "🐶".to_owned(), "Dog".to_owned())];
        let said = question("@a:x", &dog, [1234, 5678, 9012]);
        for part in ["🐶  Dog (0)", "or the numbers:  1234 5678 9012", "is it the same?"] {
            assert!(said.contains(part), "{said}");
        }
        assert!(!question("@a:x", &[], [1, 2, 3]).contains("or the numbers"));
    }
}
