//! Grafana's webhook ([docs]), and that of its legacy alerting.
//!
//! [docs]: https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/

use serde_json::{Map, Value};

use super::{
    alerts,
    field::{list, objects, shown, text},
    page::Page,
};

pub(super) fn is(fields: &Map<String, Value>) -> bool {
    let has = |name: &str| fields.contains_key(name);
    let legacy = has("ruleName") || has("ruleUrl") || has("evalMatches");
    let words = ["title", "message", "state", "orgId"].iter().any(|name| has(name));
    legacy || (fields.get("alerts").is_some_and(Value::is_array) && words)
}

pub(super) fn page(fields: &Map<String, Value>) -> Result<Page, String> {
    if !is(fields) && !fields.contains_key("alerts") {
        return Err("there is no `title`, `message` or list `alerts`, as Grafana sends it".into());
    }
    objects(fields, "alerts")?;
    let body = Value::Object(fields.clone());
    let mut page = Page::default();
    let link = ["externalURL", "ruleUrl"].map(|name| text(&body, name));
    let link = link.into_iter().find(|link| !link.is_empty()).unwrap_or_default();
    let title = text(&body, "title");
    let title = if title.is_empty() { text(&body, "ruleName") } else { title };
    page.title(if title.is_empty() { "Grafana" } else { title }, link);
    let state = if fields.contains_key("alerts") {
        alerts::counted(&body)
    } else {
        text(&body, "state").to_owned()
    };
    if !state.is_empty() {
        page.text(&format!(" ({state})"));
    }
    page.line();
    page.text(text(&body, "message"));
    for found in list(&body, "evalMatches") {
        page.pair(text(found, "metric"), &shown(&found["value"]));
    }
    if !text(&body, "imageUrl").is_empty() {
        page.line();
        page.link(text(&body, "imageUrl"), "image");
    }
    alerts::listed(&mut page, &body);
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn title_message_state_and_links_are_shown() {
        let body: Value = serde_json::from_str(
            r#"{"receiver":"matrix","status":"firing","orgId":1,"alerts":[
              {"status":"firing","labels":{"alertname":"High CPU","host":"a","rack":"a"},"annotations":{"summary":"CPU is high"},
               "startsAt":"2026-01-02T03:04:05Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"https://g.example.org/alerting/1",
               "fingerprint":"f","silenceURL":"https://g.example.org/silence","dashboardURL":"https://g.example.org/d/1","panelURL":"https://g.example.org/d/1?p=2",
               "values":{"B":95.5},"valueString":"[ var='B' value=95.5 ]"}],
              "groupLabels":{},"commonLabels":{"alertname":"High CPU"},"commonAnnotations":{},"externalURL":"https://g.example.org/",
              "version":"1","groupKey":"k","truncatedAlerts":0,"title":"[FIRING:1] High CPU","state":"alerting","message":"**Firing**\nhost = a\nCPU is high"}"#,
        )
        .unwrap();
        let fields = body.as_object().unwrap();
        assert!(is(fields));
        assert_eq!(
            page(fields).unwrap().plain,
            "[FIRING:1] High CPU (https://g.example.org/) (1 firing)\n**Firing**\nhost = a\nCPU is high\n\
             Firing:\n- High CPU (https://g.example.org/alerting/1) (rack=a)\nvalues: B=95.5\n\
             dashboard (https://g.example.org/d/1) panel (https://g.example.org/d/1?p=2) silence (https://g.example.org/silence)\n\
             since 2026-01-02T03:04:05Z"
        );
        let legacy = serde_json::json!({
            "title": "[Alerting] CPU", "ruleName": "CPU", "ruleUrl": "https://g.example.org/d/1", "state": "alerting",
            "message": "too hot", "evalMatches": [{ "metric": "cpu", "value": 97, "tags": null }],
        });
        let page = page(legacy.as_object().unwrap()).unwrap();
        assert_eq!(
            page.plain,
            "[Alerting] CPU (https://g.example.org/d/1) (alerting)\ntoo hot\ncpu: 97"
        );
    }
}
