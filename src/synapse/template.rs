//! A template filled in, and what came out read back: what we render is always YAML.

use minijinja::{Environment as Templates, UndefinedBehavior};
use serde_json::Value;

use super::{Error, overrides};

pub(crate) fn fill(
    file: &'static str,
    template: &str,
    values: &minijinja::Value,
) -> Result<String, Error> {
    let mut templates = Templates::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    templates
        .render_named_str(file, template, values)
        .map(|text| text + "\n")
        .map_err(|source| Error::Template { file, source })
}

pub(crate) fn parse(file: &'static str, text: &str) -> Result<Value, Error> {
    overrides::parse(text).map_err(|source| Error::Rendered(file, Box::new(source)))
}
