//! Everything that can be typed, as one tree.

use std::path::PathBuf;

use clap::{
    Arg, ArgAction,
    builder::{PossibleValue, styling::Styles},
    value_parser,
};

use super::{
    NAME, config, content, daemon, help, leaves, manage,
    table::{Entry, Noun, named},
    test,
};

/// A word at the top of the tree.
pub(crate) enum Node {
    Group {
        name: &'static str,
        about: &'static str,
        hidden: bool,
        nouns: &'static [Noun],
    },
    Leaf(&'static Entry),
    /// A word of `manage` that may stand alone; "already so" is then success.
    Alias(&'static Entry),
}

impl Node {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Group { name, .. } => name,
            Self::Leaf(entry) | Self::Alias(entry) => entry.name,
        }
    }

    /// The verbs below it.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &'static Entry> {
        let nouns: &'static [Noun] = match self {
            Self::Group { nouns, .. } => nouns,
            Self::Leaf(_) | Self::Alias(_) => &[],
        };
        nouns.iter().flat_map(|noun| noun.entries)
    }

    /// For clap, with each verb as `verb` makes it.
    pub(crate) fn command(&self, verb: &dyn Fn(&Entry) -> clap::Command) -> clap::Command {
        match self {
            Self::Leaf(entry) => verb(entry),
            Self::Alias(entry) => verb(entry).hide(true),
            Self::Group { name, about, hidden, nouns } => {
                let group = clap::Command::new(*name)
                    .about(*about)
                    .hide(*hidden)
                    .subcommand_required(true)
                    .arg_required_else_help(true)
                    .subcommands(self.entries().map(verb));
                if nouns.len() > 1 { help::grouped(group, nouns) } else { group }
            }
        }
    }
}

/// Everything that can be typed, in the order of the help.
pub(crate) const TREE: &[Node] = &[
    Node::Group {
        name: "manage",
        about: "Install, start, stop and remove the homeserver",
        hidden: false,
        nouns: &[manage::NOUN],
    },
    Node::Group {
        name: "content",
        about: "Users, rooms, bots and messages",
        hidden: false,
        nouns: content::NOUNS,
    },
    Node::Group {
        name: "test",
        about: "Check that the server works",
        hidden: false,
        nouns: &[test::NOUN],
    },
    Node::Leaf(named(&leaves::NOUN, "status")),
    Node::Leaf(named(&leaves::NOUN, "logs")),
    Node::Leaf(named(&leaves::NOUN, "info")),
    Node::Leaf(named(&leaves::NOUN, "credentials")),
    Node::Leaf(named(&leaves::NOUN, "mcp")),
    Node::Leaf(named(&leaves::NOUN, "completions")),
    Node::Group {
        name: "config",
        about: "The settings, ours and Synapse's",
        hidden: false,
        nouns: &[config::NOUN],
    },
    Node::Alias(named(&manage::NOUN, "install")),
    Node::Alias(named(&manage::NOUN, "start")),
    Node::Alias(named(&manage::NOUN, "stop")),
    Node::Alias(named(&manage::NOUN, "restart")),
    Node::Alias(named(&manage::NOUN, "uninstall")),
    Node::Group {
        name: "daemon",
        about: "What runs in the background",
        hidden: true,
        nouns: &[daemon::NOUN],
    },
];

/// Each verb that can be typed, once, and the words that name it.
pub(crate) fn verbs() -> impl Iterator<Item = (String, &'static Entry)> {
    TREE.iter().flat_map(|node| -> Vec<(String, &'static Entry)> {
        match node {
            Node::Leaf(entry) => vec![(entry.name.to_owned(), *entry)],
            Node::Alias(_) | Node::Group { hidden: true, .. } => Vec::new(),
            Node::Group { name, .. } => {
                node.entries().map(|entry| (format!("{name} {}", entry.name), entry)).collect()
            }
        }
    })
}

/// The whole tree, for a line that names no command: it leads to help, or to an error.
pub(crate) fn tree() -> clap::Command {
    root(&Entry::command)
        .version(env!("CARGO_PKG_VERSION"))
        .about("Install, run and talk through a Matrix homeserver (Synapse)")
        .after_help(help::AFTER)
        .styles(Styles::styled())
        .max_term_width(100)
        .subcommand_required(true)
        .arg_required_else_help(true)
}

/// The tree with each verb as `verb` makes it.
pub(crate) fn root(verb: &dyn Fn(&Entry) -> clap::Command) -> clap::Command {
    clap::Command::new(NAME).args(globals()).subcommands(TREE.iter().map(|node| node.command(verb)))
}

/// The options that every command has.
pub(crate) fn globals() -> [Arg; 10] {
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).help(help).global(true).action(ArgAction::SetTrue)
    };
    [
        Arg::new("format")
            .long("format")
            .value_name("FORMAT")
            .help("Answer as text (of lists a table), json, jsonl (a record a line) or yaml")
            .value_parser([
                "text".into(),
                "table".into(),
                "json".into(),
                "jsonl".into(),
                "yaml".into(),
                PossibleValue::new("env").hide(true),
                PossibleValue::new("pretty").hide(true),
            ])
            .hide_possible_values(true)
            .global(true),
        flag("json", "Short for --format json"),
        flag("quiet", "Print only the answer; only the id of what has one").short('q'),
        flag("verbose", "Answer in more detail").short('v'),
        flag("dry-run", "Print what would be done, and change nothing"),
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
            .help("Use the named instance [env: MATRIX_SYNAPSE_INSTANCE]")
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
    .map(|arg| arg.help_heading("Global options"))
}
