//! The parts of the help that clap does not make.

use std::fmt::Write as _;

use clap::builder::styling::Styles;

use super::table::Noun;

/// The end of `help`: the examples and the default configuration that the contract asks for.
pub(crate) const AFTER: &str = "\
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

/// Gives a group a help in which its verbs stand below the headings of their nouns.
pub(super) fn grouped(group: clap::Command, nouns: &[Noun]) -> clap::Command {
    let mut list = String::new();
    let shown = || nouns.iter().flat_map(|noun| noun.entries).filter(|entry| !entry.hidden);
    let width = shown().map(|entry| entry.name.len()).max().unwrap_or(0);
    let styles = Styles::styled();
    let (header, literal) = (styles.get_header(), styles.get_literal());
    for Noun { heading, entries } in nouns {
        // Nobody is left to be told: writing to a String works.
        writeln!(list, "{header}{heading}:{header:#}").ok();
        for entry in entries.iter().filter(|entry| !entry.hidden) {
            let (name, about) = (entry.name, entry.about);
            let rest = width - name.len();
            writeln!(list, "  {literal}{name}{literal:#}{:rest$}  {about}", "").ok();
        }
        list.push('\n');
    }
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{list}{header}Global options:{header:#}\n{{options}}"
    );
    group.help_template(template)
}
