//! How pages are laid out: columns, tables, amounts.

use std::fmt::{self, Write as _};

/// `Name:  value` lines with the values in one column.
pub(crate) fn fields(page: &mut String, rows: &[(&str, String)]) -> fmt::Result {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0) + 2;
    for (name, value) in rows {
        writeln!(page, "{:width$}{value}", format!("{name}:"))?;
    }
    Ok(())
}

/// A plain table: a heading and left-aligned columns, no rules, so that `awk` and `cut` work on it.
pub(crate) fn table(page: &mut String, heading: &[&str], rows: Vec<Vec<String>>) -> fmt::Result {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header(heading.to_vec()).add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    for line in table.lines() {
        writeln!(page, "{}", line.trim_end())?;
    }
    Ok(())
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
