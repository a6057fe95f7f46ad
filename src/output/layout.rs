//! How pages are laid out: columns, tables, amounts.

use std::fmt::{self, Write as _};

use comfy_table::{ColumnConstraint, Width};

use super::harmless;

/// `Name:  value` lines with the values in one column.
pub(crate) fn fields(page: &mut String, rows: &[(&str, String)]) -> fmt::Result {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0) + 2;
    for (name, value) in rows {
        // Further lines of a value cannot be taken for other fields.
        let value = value.replace('\n', &format!("\n{:width$}", ""));
        writeln!(page, "{:width$}{value}", format!("{name}:"))?;
    }
    Ok(())
}

/// A plain table: a heading and left-aligned columns, no rules, so that `awk` and `cut` work on it.
pub(crate) fn table(page: &mut String, heading: &[&str], rows: Vec<Vec<String>>) -> fmt::Result {
    Columns::default().write(page, heading, rows)
}

/// The blanks between two columns.
const GAP: u16 = 2;

/// The columns of a table that comes in parts: each is at least as wide as in the parts before.
#[derive(Debug, Default)]
pub(crate) struct Columns(Vec<u16>);

impl Columns {
    /// Writes the heading, where there is one, and the next rows.
    pub(crate) fn write(
        &mut self,
        page: &mut String,
        heading: &[&str],
        rows: Vec<Vec<String>>,
    ) -> fmt::Result {
        let cell = |cell: String| harmless::one_line(&cell).into_owned();
        let rows = rows.into_iter().map(|row| row.into_iter().map(cell).collect::<Vec<_>>());
        let mut table = comfy_table::Table::new();
        table.load_style(comfy_table::presets::NOTHING).add_rows(rows);
        if !heading.is_empty() {
            table.set_header(heading.to_vec());
        }
        for (place, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, GAP));
            if let Some(width) = self.0.get(place) {
                column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(width + GAP)));
            }
        }
        for line in table.lines() {
            writeln!(page, "{}", line.trim_end())?;
        }
        let widths = table.column_max_content_widths();
        self.0.resize(self.0.len().max(widths.len()), 0);
        for (width, new) in self.0.iter_mut().zip(widths) {
            *width = new.max(*width);
        }
        Ok(())
    }
}

/// `12.3 MB`, as people count.
pub(crate) fn amount(bytes: u64) -> String {
    let units = [(1_u64 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "KB")];
    match units.into_iter().find(|(factor, _)| bytes >= *factor) {
        Some((factor, unit)) => {
            let tenths = bytes.saturating_mul(10) / factor;
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        }
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_is_one_cell_of_a_table_and_no_other_field() {
        let mut page = String::new();
        let name = "a\nb\u{1b}[2J\u{202e}".to_owned();
        table(&mut page, &["NAME", "ID"], vec![vec![name, "!r".to_owned()]]).unwrap();
        fields(&mut page, &[("Topic", "a\nCreator: @b".to_owned()), ("Creator", "@c".to_owned())])
            .unwrap();
        let lines: Vec<&str> = page.lines().collect();
        assert_eq!(lines[1].split("  ").next(), Some("a b\u{fffd}[2J\u{fffd}"));
        assert_eq!(lines[2..], ["Topic:   a", "         Creator: @b", "Creator: @c"]);
    }

    #[test]
    fn a_table_in_parts_keeps_its_columns() {
        let row = |a: &str, b: &str| vec![vec![a.to_owned(), b.to_owned()]];
        let (mut page, mut columns) = (String::new(), Columns::default());
        columns.write(&mut page, &["USER", "NAME"], row("@alice", "Al")).unwrap();
        columns.write(&mut page, &[], row("@b", "B")).unwrap();
        columns.write(&mut page, &[], row("@charlotte", "C")).unwrap();
        columns.write(&mut page, &[], row("@d", "D")).unwrap();
        let lines: Vec<&str> = page.lines().collect();
        assert_eq!(
            lines,
            ["USER    NAME", "@alice  Al", "@b      B", "@charlotte  C", "@d          D"]
        );
    }
}
