//! What is made from the tables of verbs for others to read: the help as a file, for `cli.sh` to print
//! where the program has not been built yet, the reference of all commands and the schemas of all answers.

mod reference;
mod schemas;

use super::tree;
use crate::config::generate::compare;

#[test]
fn the_help_without_a_program_is_the_help() {
    let text = tree::tree().term_width(100).render_long_help().to_string();
    let note = "\nThe program is not built yet: `manage install` builds and installs it.\n";
    compare("lib/help.txt", &format!("{}\n{note}", text.trim_end()));
}
