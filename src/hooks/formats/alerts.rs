//! Alerts as Alertmanager and Grafana list them.

use serde_json::Value;

use super::{
    field::{self, list, shown, text},
    page::Page,
};

/// Whether a template of theirs has said it already: as a line of its own, or beside its name.
fn is_said(page: &Page, name: &str, value: &str) -> bool {
    let beside = |line: &str| has_word(line, name) && has_word(line, value);
    value.is_empty() || page.has_lines(value) || page.plain.lines().any(beside)
}

/// Whether it stands there and is no part of a longer word.
fn has_word(line: &str, word: &str) -> bool {
    !word.is_empty()
        && line.match_indices(word).any(|(at, _)| {
            let (before, behind) = (&line[..at], &line[at + word.len()..]);
            !before.ends_with(char::is_alphanumeric) && !behind.starts_with(char::is_alphanumeric)
        })
}

/// How many fire and how many are over: `1 firing, 2 resolved`.
pub(super) fn counted(body: &Value) -> String {
    let of = |status: &str| {
        list(body, "alerts").iter().filter(|alert| text(alert, "status") == status).count()
    };
    let counts = ["firing", "resolved"].map(|status| (of(status), status));
    let counts: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, status)| format!("{count} {status}"))
        .collect();
    if counts.is_empty() { text(body, "status").to_owned() } else { counts.join(", ") }
}

/// All alerts below the page, those that fire apart from those that are over.
pub(super) fn listed(page: &mut Page, body: &Value) {
    let before = page.clone();
    let mut order: Vec<&str> = vec!["firing", "resolved"];
    for alert in list(body, "alerts") {
        if !order.contains(&text(alert, "status")) {
            order.push(text(alert, "status"));
        }
    }
    for status in order {
        let those = list(body, "alerts").iter().filter(|alert| text(alert, "status") == status);
        for (at, alert) in those.enumerate() {
            if at == 0 {
                page.line();
                let mut name = status.to_owned();
                if let Some(first) = name.get_mut(..1) {
                    first.make_ascii_uppercase();
                }
                page.bold(&format!("{name}:"));
            }
            put(page, alert, &before);
        }
    }
    let more = field::at(body, "truncatedAlerts").as_u64().unwrap_or_default();
    if more > 0 {
        page.line();
        page.text(&format!("and {more} more that the sender left out"));
    }
}

fn put(page: &mut Page, alert: &Value, before: &Page) {
    page.line();
    page.text("- ");
    let name = text(alert, "labels.alertname");
    page.title(if name.is_empty() { "alert" } else { name }, text(alert, "generatorURL"));
    let summary = text(alert, "annotations.summary");
    if !is_said(before, "summary", summary) {
        page.text(": ");
        page.text(summary);
    }
    let said = |name: &str, value: &Value| {
        let value = shown(value);
        if is_said(before, name, &value) { None } else { Some(format!("{name}={value}")) }
    };
    let labels = field::at(alert, "labels").as_object().into_iter().flatten();
    let labels: Vec<String> = labels
        .filter(|(name, _)| *name != "alertname")
        .filter_map(|(name, value)| said(name, value))
        .collect();
    if !labels.is_empty() {
        page.text(&format!(" ({})", labels.join(", ")));
    }
    for (name, value) in field::at(alert, "annotations").as_object().into_iter().flatten() {
        let value = shown(value);
        if name != "summary" && !name.starts_with("__") && !is_said(before, name, &value) {
            page.pair(name, &value);
        }
    }
    // Grafana's figures: by name, or in one line where there are no names.
    let values = field::at(alert, "values").as_object().filter(|values| !values.is_empty());
    if let Some(values) = values {
        let values: Vec<String> =
            values.iter().map(|(name, value)| format!("{name}={}", shown(value))).collect();
        page.pair("values", &values.join(", "));
    } else if !is_said(before, "Value", text(alert, "valueString")) {
        page.pair("values", text(alert, "valueString"));
    }
    let links = ["dashboardURL", "panelURL", "silenceURL", "imageURL"];
    let mut is_first = true;
    for name in links.into_iter().filter(|name| !text(alert, name).is_empty()) {
        if is_first {
            page.line();
        } else {
            page.text(" ");
        }
        page.link(text(alert, name), name.trim_end_matches("URL"));
        is_first = false;
    }
    let (from, to) = (text(alert, "startsAt"), text(alert, "endsAt"));
    // Zero is how the senders' language writes that there is no moment.
    let is_moment = |moment: &str| !moment.is_empty() && !moment.starts_with("0001-");
    if is_moment(from) {
        page.line();
        page.text(&format!("since {from}"));
        if is_moment(to) && text(alert, "status") == "resolved" {
            page.text(&format!(" until {to}"));
        }
    }
}
