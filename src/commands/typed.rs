//! What was typed, before clap looks at it.

use std::ffi::OsString;

use clap::{ArgAction, builder::styling::Styles};

use super::{
    NAME,
    table::Entry,
    tree::{Node, TREE, globals},
};

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
        Node::Group { name, .. } => {
            let entry = words.next().and_then(|word| node.entries().find(|it| it.name == word));
            Some(entry.map_or((*name).to_owned(), |entry| format!("{name} {}", entry.name)))
        }
        Node::Leaf(entry) | Node::Alias(entry) => Some(entry.name.to_owned()),
    }
}

/// Whether only this program itself types that word.
pub(crate) fn is_hidden(word: &str) -> bool {
    TREE.iter().any(|node| match node {
        Node::Group { name, hidden: true, .. } => {
            *name == word || node.entries().any(|entry| entry.name == word)
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
        let node = TREE.iter().find(|node| node.name() == word)?;
        match node {
            Node::Leaf(entry) => Some(Self { entry, is_alias: false, words: 1 }),
            Node::Alias(entry) => Some(Self { entry, is_alias: true, words: 1 }),
            Node::Group { .. } => {
                let word = words.next()?;
                let entry = node.entries().find(|entry| entry.name == word)?;
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
            .styles(Styles::styled())
            .max_term_width(100)
            .args(globals().map(|arg| arg.global(false)))
            // `--limit -1` is then said to be a bad number, and no unknown flag.
            .mut_args(|arg| match arg.get_action() {
                ArgAction::Set | ArgAction::Append if !arg.is_positional() => {
                    arg.allow_negative_numbers(true)
                }
                _ => arg,
            });
        (with_text(command, &line), line)
    }
}

/// Where a word of the line is a text, `-5 degrees`, `- item` and `-h` are texts too; yet what looks like
/// a flag of ours and is none was misspelt.
fn with_text(command: clap::Command, line: &[OsString]) -> clap::Command {
    let texts: Vec<_> = command
        .get_positionals()
        .filter(|arg| arg.is_allow_hyphen_values_set())
        .map(|arg| arg.get_id().clone())
        .collect();
    if texts.is_empty() {
        return command;
    }
    let mut words = line.iter().filter_map(|word| word.to_str()).take_while(|word| *word != "--");
    let is_misspelt = words.clone().any(|word| {
        flag_of(word).is_some_and(|flag| {
            flag != "help" && command.get_arguments().all(|arg| arg.get_long() != Some(flag))
        })
    });
    if is_misspelt {
        let not_a_text = |arg: clap::Arg| arg.allow_hyphen_values(false);
        return texts.into_iter().fold(command, |command, id| command.mut_arg(id, not_a_text));
    }
    let asks_help = words.clone().next() == Some("-h") || words.any(|word| word == "--help");
    if asks_help { command } else { command.disable_help_flag(true) }
}

/// The name in a word that is shaped like a long flag.
fn flag_of(word: &str) -> Option<&str> {
    let name = word.strip_prefix("--")?;
    let name = name.split_once('=').map_or(name, |(name, _)| name);
    let is_name = name.starts_with(|letter: char| letter.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    is_name.then_some(name)
}
