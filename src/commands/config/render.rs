//! `config render`.

use std::fmt::{self, Write as _};

use serde::Serialize;

use crate::{
    commands::{Outcome, Result},
    context::Context,
    files,
    instance::rendered,
    output::{Output, Report},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Show only the lines that differ from the installed file
    #[arg(long)]
    diff: bool,
}

#[derive(Serialize)]
struct Rendered {
    homeserver_yaml: String,
    /// Lines that are taken away, with `-`, and that are added, with `+`.
    diff: Vec<String>,
    #[serde(skip)]
    only_diff: bool,
}

pub(crate) async fn run(args: Args, context: &Context, output: &Output) -> Result {
    let config = context.config()?;
    let new = rendered::render(config)?.homeserver;
    let old = files::read_if_exists(&config.data.homeserver_yaml())?.unwrap_or_default();
    let diff = differences(&old, &new);
    output.emit(&Rendered { homeserver_yaml: new, diff, only_diff: args.diff });
    Ok(Outcome::Done)
}

/// The shortest list of lines taken away and added (longest common subsequence).
fn differences(old: &str, new: &str) -> Vec<String> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let mut common = vec![vec![0_usize; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i][j] = if old[i] == new[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let (mut i, mut j, mut diff) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || (i < old.len() && common[i + 1][j] >= common[i][j + 1]) {
            diff.push(format!("-{}", old[i]));
            i += 1;
        } else {
            diff.push(format!("+{}", new[j]));
            j += 1;
        }
    }
    diff
}

impl Report for Rendered {
    fn text(&self, page: &mut String) -> fmt::Result {
        if !self.only_diff {
            page.push_str(&self.homeserver_yaml);
            return Ok(());
        }
        if self.diff.is_empty() {
            page.push_str("the installed file is the same");
        }
        self.diff.iter().try_for_each(|line| writeln!(page, "{line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_that_differ_are_shown() {
        assert_eq!(differences("a\nb\nc\n", "a\nx\nc\nd\n"), ["-b", "+x", "+d"]);
        assert!(differences("a\n", "a\n").is_empty());
    }
}
