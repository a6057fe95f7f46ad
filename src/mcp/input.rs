//! What a tool takes: the arguments of its verb as a JSON schema, and a call's arguments as the words of a line.

use std::path::PathBuf;

use clap::{Arg, ArgAction, Command, builder::ValueParser};
use serde_json::{Map, Value, json};

use super::tools::Tool;

/// What only somebody at a terminal has a use for: streams, files of this machine, whom to act as.
const LEFT_OUT: [&str; 10] = [
    "follow",
    "watch",
    "foreground",
    "join",
    "help",
    "acting",
    "to",
    "_wait",
    "password_stdin",
    "password_prompt",
];

/// The arguments that a client may give; some that have a place are said by the tool already.
fn given<'a>(command: &'a Command, tool: &Tool) -> Vec<&'a Arg> {
    let said = tool.said();
    let is_path = |arg: &Arg| {
        let of = |parser: ValueParser| arg.get_value_parser().type_id() == parser.type_id();
        of(clap::value_parser!(PathBuf))
    };
    let chosen = |arg: &&Arg| {
        let id = arg.get_id().as_str();
        let is_said = arg.get_index().is_some_and(|place| place <= said);
        let is_left_out =
            LEFT_OUT.contains(&id) || tool.without.contains(&id) || is_said || is_path(arg);
        !arg.is_hide_set() && !arg.is_global_set() && !is_left_out
    };
    command.get_arguments().filter(chosen).collect()
}

/// What one argument is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Flag,
    Number,
    Text,
    List,
}

fn form(arg: &Arg) -> Form {
    match arg.get_action() {
        ArgAction::SetTrue | ArgAction::SetFalse | ArgAction::Count => return Form::Flag,
        ArgAction::Append => return Form::List,
        _ => {}
    }
    if arg.get_num_args().is_some_and(|range| range.max_values() > 1) {
        return Form::List;
    }
    let is = |parser: ValueParser| arg.get_value_parser().type_id() == parser.type_id();
    let numbers = [
        clap::value_parser!(u16).into(),
        clap::value_parser!(u32).into(),
        clap::value_parser!(u64).into(),
        clap::value_parser!(usize).into(),
        clap::value_parser!(i64).into(),
    ];
    if numbers.into_iter().any(is) { Form::Number } else { Form::Text }
}

/// The schema of the arguments; `command` is built.
pub(super) fn schema(command: &Command, tool: &Tool) -> Map<String, Value> {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for arg in given(command, tool) {
        let id = arg.get_id().as_str();
        let values: Vec<String> =
            arg.get_possible_values().iter().map(|it| it.get_name().to_owned()).collect();
        let text = || {
            if values.is_empty() {
                json!({ "type": "string" })
            } else {
                json!({ "type": "string", "enum": values })
            }
        };
        let mut property = match form(arg) {
            Form::Flag => json!({ "type": "boolean" }),
            Form::Number => json!({ "type": "integer" }),
            Form::Text => text(),
            Form::List => json!({ "type": "array", "items": text() }),
        };
        if let Some(help) = arg.get_help() {
            property["description"] = help.to_string().into();
        }
        properties.insert(id.to_owned(), property);
        if arg.is_required_set() {
            required.push(id.to_owned());
        }
    }
    let mut schema = Map::new();
    schema.insert("type".into(), "object".into());
    schema.insert("properties".into(), properties.into());
    schema.insert("required".into(), required.into());
    schema.insert("additionalProperties".into(), false.into());
    schema
}

/// One value as a word.
fn word(id: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err(format!("`{id}` must be a text, and is {value}")),
    }
}

