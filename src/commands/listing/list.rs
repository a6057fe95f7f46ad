//! What a verb that lists returns.

use std::{borrow::Cow, marker::PhantomData, pin::Pin};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{args::ListArgs, rows::Rows};
use crate::{
    commands::reply::{Erased, Said, Schemas, schema},
    error::{Failure, Kind},
    output::{Frame, Row},
    reply::Outcome,
};

/// What a list is: a struct with what its document has beside the records, and what its records are.
pub(crate) trait Listed: Serialize + JsonSchema + 'static {
    type Row: Row + JsonSchema + 'static;
    /// Where the records stand in the document.
    const KEY: &'static str;
    /// In which order they come, where that means something: a sentence for the schema.
    const ORDER: &'static str = "";
    /// What people see in the place of an empty table.
    const NONE: &'static str = "";

    /// What people see above the table.
    fn before(&self) -> String {
        String::new()
    }

    /// What people see below it.
    fn after(&self, _verbose: bool) -> String {
        String::new()
    }
}

type Running<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + 'a>>;
type Run<R> = Box<dyn for<'a, 's> FnOnce(&'a mut Rows<'s, R>) -> Running<'a>>;

/// A list whose records come when somebody reads it.
pub(crate) struct List<L: Listed> {
    args: ListArgs<L::Row>,
    head: L,
    run: Run<L::Row>,
}

impl<L: Listed> List<L> {
    /// A list whose records are all there.
    pub(crate) fn of(args: ListArgs<L::Row>, head: L, rows: Vec<L::Row>) -> Self {
        Self::paged(args, head, async move |to| to.put(rows).map(drop))
    }

    /// A list whose records come page by page.
    pub(crate) fn paged<F>(args: ListArgs<L::Row>, head: L, run: F) -> Self
    where
        F: for<'a, 's> AsyncFnOnce(&'a mut Rows<'s, L::Row>) -> Result<(), Failure> + 'static,
    {
        let run: Run<L::Row> = Box::new(move |rows| Box::pin(run(rows)));
        Self { args, head, run }
    }

    /// All records at once, for another verb.
    pub(crate) async fn all(self) -> Result<Vec<L::Row>, Failure> {
        let mut rows = Rows::new(&self.args, None);
        (self.run)(&mut rows).await?;
        rows.kept()
    }
}

impl<L: Listed> Said for List<L> {
    fn erased(self) -> Erased {
        let Self { args, head, run } = self;
        Erased::Stream(Box::new(move |context, output| {
            Box::pin(async move {
                let document = match serde_json::to_value(&head) {
                    Ok(Value::Object(document)) => document,
                    Ok(_) => Map::new(),
                    Err(error) => {
                        let error = Box::new(error);
                        return Err(Failure { kind: Kind::Bug, error, hint: None });
                    }
                };
                let frame = Frame {
                    head: document,
                    key: L::KEY,
                    fields: args.distinct(),
                    before: head.before(),
                    after: head.after(context.view().verbose),
                    none: L::NONE,
                };
                let mut rows = Rows::new(&args, Some(output.pages(frame)));
                let ended = run(&mut rows).await;
                rows.end(ended).map(|()| Outcome::Done)
            })
        }))
    }

    fn schemas() -> Schemas {
        Schemas { answer: Some(schema::<Document<L>>()), record: None }
    }
}

/// The schema of a list's document.
pub(crate) struct Document<L>(PhantomData<L>);

impl<L: Listed> JsonSchema for Document<L> {
    fn schema_name() -> Cow<'static, str> {
        L::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = L::json_schema(generator);
        let mut rows = json!({ "type": "array", "items": generator.subschema_for::<L::Row>() });
        if !L::ORDER.is_empty() {
            rows["description"] = L::ORDER.into();
        }
        let mut more = generator.subschema_for::<bool>();
        more.insert("description".into(), "With `--limit`: whether it cut some off.".into());
        let total = generator.subschema_for::<usize>();
        let keys = [(L::KEY, rows), ("total", total.to_value()), ("more", more.to_value())];
        let schema_map = schema.ensure_object();
        let properties = schema_map.entry("properties").or_insert_with(|| json!({}));
        for (key, value) in keys {
            properties[key] = value;
        }
        let required = schema_map.entry("required").or_insert_with(|| json!([]));
        if let Value::Array(required) = required {
            required.extend([L::KEY, "total"].map(Value::from));
        }
        schema
    }
}
