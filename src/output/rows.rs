//! Lists: records in the columns that people see, or in the fields that were asked for, page by page.

use std::{borrow::Cow, fmt::Write as _, mem};

use serde::{Serialize, Serializer, ser::SerializeMap as _};
use serde_json::{Map, Value};

use super::{
    Format, Output, View, harmless,
    layout::Columns,
    report::unwritable,
    stdout::{write_page, write_part},
};
use crate::{clock, error::Failure};

/// One record of a list.
pub(crate) trait Row: Serialize {
    /// The columns that people see.
    const HEADING: &'static [&'static str];
    /// How many of them without `-v`.
    const FIRST: usize = usize::MAX;
    /// Whether it has an id that `-q` prints; without one that prints the table.
    const HAS_ID: bool = true;

    /// One for each column.
    fn cells(&self) -> Vec<String>;

    fn id(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }
}

/// What there is of a list beside its records.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    /// The other keys of the document.
    pub(crate) head: Map<String, Value>,
    /// Where the records stand in the document.
    pub(crate) key: &'static str,
    /// The fields that were asked for, in this order; none are all.
    pub(crate) fields: Vec<String>,
    /// What stands above the table.
    pub(crate) before: String,
    /// What stands below it.
    pub(crate) after: String,
    /// What stands in the place of a table without rows.
    pub(crate) none: &'static str,
}

/// The fields of a record that were asked for, in that order; where none were, all of them.
#[derive(Clone, Debug)]
struct Picked<'f> {
    fields: &'f [String],
    record: Value,
}

impl<'f> Picked<'f> {
    fn of(row: &impl Serialize, fields: &'f [String]) -> Result<Self, Failure> {
        Ok(Self { fields, record: serde_json::to_value(row).map_err(unwritable)? })
    }

    fn values(&self) -> impl Iterator<Item = (&'f String, &Value)> {
        self.fields.iter().map(|field| (field, &self.record[field.as_str()]))
    }
}

impl Serialize for Picked<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.fields.is_empty() {
            return self.record.serialize(serializer);
        }
        serializer.collect_map(self.values())
    }
}

/// A record as one JSON document.
fn json(row: &impl Serialize, fields: &[String]) -> Result<String, Failure> {
    let text = if fields.is_empty() {
        serde_json::to_string(row)
    } else {
        serde_json::to_string(&Picked::of(row, fields)?)
    };
    text.map_err(unwritable)
}

/// A field for people: on one line, times in words.
fn shown(field: &str, value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        value => match value.as_u64().filter(|_| field.ends_with("_ms")) {
            Some(moment) => clock::of_ms(moment),
            None => value.to_string(),
        },
    };
    harmless::one_line(&text).into_owned()
}

/// `CREATED` for `created_ms`.
fn heading(field: &str) -> String {
    field.strip_suffix("_ms").unwrap_or(field).replace('_', " ").to_uppercase()
}

/// A list that is printed as its pages come.
pub(crate) struct Pages<'o> {
    output: &'o Output,
    frame: Frame,
    columns: Columns,
    /// How many records are printed.
    total: usize,
    begun: bool,
    /// The records of a document that cannot be printed in parts.
    held: Vec<Value>,
}

impl Output {
    /// Prints a list, page by page.
    pub(crate) fn pages(&self, frame: Frame) -> Pages<'_> {
        let columns = Columns::default();
        Pages { output: self, frame, columns, total: 0, begun: false, held: Vec::new() }
    }
}

