//! Answers without a type of their own: what verbs that still print by themselves use. Goes away with the
//! last of them.

use std::fmt::{self, Write as _};

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::{
    context::Context,
    output::{self, Output, Report},
};

/// An answer that is a few fields.
pub(super) struct Answer {
    text: String,
    id: Option<String>,
    fields: Value,
    /// Whether the text is all there is to say, in detail or not.
    whole: bool,
}

impl Answer {
    /// With `-q` only the id is printed, and nothing where there is none.
    pub(super) fn new(text: impl Into<String>, id: Option<&str>, fields: Value) -> Self {
        let id = Some(id.unwrap_or_default().to_owned());
        Self { text: text.into(), id, fields, whole: false }
    }

    /// One whose text is what was asked for; the ids in it are what `-q` prints, if it has any.
    pub(super) fn page(text: String, ids: Option<String>, fields: Value) -> Self {
        Self { text, id: ids, fields, whole: true }
    }
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.fields.serialize(serializer)
    }
}

impl Report for Answer {
    fn text(&self, page: &mut String) -> fmt::Result {
        page.write_str(&self.text)
    }

    /// The fields that the text does not tell, as far as they are single values.
    fn details(&self, page: &mut String) -> fmt::Result {
        if self.whole { Ok(()) } else { output::untold(page, &self.fields, &self.text) }
    }

    fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

/// With `--dry-run`: says what would be done, and true.
pub(super) fn only_planned(context: &Context, output: &Output, what: &str) -> bool {
    if context.dry_run {
        let fields = serde_json::json!({ "would": what });
        output.emit(&Answer::new(format!("would {what}"), None, fields));
    }
    context.dry_run
}
