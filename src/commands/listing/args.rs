//! What every list takes.

use std::marker::PhantomData;

use clap::builder::{PossibleValue, PossibleValuesParser};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value;

use crate::error::Failure;

// No doc comment here: clap would show it as the help of each list.
#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs<R: JsonSchema> {
    /// Show only these fields of each, in this order, such as `a,b`
    #[arg(long, value_name = "FIELDS", value_delimiter = ',', hide_possible_values = true)]
    #[arg(value_parser = PossibleValuesParser::new(fields::<R>()))]
    pub(super) fields: Vec<String>,
    /// Sort by this field; `-FIELD` is from the highest down
    #[arg(long, value_name = "FIELD", allow_hyphen_values = true, hide_possible_values = true)]
    #[arg(value_parser = PossibleValuesParser::new(orders::<R>()))]
    pub(super) sort: Option<String>,
    /// Show at most this many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) limit: Option<u32>,
    #[arg(skip)]
    record: PhantomData<fn(R)>,
}

impl<R: JsonSchema> Default for ListArgs<R> {
    fn default() -> Self {
        Self { fields: Vec::new(), sort: None, limit: None, record: PhantomData }
    }
}

/// The order that a server keeps: by what it calls a field, and whether from the first or the last on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ordered {
    /// Its own order where there is none.
    pub(crate) by: Option<String>,
    /// `f` or `b`.
    pub(crate) dir: Option<String>,
}

impl<R: JsonSchema> ListArgs<R> {
    /// Leaves the order to the server where it knows the field: each with what the server calls it, and
    /// with whether it begins with the highest by itself.
    pub(crate) fn ordered(&mut self, known: &[(&str, &str, bool)]) -> Ordered {
        let Some(sort) = &self.sort else { return Ordered::default() };
        let (field, is_down) = split(sort);
        let Some((_, by, begins_high)) = known.iter().find(|(it, ..)| *it == field) else {
            return Ordered::default();
        };
        let dir = if is_down == *begins_high { "f" } else { "b" };
        self.sort = None;
        Ordered { by: Some((*by).to_owned()), dir: Some(dir.to_owned()) }
    }

    /// The fields to show: one that was named twice stands once.
    pub(super) fn distinct(&self) -> Vec<String> {
        let mut fields: Vec<String> = Vec::new();
        for field in &self.fields {
            if !fields.contains(field) {
                fields.push(field.clone());
            }
        }
        fields
    }

    /// The same for records of another type; a field that those do not have is refused.
    pub(crate) fn of<S: JsonSchema>(self) -> Result<ListArgs<S>, Failure> {
        let Self { fields, sort, limit, record: _ } = self;
        let known = self::fields::<S>();
        let named = fields.iter().map(String::as_str).chain(sort.as_deref().map(|it| split(it).0));
        for field in named {
            if !known.contains(&field) {
                let message = format!("there is no field `{field}` in this list");
                return Err(Failure::request(message)
                    .hinted(format!("the fields are {}", known.join(", "))));
            }
        }
        Ok(ListArgs { fields, sort, limit, record: PhantomData })
    }
}

/// The field, and whether it is from the highest down.
pub(super) fn split(sort: &str) -> (&str, bool) {
    sort.strip_prefix('-').map_or((sort, false), |field| (field, true))
}

/// The fields of a record. They live as long as the command line that they are words of.
fn fields<R: JsonSchema>() -> Vec<&'static str> {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let schema = settings.into_generator().into_root_schema_for::<R>().to_value();
    let mut names = Vec::new();
    named(&schema, &schema, &mut names);
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(|name| &*name.leak()).collect()
}

/// The names in a schema; what is one of several has the names of all.
fn named(schema: &Value, root: &Value, names: &mut Vec<String>) {
    if let Some(path) = schema["$ref"].as_str().and_then(|it| it.strip_prefix('#'))
        && let Some(meant) = root.pointer(path)
    {
        named(meant, root, names);
    }
    names.extend(
        schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone()),
    );
    for several in ["anyOf", "oneOf"] {
        for one in schema[several].as_array().into_iter().flatten() {
            named(one, root, names);
        }
    }
}

/// What can be sorted by. Nobody is offered each field twice.
fn orders<R: JsonSchema>() -> Vec<PossibleValue> {
    let fields = fields::<R>();
    let down = fields.iter().map(|it| &*format!("-{it}").leak());
    let down: Vec<PossibleValue> = down.map(|it| PossibleValue::new(it).hide(true)).collect();
    fields.into_iter().map(PossibleValue::new).chain(down).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Dish {
        name: String,
        #[serde(rename = "type")]
        kind: Option<String>,
        price: u32,
    }

    #[derive(JsonSchema)]
    #[serde(untagged)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    enum Either {
        Dish(Dish),
        Drink { name: String, ice: bool },
    }

    #[test]
    fn the_fields_are_those_of_the_record() {
        assert_eq!(fields::<Dish>(), ["name", "price", "type"]);
        assert_eq!(fields::<Either>(), ["ice", "name", "price", "type"]);
    }

    #[test]
    fn what_the_server_sorts_by_is_left_to_it() {
        let sorted = |sort: &str| {
            let mut args = ListArgs::<Dish> { sort: Some(sort.to_owned()), ..ListArgs::default() };
            let order = args.ordered(&[("name", "title", false), ("price", "cost", true)]);
            (order.by, order.dir, args.sort)
        };
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(sorted("name"), (text("title"), text("f"), None));
        assert_eq!(sorted("-name"), (text("title"), text("b"), None));
        assert_eq!(sorted("price"), (text("cost"), text("b"), None));
        assert_eq!(sorted("-price"), (text("cost"), text("f"), None));
        assert_eq!(sorted("-type"), (None, None, text("-type")));
    }

    #[test]
    fn a_field_of_another_type_is_refused() {
        let args = ListArgs::<Either> { fields: vec!["ice".into()], ..ListArgs::default() };
        let said = args.of::<Dish>().unwrap_err();
        assert_eq!(said.error.to_string(), "there is no field `ice` in this list");
        assert_eq!(said.hint.unwrap(), "the fields are name, price, type");
    }
}
