//! Prometheus Alertmanager, version 4 of its webhook ([docs]): one message a group.
//!
//! [docs]: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config

use serde_json::{Map, Value};

use super::{
    alerts,
    field::{self, first, objects, shown, text},
    page::Page,
};

pub(super) fn is(fields: &Map<String, Value>) -> bool {
    fields.get("alerts").is_some_and(Value::is_array)
        && ["status", "groupKey", "receiver"].iter().any(|name| fields.contains_key(*name))
}

pub(super) fn page(fields: &Map<String, Value>) -> Result<Page, String> {
    if !fields.get("alerts").is_some_and(Value::is_array) {
        return Err("there is no list `alerts`, as Alertmanager sends it".into());
    }
    objects(fields, "alerts")?;
    let body = Value::Object(fields.clone());
    let mut page = Page::default();
    let name = first(&body, &["commonLabels.alertname", "groupLabels.alertname"]);
    let name = if name.is_empty() { "Alerts" } else { name };
    let title = format!("[{}] {name}", alerts::counted(&body));
    page.title(&title, text(&body, "externalURL"));
    let group = field::at(&body, "groupLabels").as_object().into_iter().flatten();
    let group: Vec<String> = group
        .filter(|(name, _)| *name != "alertname")
        .map(|(name, value)| format!("{name}={}", shown(value)))
        .collect();
    if !group.is_empty() {
        page.text(&format!(" {}", group.join(", ")));
    }
    // What the group has in common is said with each alert too.
    let mut rest = Page::default();
    alerts::listed(&mut rest, &body);
    page.add(&rest);
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_one_message_with_what_fires_and_what_is_over() {
        let body: Value = serde_json::from_str(
            r#"{"receiver":"matrix","status":"firing","alerts":[
              {"status":"resolved","labels":{"alertname":"InstanceDown","instance":"b:9100","severity":"page"},"annotations":{"summary":"b is down"},
               "startsAt":"2026-01-02T03:00:00Z","endsAt":"2026-01-02T03:04:05Z","generatorURL":"http://prom.example.org/g?x=1&y=2","fingerprint":"b"},
              {"status":"firing","labels":{"alertname":"InstanceDown","instance":"a:9100","severity":"page"},
               "annotations":{"summary":"a is <down>","description":"for 5 minutes","runbook_url":"https://x.org/run"},
               "startsAt":"2026-01-02T03:04:05Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"","fingerprint":"a"}],
              "groupLabels":{"alertname":"InstanceDown","job":"node"},"commonLabels":{"alertname":"InstanceDown","severity":"page"},
              "commonAnnotations":{},"externalURL":"http://am.example.org","version":"4","groupKey":"{}:{alertname=\"InstanceDown\"}","truncatedAlerts":2}"#,
        )
        .unwrap();
        let fields = body.as_object().unwrap();
        assert!(is(fields) && !super::super::grafana::is(fields));
        let page = page(fields).unwrap();
        assert_eq!(
            page.plain,
            "[1 firing, 1 resolved] InstanceDown (http://am.example.org) job=node\n\
             Firing:\n\
             - InstanceDown: a is <down> (instance=a:9100, severity=page)\n\
             description: for 5 minutes\n\
             runbook_url: https://x.org/run\n\
             since 2026-01-02T03:04:05Z\n\
             Resolved:\n\
             - InstanceDown (http://prom.example.org/g?x=1&y=2): b is down (instance=b:9100, severity=page)\n\
             since 2026-01-02T03:00:00Z until 2026-01-02T03:04:05Z\n\
             and 2 more that the sender left out"
        );
        let html = page.html().unwrap();
        assert!(
            html.contains("a is &lt;down&gt;")
                && html.contains("href=\"http://prom.example.org/g?x=1&amp;y=2\"")
        );
    }
}