/// The words that stand behind the verb; an error says which argument is wrong and what it has to be.
pub(super) fn line(
    command: &Command,
    tool: &Tool,
    arguments: &Map<String, Value>,
) -> Result<Vec<String>, String> {
    let known = given(command, tool);
    let is_known = |name: &String| known.iter().any(|arg| arg.get_id().as_str() == name);
    if let Some(name) = arguments.keys().find(|name| !is_known(name)) {
        let names: Vec<&str> = known.iter().map(|arg| arg.get_id().as_str()).collect();
        return Err(format!("there is no argument `{name}`; there are {}", names.join(", ")));
    }
    let (mut options, mut positions) = (Vec::new(), Vec::new());
    let mut missing: Option<&str> = None;
    for arg in known {
        let id = arg.get_id().as_str();
        let value = arguments.get(id).filter(|value| !value.is_null());
        let Some(value) = value else {
            if arg.is_required_set() {
                return Err(format!("`{id}` is missing"));
            }
            if arg.is_positional() {
                missing = missing.or(Some(id));
            }
            continue;
        };
        let words = match (form(arg), value) {
            (Form::Flag, Value::Bool(true)) => {
                options.extend(arg.get_long().map(|long| format!("--{long}")));
                continue;
            }
            (Form::Flag, Value::Bool(false)) => continue,
            (Form::Flag, _) => return Err(format!("`{id}` must be true or false, and is {value}")),
            (Form::List, Value::Array(all)) => {
                all.iter().map(|one| word(id, one)).collect::<Result<Vec<_>, _>>()?
            }
            (Form::List, one) => vec![word(id, one)?],
            (Form::Number, Value::Number(number)) => vec![number.to_string()],
            (Form::Number, Value::String(text)) if text.parse::<i64>().is_ok() => {
                vec![text.clone()]
            }
            (Form::Number, _) => {
                return Err(format!("`{id}` must be a whole number, and is {value}"));
            }
            (Form::Text, one) => vec![word(id, one)?],
        };
        if arg.is_positional() {
            if let Some(before) = missing {
                return Err(format!("`{id}` needs `{before}` too"));
            }
            positions.extend(words);
        } else {
            // In one word, so that none of them is taken for an option.
            let long = arg.get_long().unwrap_or(id);
            options.extend(words.into_iter().map(|word| format!("--{long}={word}")));
        }
    }
    options.push("--".to_owned());
    options.extend(positions);
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::tools::ALL;

    fn tool(name: &str) -> &'static Tool {
        ALL.iter().find(|tool| tool.name == name).unwrap()
    }

    fn takes(name: &str) -> Value {
        schema(&tool(name).command().unwrap(), tool(name)).into()
    }

    fn words(name: &str, arguments: &Value) -> Result<Vec<String>, String> {
        let command = tool(name).command().unwrap();
        line(&command, tool(name), arguments.as_object().unwrap())
    }

    #[test]
    fn what_a_tool_takes_is_what_its_verb_takes() {
        let schema = takes("create_room");
        assert_eq!(schema["required"], json!(["name"]));
        assert_eq!(schema["properties"]["invite"]["type"], "array");
        assert_eq!(schema["properties"]["public"]["type"], "boolean");
        assert_eq!(schema["additionalProperties"], false);
        let reads = takes("read_messages");
        assert!(reads["properties"]["follow"].is_null());
        let list = takes("list_backups");
        assert!(list["properties"]["action"].is_null() && list["properties"]["to"].is_null());
        assert!(list["properties"]["keep"].is_null());
        // What the tool says itself is not said twice.
        let incident = takes("create_incident_room");
        assert!(incident["properties"]["encrypted"].is_null());
    }

    #[test]
    fn arguments_become_words_and_none_of_them_is_taken_for_an_option() {
        let all = words("create_room", &json!({ "name": "--public", "invite": ["@a:b", "c"] }));
        assert_eq!(all.unwrap(), ["--invite=@a:b", "--invite=c", "--", "--public"]);
        let flag = words("create_room", &json!({ "name": "a", "public": true })).unwrap();
        assert_eq!(flag, ["--public", "--", "a"]);
    }

    #[test]
    fn a_wrong_argument_is_named_with_what_it_has_to_be() {
        let refused = |arguments: Value| words("create_room", &arguments).unwrap_err();
        assert_eq!(refused(json!({})), "`name` is missing");
        assert!(
            refused(json!({ "name": "a", "pubic": true }))
                .starts_with("there is no argument `pubic`")
        );
        assert_eq!(
            refused(json!({ "name": "a", "public": "yes" })),
            "`public` must be true or false, and is \"yes\""
        );
        assert_eq!(refused(json!({ "name": ["a"] })), "`name` must be a text, and is [\"a\"]");
    }
}
