//! A webhook's own template: what of a body is shown, and how.

use std::path::Path;

use minijinja::{AutoEscape, Environment as Templates, UndefinedBehavior, value::Serde};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::formats::Page;
use crate::matrix::message::{self, Markup};

/// The name that it has in itself.
const NAME: &str = "hook";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Template {
    text: String,
    kind: Kind,
}

/// What it makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Plain,
    Markdown,
    Html,
}

impl Template {
    /// A template that can be read; what it makes is told by the end of the file's name.
    pub(crate) fn new(file: &Path, text: &str) -> Result<Self, minijinja::Error> {
        let name = file.to_string_lossy().to_ascii_lowercase();
        let name = name.trim_end_matches(".j2").trim_end_matches(".jinja");
        let is = |end: &str| name.ends_with(end);
        let kind = if is(".html") || is(".htm") {
            Kind::Html
        } else if is(".md") {
            Kind::Markdown
        } else {
            Kind::Plain
        };
        let template = Self { text: text.to_owned(), kind };
        template.templates().template_from_named_str(NAME, text)?;
        Ok(template)
    }

    fn templates(&self) -> Templates<'static> {
        let mut templates = Templates::new();
        // A field that is missing is not shown as nothing.
        templates.set_undefined_behavior(UndefinedBehavior::Strict);
        // An error then knows where in the template it is.
        templates.set_debug(true);
        let is_html = self.kind == Kind::Html;
        templates.set_auto_escape_callback(move |_| {
            if is_html { AutoEscape::Html } else { AutoEscape::None }
        });
        templates
    }

    /// What of the template an error is about.
    fn expression(&self, error: &minijinja::Error) -> String {
        const LONGEST: usize = 100;
        let place = error.range().and_then(|at| Some((self.text.get(..at.start)?, at)));
        let Some((before, range)) = place else { return String::new() };
        let start = if before.trim_end().ends_with('|') {
            // A filter's name says nothing of what was filtered.
            before.rfind(['{', '%']).map_or(0, |brace| brace + 1)
        } else if self.text[range.start..].starts_with('.') {
            // It begins with the last field that was found.
            let name = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
            before.trim_end_matches(name).len()
        } else {
            range.start
        };
        let found = self.text.get(start..range.end).map(str::trim);
        let found =
            found.filter(|text| (1..=LONGEST).contains(&text.len()) && !text.contains('\n'));
        found.map(|text| format!(" `{text}`")).unwrap_or_default()
    }

    /// What it makes of a body, whose fields are names in it; `body` is the whole.
    pub(super) fn page(&self, body: &Value) -> Result<Page, String> {
        let mut fields = serde_json::Map::new();
        if let Value::Object(own) = body {
            fields.clone_from(own);
        }
        fields.entry("body").or_insert_with(|| body.clone());
        let made = self.templates().render_named_str(NAME, &self.text, Serde(&fields));
        // Its details may say what is in the body.
        let text = made.map_err(|error| {
            let place = error.line().map(|line| format!(" in line {line}")).unwrap_or_default();
            format!("the template fails{place}: {}{}", error.kind(), self.expression(&error))
        })?;
        let text = text.trim();
        let page = match self.kind {
            Kind::Plain => Page::of(text, None, false),
            Kind::Markdown => Page::of_markdown(text),
            Kind::Html => {
                let content = message::text(text, Markup::Html, false);
                let plain = content["body"].as_str().unwrap_or_default();
                Page::of(plain, Some(text.to_owned()), false)
            }
        };
        if page.is_empty() {
            return Err("the template makes an empty message of it".into());
        }
        Ok(page)
    }
}
