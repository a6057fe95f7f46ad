//! What can be typed. The folder tree is the command tree; a command's file holds its arguments, its
//! run and what it prints.

use std::{ffi::OsString, path::PathBuf, pin::Pin};

use clap::{
    Arg, ArgAction, ArgMatches, Args,
    builder::{PossibleValue, styling},
    value_parser,
};

use crate::{context::Context, error::Failure, output::Output};

/// What this program is called.
pub(crate) const NAME: &str = "resource-matrix-synapse";

pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod content;
pub(crate) mod credentials;
pub(crate) mod daemon;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod generated;
pub(crate) mod info;
pub(crate) mod logs;
pub(crate) mod manage;
mod moment;
pub(crate) mod status;
pub(crate) mod test;

/// How a command ended, in the contract's exit codes. Usage errors are 1 as well; a closed pipe is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// 0: it is as it was asked for.
    Done,
    /// 1: an error was printed.
    Failed,
    /// 1: the answer is complete, and it is bad (an unhealthy server, a failed test).
    Unwell,
    /// 2: there was nothing to do: already there, not found, not running.
    Moot,
}

impl Outcome {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed | Self::Unwell => 1,
            Self::Moot => 2,
        }
    }
}

pub(crate) type Result = std::result::Result<Outcome, Failure>;
type Running<'a> = Pin<Box<dyn Future<Output = Result> + 'a>>;

/// One word of the command tree. `clap` builds a command's arguments only when that command is
/// typed, which keeps a short command short.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) hidden: bool,
    pub(crate) arguments: fn(clap::Command) -> clap::Command,
    pub(crate) run: for<'a> fn(&'a ArgMatches, &'a Context, &'a Output) -> Running<'a>,
}

impl Entry {
    pub(crate) fn command(&self) -> clap::Command {
        let Self { name, about, arguments, hidden, .. } = self;
        clap::Command::new(*name).about(*about).hide(*hidden).defer(*arguments)
    }
}

