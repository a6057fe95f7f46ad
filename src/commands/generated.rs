//! The help as a file, for `cli.sh` to print where the program has not been built yet.

#[test]
fn the_help_without_a_program_is_the_help() {
    let text = super::tree().term_width(100).render_long_help().to_string();
    let note = "\nThe program is not built yet: `manage install` builds and installs it.\n";
    crate::config::generate::compare("lib/help.txt", &format!("{}\n{note}", text.trim_end()));
}