impl Pages<'_> {
    fn view(&self) -> View {
        self.output.view
    }

    /// Prints the next records. False if nobody reads any more.
    pub(crate) fn print<R: Row>(&mut self, rows: &[R]) -> Result<bool, Failure> {
        if rows.is_empty() {
            return Ok(true);
        }
        let fields = &self.frame.fields;
        let read = match self.view().format {
            Format::Yaml => {
                for row in rows {
                    self.held.push(serde_json::to_value(row).map_err(unwritable)?);
                }
                true
            }
            Format::Json => {
                let mut page = if self.begun { String::new() } else { self.frame.opening()? };
                for (place, row) in rows.iter().enumerate() {
                    page.push_str(if self.begun || place > 0 { "," } else { "" });
                    page.push_str(&json(row, fields)?);
                }
                self.output.leave_open(self.total + rows.len());
                write_part(&page)
            }
            Format::Jsonl => {
                let mut page = String::new();
                for row in rows {
                    page.push_str(&json(row, fields)?);
                    page.push('\n');
                }
                self.output.has_begun();
                write_page(&page)
            }
            Format::Text | Format::Env => {
                let mut page = String::new();
                self.text(&mut page, rows)?;
                write_page(&page)
            }
        };
        self.begun = true;
        self.total += rows.len();
        Ok(read)
    }

    fn text<R: Row>(&mut self, page: &mut String, rows: &[R]) -> Result<(), Failure> {
        let View { quiet, verbose, .. } = self.view();
        let Frame { fields, before, .. } = &self.frame;
        if quiet && fields.is_empty() && R::HAS_ID {
            for row in rows {
                page.extend([&harmless::one_line(&row.id()), "\n"]);
            }
            return Ok(());
        }
        let mut cells = Vec::with_capacity(rows.len());
        let mut columns: Vec<Cow<'_, str>> = Vec::new();
        if fields.is_empty() {
            let count = if verbose { usize::MAX } else { R::FIRST };
            columns.extend(R::HEADING.iter().take(count).map(|it| Cow::Borrowed(*it)));
            cells.extend(rows.iter().map(|row| {
                let mut cells = row.cells();
                cells.truncate(count);
                cells
            }));
        } else {
            columns.extend(fields.iter().map(|field| heading(field).into()));
            for row in rows {
                let picked = Picked::of(row, fields)?;
                cells.push(picked.values().map(|(field, value)| shown(field, value)).collect());
            }
        }
        if quiet && !fields.is_empty() {
            page.extend(cells.into_iter().map(|cells: Vec<String>| cells.join("\t") + "\n"));
            return Ok(());
        }
        if !self.begun && fields.is_empty() {
            page.push_str(&harmless::page(before));
        }
        let columns: Vec<&str> = columns.iter().map(AsRef::as_ref).collect();
        let heading = if self.begun { &[] } else { &columns[..] };
        self.columns.write(page, heading, cells).map_err(unwritable)
    }

    /// Keeps the records of a document that is not printed yet for the error that ended the list.
    pub(crate) fn broke(mut self) {
        if self.view().format == Format::Yaml && self.begun {
            let mut done = mem::take(&mut self.frame.head);
            done.insert("total".to_owned(), self.held.len().into());
            done.insert(self.frame.key.to_owned(), mem::take(&mut self.held).into());
            self.output.keep_unfinished(done.into());
        }
    }

    /// Prints what follows the last record; `more` is whether a limit cut some off, where there was one.
    pub(crate) fn end<R: Row>(mut self, more: Option<bool>) -> Result<(), Failure> {
        let View { format, quiet, verbose: _, show_secrets: _ } = self.view();
        let warnings = self.output.talk.take_warnings();
        match format {
            Format::Yaml => {
                let held = mem::take(&mut self.held).into_iter();
                let fields = &self.frame.fields;
                let rows: Vec<_> = held.map(|record| Picked { fields, record }).collect();
                let document = Document { frame: &self.frame, rows, more, warnings };
                let text = serde_yaml::to_string(&document).map_err(unwritable)?;
                write_page(text.trim_end());
            }
            Format::Json => {
                let mut page = if self.begun { String::new() } else { self.frame.opening()? };
                let rest = Rest { total: self.total, more, warnings };
                let rest = serde_json::to_string(&rest).map_err(unwritable)?;
                page.extend(["],", rest.trim_start_matches('{')]);
                self.output.close();
                write_page(&page);
            }
            Format::Jsonl if !warnings.is_empty() => {
                write_page(&serde_json::json!({ "warnings": warnings }).to_string());
            }
            Format::Jsonl => {}
            Format::Text | Format::Env => {
                let mut page = String::new();
                let is_plain = self.frame.fields.is_empty();
                let is_bare = quiet && (R::HAS_ID || !is_plain);
                let in_place = is_plain && !self.frame.none.is_empty();
                match self.begun {
                    _ if is_bare => {}
                    false if in_place => {
                        page.extend([&harmless::page(&self.frame.before), self.frame.none]);
                    }
                    false => self.text::<R>(&mut page, &[])?,
                    true => {}
                }
                if is_plain && !is_bare {
                    page.push_str(&harmless::page(&self.frame.after));
                }
                write_page(&page);
                if let (Some(true), total) = (more, self.total) {
                    self.output.talk.say(format_args!("only the first {total} are shown"));
                }
            }
        }
        Ok(())
    }
}

impl Frame {
    /// `{"room_id":"!x","members":[`
    fn opening(&self) -> Result<String, Failure> {
        let mut page = String::from("{");
        for (key, value) in &self.head {
            write!(page, "{}:{value},", Value::from(key.as_str())).map_err(unwritable)?;
        }
        write!(page, "\"{}\":[", self.key).map_err(unwritable)?;
        Ok(page)
    }
}

/// What follows the records of a document.
#[derive(Serialize)]
struct Rest {
    total: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    more: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// A whole document.
struct Document<'a> {
    frame: &'a Frame,
    rows: Vec<Picked<'a>>,
    more: Option<bool>,
    warnings: Vec<String>,
}

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in &self.frame.head {
            map.serialize_entry(key, value)?;
        }
        map.serialize_entry(self.frame.key, &self.rows)?;
        map.serialize_entry("total", &self.rows.len())?;
        if let Some(more) = self.more {
            map.serialize_entry("more", &more)?;
        }
        if !self.warnings.is_empty() {
            map.serialize_entry("warnings", &self.warnings)?;
        }
        map.end()
    }
}