/// Lists the commands of a group: `"word" => module, "what it does";`. Each module has `Args`
/// (`clap::Args`) and `async fn run(Args, &Context, &Output) -> Result`.
macro_rules! commands {
    ($($(#[$hidden:ident])? $name:literal => $module:ident, $about:literal;)+) => {
        pub(crate) const ENTRIES: &[$crate::commands::Entry] = &[$($crate::commands::Entry {
            name: $name,
            about: $about,
            hidden: false $(|| stringify!($hidden).len() > 0)?,
            arguments: $crate::commands::arguments::<$module::Args>,
            run: |matches, context, output| {
                Box::pin(async move {
                    $module::run($crate::commands::parsed(matches)?, context, output).await
                })
            },
        }),+];
    };
}
pub(crate) use commands;

/// Adds a command's arguments; the doc comments of their structs do not replace what it says of itself.
pub(crate) fn arguments<A: Args>(command: clap::Command) -> clap::Command {
    let about = command.get_about().cloned().unwrap_or_default();
    A::augment_args(command).about(about).long_about(None)
}

/// The arguments of a command out of what was typed.
pub(crate) fn parsed<A: Args>(matches: &ArgMatches) -> std::result::Result<A, Failure> {
    A::from_arg_matches(matches).map_err(|error| Failure::request(error.to_string()))
}

/// A word at the top of the tree.
pub(crate) enum Node {
    Group {
        name: &'static str,
        about: &'static str,
        hidden: bool,
        entries: &'static [Entry],
    },
    Leaf(&'static Entry),
    /// A word of `manage` that may stand alone; "already so" is then success.
    Alias(&'static Entry),
}

impl Node {
    fn name(&self) -> &'static str {
        match self {
            Self::Group { name, .. } => name,
            Self::Leaf(entry) | Self::Alias(entry) => entry.name,
        }
    }

    fn command(&self) -> clap::Command {
        match self {
            Self::Leaf(entry) => entry.command(),
            Self::Alias(entry) => entry.command().hide(true),
            Self::Group { name, about, hidden, entries } => clap::Command::new(*name)
                .about(*about)
                .hide(*hidden)
                .subcommand_required(true)
                .arg_required_else_help(true)
                .subcommands(entries.iter().map(Entry::command)),
        }
    }
}

/// The words that stand alone.
mod leaves {
    use super::{completions, credentials, info, logs, status};

    commands! {
        "status" => status, "Show how the homeserver is: 0 healthy, 1 unhealthy, 2 not running";
        "logs" => logs, "Show what the processes wrote: 2 if nothing is there";
        "info" => info, "Print what the platform wants to know before it starts this";
        "credentials" => credentials, "Print what a program needs to talk to the homeserver";
        "completions" => completions, "Print the completions for bash, zsh or fish";
    }
}

/// The entry of that name; a name that is not there does not compile.
const fn named(entries: &'static [Entry], name: &str) -> &'static Entry {
    let mut at = 0;
    while !same(entries[at].name.as_bytes(), name.as_bytes()) {
        at += 1;
    }
    &entries[at]
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

/// Everything that can be typed, in the order of the help.
pub(crate) const TREE: &[Node] = &[
    Node::Group {
        name: "manage",
        about: "Install, start, stop and remove the homeserver",
        hidden: false,
        entries: manage::ENTRIES,
    },
    Node::Group {
        name: "content",
        about: "Users, rooms, bots and messages",
        hidden: false,
        entries: content::ENTRIES,
    },
    Node::Group {
        name: "test",
        about: "Check that the server works",
        hidden: false,
        entries: test::ENTRIES,
    },
    Node::Leaf(&leaves::ENTRIES[0]),
    Node::Leaf(&leaves::ENTRIES[1]),
    Node::Leaf(&leaves::ENTRIES[2]),
    Node::Leaf(&leaves::ENTRIES[3]),
    Node::Leaf(&leaves::ENTRIES[4]),
    Node::Group {
        name: "config",
        about: "The settings, ours and Synapse's",
        hidden: false,
        entries: config::ENTRIES,
    },
    Node::Alias(named(manage::ENTRIES, "install")),
    Node::Alias(named(manage::ENTRIES, "start")),
    Node::Alias(named(manage::ENTRIES, "stop")),
    Node::Alias(named(manage::ENTRIES, "restart")),
    Node::Alias(named(manage::ENTRIES, "uninstall")),
    Node::Group {
        name: "daemon",
        about: "What runs in the background",
        hidden: true,
        entries: daemon::ENTRIES,
    },
];

/// The end of `help`: the examples and the default configuration that the contract asks for.
pub(crate) const AFTER_HELP: &str = "\
Examples:
  resource-matrix-synapse manage install --start
  resource-matrix-synapse content add-user alice
  resource-matrix-synapse content create-room Alerts --alias alerts
  resource-matrix-synapse content send-message '#alerts' 'disk full'
  resource-matrix-synapse status --verbose

Default configuration:
  server name   vrooli.local          (MATRIX_SYNAPSE_SERVER_NAME)
  address       http://127.0.0.1:8008 (MATRIX_SYNAPSE_PORT)
  data folder   ~/.vrooli/resources/matrix-synapse (MATRIX_SYNAPSE_DATA_DIR)
  database      our own PostgreSQL, or a shared one where its host is known (SYNAPSE_DB_HOST)

Exit codes: 0 done, 1 failed or unhealthy, 2 nothing to do (already so, not found, not running)";

/// Our flags that have the word after them.
fn takes_value(flag: &str) -> bool {
    matches!(flag, "--format" | "--data-dir" | "--instance" | "--set")
}

/// The words that were typed, without our flags.
pub(crate) fn words(argv: &[OsString]) -> impl Iterator<Item = &str> {
    let mut words = argv.iter().skip(1).filter_map(|word| word.to_str());
    std::iter::from_fn(move || {
        loop {
            match words.next()? {
                "--" => return None,
                flag if takes_value(flag) => drop(words.next()),
                flag if flag.starts_with('-') => {}
                word => return Some(word),
            }
        }
    })
}

/// The command or group that was typed, such as `content add-user`; none if it is hidden.
pub(crate) fn path(argv: &[OsString]) -> Option<String> {
    let mut words = words(argv);
    let node = words.next().and_then(|word| TREE.iter().find(|node| node.name() == word))?;
    match node {
        Node::Group { hidden: true, .. } => None,
        Node::Group { name, entries, .. } => {
            let entry = words.next().and_then(|word| entries.iter().find(|it| it.name == word));
            Some(entry.map_or((*name).to_owned(), |entry| format!("{name} {}", entry.name)))
        }
        Node::Leaf(entry) | Node::Alias(entry) => Some(entry.name.to_owned()),
    }
}

/// Whether only this program itself types that word.
pub(crate) fn is_hidden(word: &str) -> bool {
    TREE.iter().any(|node| match node {
        Node::Group { name, hidden: true, entries, .. } => {
            *name == word || entries.iter().any(|entry| entry.name == word)
        }
        _ => false,
    })
}

/// A command that was typed, as far as it is clear without its arguments.
pub(crate) struct Typed {
    pub(crate) entry: &'static Entry,
    /// At the top of the tree although its place is in a group.
    pub(crate) is_alias: bool,
    /// How many words name it.
    words: usize,
}

impl Typed {
    pub(crate) fn of(argv: &[OsString]) -> Option<Self> {
        let mut words = words(argv);
        let word = words.next()?;
        match TREE.iter().find(|node| node.name() == word)? {
            Node::Leaf(entry) => Some(Self { entry, is_alias: false, words: 1 }),
            Node::Alias(entry) => Some(Self { entry, is_alias: true, words: 1 }),
            Node::Group { entries, .. } => {
                let word = words.next()?;
                let entry = entries.iter().find(|entry| entry.name == word)?;
                Some(Self { entry, is_alias: false, words: 2 })
            }
        }
    }

    /// The command for clap, and its line: without the words that name it. clap builds and copies much
    /// for each command above another, so this one stands alone.
    pub(crate) fn command(&self, argv: &[OsString]) -> (clap::Command, Vec<OsString>) {
        let names: Vec<&str> = words(argv).take(self.words).collect();
        let mut left = names.iter().peekable();
        let mut rest = argv.iter().skip(1);
        let mut line = Vec::with_capacity(argv.len());
        while let Some(word) = rest.next() {
            if left.peek().is_some_and(|name| word == **name) {
                left.next();
                continue;
            }
            line.push(word.clone());
            if left.peek().is_some() && word.to_str().is_some_and(takes_value) {
                line.extend(rest.next().cloned());
            }
        }
        let name = [&[NAME], names.as_slice()].concat().join(" ");
        let Entry { name: word, about, arguments, .. } = self.entry;
        let command = arguments(clap::Command::new(*word).about(*about))
            .bin_name(name)
            .no_binary_name(true)
            .styles(styling::Styles::styled())
            .max_term_width(100)
            .args(globals().map(|arg| arg.global(false)));
        (command, line)
    }
}

/// The whole tree, for a line that names no command: it leads to help, or to an error.
pub(crate) fn tree() -> clap::Command {
    clap::Command::new(NAME)
        .version(env!("CARGO_PKG_VERSION"))
        .about("Install, run and talk through a Matrix homeserver (Synapse)")
        .after_help(AFTER_HELP)
        .styles(styling::Styles::styled())
        .max_term_width(100)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .args(globals())
        .subcommands(TREE.iter().map(Node::command))
}

pub(crate) fn globals() -> [Arg; 10] {
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).help(help).global(true).action(ArgAction::SetTrue)
    };
    [
        Arg::new("format")
            .long("format")
            .value_name("FORMAT")
            .help("Answer as text, json or yaml")
            .value_parser([
                "text".into(),
                "json".into(),
                "yaml".into(),
                PossibleValue::new("env").hide(true),
                PossibleValue::new("pretty").hide(true),
            ])
            .hide_possible_values(true)
            .global(true),
        flag("json", "Short for --format json"),
        flag("quiet", "Say nothing but the answer; where a thing has an id, only the id")
            .short('q'),
        flag("verbose", "Answer in more detail").short('v'),
        flag("dry-run", "Say what would be done, and do nothing"),
        flag("show-secrets", "Print secrets instead of *****").alias("show-sensitive"),
        Arg::new("data-dir")
            .long("data-dir")
            .value_name("FOLDER")
            .help("The data folder of the server [env: MATRIX_SYNAPSE_DATA_DIR]")
            .value_parser(value_parser!(PathBuf))
            .global(true),
        Arg::new("instance")
            .long("instance")
            .value_name("NAME")
            .help("The server of that name, beside the one without [env: MATRIX_SYNAPSE_INSTANCE]")
            .conflicts_with("data-dir")
            .global(true),
        Arg::new("set")
            .long("set")
            .value_name("KEY=VALUE")
            .help("Use this value of a setting for this command")
            .action(ArgAction::Append)
            .global(true),
        flag("no-color", "Write without colour").hide(true),
    ]
}
