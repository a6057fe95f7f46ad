//! What a verb returns: an answer, a stream of records, or either. Whoever called it decides what
//! becomes of that: `cli` prints it, another verb works on with it.

use std::{marker::PhantomData, pin::Pin};

use schemars::{JsonSchema, Schema, generate::SchemaSettings};
use serde::Serialize;

use crate::{
    context::Context,
    error::Failure,
    output::{AnyReport, Output, Report, Screen},
    reply::{Broken, Outcome, Stop},
};

/// What happened, and all there is to say of it.
#[derive(Debug)]
pub(crate) struct Reply<A> {
    pub(crate) outcome: Outcome,
    pub(crate) answer: A,
}

/// What most verbs return.
pub(crate) type Answered<A> = Result<Reply<A>, Stop>;

impl<A> Reply<A> {
    /// It is as it was asked for.
    pub(crate) fn done(answer: A) -> Self {
        Self { outcome: Outcome::Done, answer }
    }

    /// Done, or there was nothing to do.
    pub(crate) fn done_if(done: bool, answer: A) -> Self {
        Self { outcome: if done { Outcome::Done } else { Outcome::Moot }, answer }
    }

    /// The same as an answer of another type.
    pub(crate) fn map<B>(self, into: impl FnOnce(A) -> B) -> Reply<B> {
        Reply { outcome: self.outcome, answer: into(self.answer) }
    }
}

type Running<'s> = Pin<Box<dyn Future<Output = Result<Outcome, Failure>> + 's>>;
type Run = Box<dyn for<'s> FnOnce(&'s Context, &'s Output) -> Running<'s>>;

/// Records of the type `R` that come as they happen, such as those of `--follow`. It runs when somebody
/// reads it; an error in the middle of it is its last record.
pub(crate) struct Stream<R> {
    run: Run,
    record: PhantomData<fn(R)>,
}

impl<R: Report + 'static> Stream<R> {
    pub(crate) fn new<F>(run: F) -> Self
    where
        F: for<'s> AsyncFnOnce(&'s Context, Lines<'s, R>) -> Result<Outcome, Failure> + 'static,
    {
        let run: Run = Box::new(move |context, output| {
            let lines = Lines { output, record: PhantomData };
            Box::pin(async move { run(context, lines).await })
        });
        Self { run, record: PhantomData }
    }
}

/// Where a stream puts its records.
pub(crate) struct Lines<'s, R> {
    output: &'s Output,
    record: PhantomData<fn(R)>,
}

impl<R: Report> Lines<'_, R> {
    /// False if nobody reads any more.
    pub(crate) fn emit(&self, record: &R) -> Result<bool, Failure> {
        self.output.print_line(record)
    }

    /// Waits for the next record, but only as long as somebody reads them: then there is none.
    pub(crate) async fn while_read<T>(&self, wait: impl Future<Output = T>) -> Option<T> {
        self.output.while_read(wait).await
    }

    /// Where a record takes the place of the one before it, if a person looks at a terminal.
    pub(crate) fn screen(&self) -> Screen {
        self.output.screen()
    }

    /// False if nobody reads any more.
    pub(crate) fn show(&self, screen: &mut Screen, record: &R) -> Result<bool, Failure> {
        screen.show(self.output, record)
    }
}

/// What a verb with `--follow` returns: all at once, or a stream.
pub(crate) enum Live<A, R> {
    Reply(Reply<A>),
    Stream(Stream<R>),
}

/// The records of a stream that has none: of what only runs on.
#[derive(Serialize)]
pub(crate) enum Nothing {}

impl Report for Nothing {
    fn text(&self, _: &mut String) -> std::fmt::Result {
        match *self {}
    }
}

/// What a verb returned, where its type does not matter any more.
pub(crate) enum Erased {
    Answer(Outcome, Box<dyn AnyReport>),
    Stream(Run),
    Broken(Broken),
}

/// The JSON schemas of what a verb says.
#[derive(Default)]
pub(crate) struct Schemas {
    pub(crate) answer: Option<Schema>,
    /// Of one record of its stream.
    #[cfg_attr(not(test), expect(dead_code, reason = "the generated pages are made by tests"))]
    pub(crate) record: Option<Schema>,
}

/// Everything that a verb may return.
pub(crate) trait Said {
    fn erased(self) -> Erased;
    fn schemas() -> Schemas;
}

pub(crate) fn schema<T: JsonSchema>() -> Schema {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    settings.into_generator().into_root_schema_for::<T>()
}

impl<A: Report + JsonSchema + 'static> Said for Reply<A> {
    fn erased(self) -> Erased {
        Erased::Answer(self.outcome, Box::new(self.answer))
    }

    fn schemas() -> Schemas {
        Schemas { answer: Some(schema::<A>()), record: None }
    }
}

impl<A: Report + JsonSchema + 'static, R: JsonSchema> Said for Live<A, R> {
    fn erased(self) -> Erased {
        match self {
            Self::Reply(reply) => reply.erased(),
            Self::Stream(stream) => Erased::Stream(stream.run),
        }
    }

    fn schemas() -> Schemas {
        Schemas { answer: Some(schema::<A>()), record: Some(schema::<R>()) }
    }
}

impl<R: JsonSchema> Said for Stream<R> {
    fn erased(self) -> Erased {
        Erased::Stream(self.run)
    }

    fn schemas() -> Schemas {
        Schemas { answer: None, record: Some(schema::<R>()) }
    }
}

impl Said for Stream<Nothing> {
    fn erased(self) -> Erased {
        Erased::Stream(self.run)
    }

    fn schemas() -> Schemas {
        Schemas::default()
    }
}

impl From<Stop> for Result<Erased, Failure> {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Failed(failure) => Err(failure),
            Stop::Planned(planned) => Ok(Erased::Answer(planned.outcome, Box::new(planned))),
            Stop::Absent(absent) => Ok(Erased::Answer(Outcome::Moot, Box::new(absent))),
            Stop::Broken(broken) => Ok(Erased::Broken(broken)),
        }
    }
}

/// A reply of any type, of a verb that was called by another.
pub(crate) fn erased<S: Said>(said: Result<S, Stop>) -> Result<Erased, Failure> {
    said.map_or_else(Into::into, |said| Ok(said.erased()))
}

/// Prints what a verb said.
pub(crate) async fn deliver(
    said: Result<Erased, Failure>,
    context: &Context,
    output: &Output,
) -> Result<Outcome, Failure> {
    match said? {
        Erased::Answer(outcome, answer) => output.print(&*answer).map(|()| outcome),
        Erased::Stream(run) => run(context, output).await,
        Erased::Broken(Broken { failure, done }) => {
            output.print_unfinished(&*done)?;
            Err(failure)
        }
    }
}
