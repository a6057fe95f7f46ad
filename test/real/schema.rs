//! Real answers are what `docs/reference/` says: as much of JSON Schema as these schemas use.

use std::fs;

use serde_json::Value;

/// Compares an answer with the schema of the command that these words name, where it has one.
#[track_caller]
pub(crate) fn check(words: &[&str], answer: &Value) {
    let named = words.iter().take_while(|word| !word.starts_with('-')).take(2);
    let name = named.copied().collect::<Vec<_>>().join("-");
    let path = format!("{}/docs/reference/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let Ok(text) = fs::read_to_string(path) else { return };
    let root: Value = serde_json::from_str(&text).unwrap();
    if let Err(what) = fits(&root, &root, answer, "answer") {
        panic!("`{name}` does not answer as docs/reference/{name}.json says: {what}");
    }
}

fn is_of(kind: &Value, value: &Value) -> bool {
    match kind.as_str() {
        Some("null") => value.is_null(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("string") => value.is_string(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => kind.as_array().is_some_and(|kinds| kinds.iter().any(|kind| is_of(kind, value))),
    }
}

fn fits(root: &Value, schema: &Value, value: &Value, place: &str) -> Result<(), String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = root.pointer(reference.trim_start_matches('#')).unwrap();
        return fits(root, target, value, place);
    }
    for word in ["anyOf", "oneOf"] {
        if let Some(choices) = schema[word].as_array() {
            // None as soon as one of them fits.
            let refused = choices.iter().try_fold(Vec::new(), |mut refused, choice| {
                refused.push(fits(root, choice, value, place).err()?);
                Some(refused)
            });
            if let Some(refused) = refused {
                return Err(refused.join(" or "));
            }
        }
    }
    if !schema["type"].is_null() && !is_of(&schema["type"], value) {
        return Err(format!("{place} is {value}, no {}", schema["type"]));
    }
    let allowed = schema["enum"].as_array();
    if allowed.is_some_and(|allowed| !allowed.contains(value))
        || schema.get("const").is_some_and(|only| only != value)
    {
        return Err(format!("{place} is {value}"));
    }
    for required in schema["required"].as_array().into_iter().flatten() {
        if value.get(required.as_str().unwrap()).is_none() {
            return Err(format!("{place} has no {required}"));
        }
    }
    if let (Some(properties), Some(fields)) = (schema["properties"].as_object(), value.as_object())
    {
        let is_open =
            ["anyOf", "oneOf", "additionalProperties"].iter().any(|it| !schema[it].is_null());
        for (name, field) in fields {
            match properties.get(name) {
                Some(schema) => fits(root, schema, field, &format!("{place}.{name}"))?,
                None if is_open => {}
                None => return Err(format!("{place} has `{name}`, of which nothing is said")),
            }
        }
    }
    for item in value.as_array().into_iter().flatten().filter(|_| schema["items"].is_object()) {
        fits(root, &schema["items"], item, &format!("an item of {place}"))?;
    }
    Ok(())
}

#[test]
fn an_answer_that_is_not_as_its_schema_says_is_found() {
    let root = serde_json::json!({
        "properties": {
            "id": { "type": "string" },
            "of": { "$ref": "#/$defs/Of" },
            "all": { "type": "array", "items": { "type": ["integer", "null"] } },
        },
        "required": ["id"],
        "type": "object",
        "$defs": { "Of": { "anyOf": [{ "const": "a" }, { "type": "null" }] } },
    });
    let said = |answer: Value| fits(&root, &root, &answer, "answer").map_err(|it| it.len());
    assert_eq!(said(serde_json::json!({ "id": "x", "of": "a", "all": [1, null] })), Ok(()));
    for wrong in [
        serde_json::json!([]),
        serde_json::json!({ "of": null }),
        serde_json::json!({ "id": 1 }),
        serde_json::json!({ "id": "x", "of": "b" }),
        serde_json::json!({ "id": "x", "all": [1, "2"] }),
        serde_json::json!({ "id": "x", "more": 1 }),
    ] {
        assert!(said(wrong.clone()).is_err(), "{wrong}");
    }
}
