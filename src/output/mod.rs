//! Every word the program says. Data goes to stdout, talk to stderr; in a machine format stdout gets
//! exactly one document (a stream: one a line), errors and warnings included, and stderr nothing.

pub(crate) mod harmless;
mod layout;
mod printer;
mod report;
mod rows;
mod stdout;
mod talk;

use self::talk::paint_error;
pub(crate) use self::{
    layout::{amount, fields, table},
    printer::{Output, Screen},
    report::{AnyReport, Format, Report, Sentence, View, rendered},
    rows::{Frame, Pages, Row},
    stdout::{got_out, write_bytes},
    talk::{Progress, Talk, Waiting, ask_secret, confirm, stdin_is_pipe, stdin_is_terminal},
};
