//! Every word the program says. Data goes to stdout, talk to stderr; in a machine format stdout gets
//! exactly one document (a stream: one a line), errors and warnings included, and stderr nothing.

mod layout;
mod old;
mod printer;
mod report;
mod stdout;
mod talk;

pub(crate) use self::{
    layout::{amount, fields, table},
    printer::{Output, Screen},
    report::{AnyReport, Format, Report, Sentence, View, rendered, untold},
    stdout::got_out,
    talk::{Progress, Talk, ask_secret, confirm, stdin_is_terminal},
};
use self::{stdout::write_page, talk::paint_error};

/// Prints a text that is not a command's report: the `NAME=value` lines of `credentials`.
pub(crate) fn print_raw(text: &str) {
    write_page(text);
}
