//! The tables of verbs: each is a row with its word, its module and what it does. The command tree, the
//! help, completions, the generated pages and hints are made from them.

use std::pin::Pin;

use clap::{ArgMatches, Args};

use super::reply::{Erased, Said, Schemas};
use crate::{context::Context, error::Failure, reply::Stop};

type Running<'a> = Pin<Box<dyn Future<Output = Result<Erased, Failure>> + 'a>>;

/// Calls a verb with what was typed.
type Run = for<'a> fn(&'a ArgMatches, &'a Context) -> Running<'a>;

/// One word of the command tree. `clap` builds a command's arguments only when that command is
/// typed, which keeps a short command short.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) hidden: bool,
    pub(crate) arguments: fn(clap::Command) -> clap::Command,
    pub(crate) run: Run,
    pub(crate) schemas: fn() -> Schemas,
}

impl Entry {
    pub(crate) fn command(&self) -> clap::Command {
        self.bare().defer(self.arguments)
    }

    /// Without its arguments.
    pub(crate) fn bare(&self) -> clap::Command {
        clap::Command::new(self.name).about(self.about).hide(self.hidden)
    }
}

/// Verbs that belong together: what they are about is the heading above them in the help.
#[derive(Clone, Copy)]
pub(crate) struct Noun {
    pub(crate) heading: &'static str,
    pub(crate) entries: &'static [Entry],
}

/// Lists verbs: `"Heading"; "word" => module, "what it does";`. Each module has `Args` (`clap::Args`) and
/// `async fn run(Args, &Context)`, which returns what happened. `#[hidden]` keeps a verb out of the help; what is
/// `#[synapse]` is refused by its name where the homeserver is Dendrite.
macro_rules! commands {
    ($heading:literal; $($(#[$mark:ident])* $name:literal => $module:ident, $about:literal;)+) => {
        pub(crate) const NOUN: $crate::commands::table::Noun = $crate::commands::table::Noun {
            heading: $heading,
            entries: &[$($crate::commands::table::Entry {
                name: $name,
                about: $about,
                hidden: $crate::commands::table::is_marked(&[$(stringify!($mark)),*], "hidden"),
                arguments: $crate::commands::table::arguments::<$module::Args>,
                run: |matches, context| {
                    Box::pin(async move {
                        if $crate::commands::table::is_marked(&[$(stringify!($mark)),*], "synapse") {
                            $crate::commands::table::require_synapse(context, $name)?;
                        }
                        let args = $crate::commands::table::parsed(matches)?;
                        $crate::commands::reply::erased($module::run(args, context).await)
                    })
                },
                schemas: || $crate::commands::table::schemas_of($module::run),
            }),+],
        };
    };
}
pub(crate) use commands;

/// The schemas of what a verb returns.
pub(crate) fn schemas_of<A, F, R, S>(_: F) -> Schemas
where
    F: Fn(A, &'static Context) -> R,
    R: Future<Output = Result<S, Stop>>,
    S: Said,
{
    S::schemas()
}

/// Refuses a verb that Dendrite has nothing for, before anything else.
pub(crate) fn require_synapse(context: &Context, name: &str) -> Result<(), Failure> {
    if !context.data()?.is_dendrite() {
        return Ok(());
    }
    Err(Failure::request(format!("`{name}` is not there with Dendrite: only Synapse can do that"))
        .hinted("`docs/dendrite.md` lists what can be done with Dendrite; nothing was changed"))
}

pub(crate) const fn is_marked(marks: &[&str], mark: &str) -> bool {
    let mut at = 0;
    while at < marks.len() {
        if same(marks[at].as_bytes(), mark.as_bytes()) {
            return true;
        }
        at += 1;
    }
    false
}

/// Adds a command's arguments; the doc comments of their structs do not replace what it says of itself.
pub(crate) fn arguments<A: Args>(command: clap::Command) -> clap::Command {
    let about = command.get_about().cloned().unwrap_or_default();
    A::augment_args(command).about(about).long_about(None)
}

/// The arguments of a command out of what was typed.
pub(crate) fn parsed<A: Args>(matches: &ArgMatches) -> Result<A, Failure> {
    A::from_arg_matches(matches).map_err(|error| Failure::request(error.to_string()))
}

/// The entry of that name; a name that is not there does not compile.
pub(crate) const fn named(noun: &'static Noun, name: &str) -> &'static Entry {
    let mut at = 0;
    while !same(noun.entries[at].name.as_bytes(), name.as_bytes()) {
        at += 1;
    }
    &noun.entries[at]
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}
