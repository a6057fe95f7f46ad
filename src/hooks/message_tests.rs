//! What a body becomes, and what it is refused for.

use super::*;

fn content(kind: &str, body: &[u8]) -> Result<Value, Flaw> {
    let call = Call { kind, body, ..Call::default() };
    read(call, Format::Auto, None).map(|read| read.content.unwrap())
}

fn json(body: &str) -> Result<Value, Flaw> {
    content("application/json", body.as_bytes())
}

#[test]
fn text_html_markdown_and_notice_become_a_message() {
    assert_eq!(json(r#"{"text":"a"}"#).unwrap()["body"], "a");
    let slack = json(r#"{"text":"a","channel":"x","attachments":[]}"#).unwrap();
    assert_eq!(slack, json!({ "msgtype": "m.text", "body": "a", "m.mentions": {} }));
    let both = json(r#"{"text":"a","html":"<b>b</b>","notice":true}"#).unwrap();
    assert_eq!(both["body"], "a");
    assert_eq!(both["formatted_body"], "<b>b</b>");
    assert_eq!(both["msgtype"], "m.notice");
    assert_eq!(json(r#"{"html":"<b>b</b>"}"#).unwrap()["body"], "b");
    let markdown = json(r#"{"markdown":"**b** <i>"}"#).unwrap();
    assert_eq!(markdown["body"], "**b** <i>");
    assert_eq!(markdown["formatted_body"], "<strong>b</strong> &lt;i&gt;");
    assert_eq!(
        json(r#"{"text":"**b**"}"#).unwrap(),
        json!({ "msgtype": "m.text", "body": "**b**", "m.mentions": {} })
    );
    assert_eq!(content("text/plain; charset=utf-8", "ä\n".as_bytes()).unwrap()["body"], "ä\n");
    // What curl calls a body that it was given with `-d`.
    let form = content("application/x-www-form-urlencoded", br#"{"text":"a=b"}"#).unwrap();
    assert_eq!(form["body"], "a=b");
}

#[test]
fn a_form_has_fields_or_a_payload() {
    let form = |body: &str| content("application/x-www-form-urlencoded", body.as_bytes());
    assert_eq!(
        form("text=a+b%26%C3%A4&notice=true").unwrap(),
        json!({ "msgtype": "m.notice", "body": "a b&ä", "m.mentions": {} })
    );
    assert_eq!(form("payload=%7B%22text%22%3A%22a%22%7D").unwrap()["body"], "a");
    for (body, reason) in [
        ("payload=%7B", "`payload` is not valid JSON (line 1, column 1)"),
        ("text=a&text=b", "a field of the form comes twice"),
        (
            "text=a&other=b",
            "`other` is not known, and nothing is left out in silence; a template can show it",
        ),
        ("x", "the body is not valid JSON (line 1, column 1)"),
    ] {
        assert_eq!(form(body).unwrap_err().sentence(), reason);
    }
}

#[test]
fn the_sender_is_known_by_headers_and_shape() {
    let format = |events, body: &str| {
        let call = Call { kind: "application/json", events, body: body.as_bytes() };
        read(call, Format::Auto, None).unwrap()
    };
    let github = Events { github: Some("ping"), gitlab: None };
    let ping = format(github, r#"{"zen":"Be simple."}"#);
    assert_eq!((ping.format, ping.content), (Format::Github, None));
    let gitlab = Events { github: None, gitlab: Some("Issue Hook") };
    assert_eq!(format(gitlab, r#"{"object_kind":"issue"}"#).format, Format::Gitlab);
    for (body, wanted) in [
        (r#"{"text":"a"}"#, Format::Own),
        (r#"{"text":"a & <b> 1 < 2","notice":true}"#, Format::Own),
        (r#"{"text":"&lt;","html":"&lt;"}"#, Format::Own),
        (r#"{"text":"a","markdown":"a","username":"ci"}"#, Format::Own),
        (r#"{"text":"<https://x.org|a>"}"#, Format::Slack),
        (r#"{"text":"a","attachments":[]}"#, Format::Slack),
        (
            r#"{"blocks":[{"type":"header","text":{"type":"plain_text","text":"a"}}]}"#,
            Format::Slack,
        ),
        (r#"{"content":"a"}"#, Format::Discord),
        (r#"{"status":"firing","alerts":[],"groupKey":"k","version":"4"}"#, Format::Alertmanager),
        (r#"{"status":"firing","alerts":[],"title":"t","message":"m"}"#, Format::Grafana),
        (
            r#"{"ref":"refs/heads/a","pusher":{"name":"a"},"commits":[],"repository":{"full_name":"r"}}"#,
            Format::Github,
        ),
        (r#"{"object_kind":"push","ref":"a"}"#, Format::Gitlab),
    ] {
        assert_eq!(format(Events::default(), body).format, wanted, "{body}");
    }
    // One that is fixed is not guessed.
    let call = Call { body: br#"{"text":"*b* <x>"}"#, ..Call::default() };
    assert!(read(call, Format::Discord, None).is_err());
    assert_eq!(read(call, Format::Own, None).unwrap().content.unwrap()["body"], "*b* <x>");
}

#[test]
fn what_says_nothing_is_refused_with_the_reason() {
    for (body, reason) in [
        ("{", "the body is not valid JSON (line 1, column 1)"),
        ("[]", "the body is no JSON object; one is like {\"text\": \"…\"}"),
        ("\"a\"", "the body is no JSON object; one is like {\"text\": \"…\"}"),
        ("{}", "there is no `text`; a body of another kind needs a template"),
        (r#"{"text":7}"#, "`text` is no text"),
        (r#"{"text":" \n"}"#, "`text` is empty"),
        (r#"{"text":"a\u0000"}"#, "the message contains a NUL byte"),
        (r#"{"text":"a","notice":"yes"}"#, "`notice` is neither true nor false"),
        (
            r#"{"html":"a","markdown":"a"}"#,
            "`html` and `markdown` say the same twice: send one of them",
        ),
    ] {
        assert_eq!(json(body).unwrap_err().sentence(), reason, "{body}");
    }
    assert!(json(r#"{"text":"\ud800"}"#).is_err());
    assert!(json(&"[".repeat(100_000)).is_err());
    assert!(matches!(content("text/plain", b"\xff"), Err(Flaw::NotJson(_))));
    assert!(matches!(content("text/plain", b" \n"), Err(Flaw::Bad(_))));
    let large = "a".repeat(message::LARGEST);
    assert!(matches!(content("text/plain", large.as_bytes()), Err(Flaw::TooLarge(_))));
}

#[test]
fn a_template_says_what_is_shown_and_its_error_is_a_refusal() {
    let template =
        |name: &str, text: &str| Template::new(std::path::Path::new(name), text).unwrap();
    let said = |template: &Template, kind: &str, body: &str| {
        let call = Call { kind, body: body.as_bytes(), ..Call::default() };
        read(call, Format::Auto, Some(template)).map(|read| read.content.unwrap())
    };
    let body = r#"{"job":{"name":"<web>","id":7},"ok":false}"#;
    let plain =
        template("t.txt", "{{ job.name }} {% if not ok %}failed{% endif %} {{ body.job.id }}\n");
    assert_eq!(
        said(&plain, "", body).unwrap(),
        json!({ "msgtype": "m.text", "body": "<web> failed 7", "m.mentions": {} })
    );
    let html = said(&template("t.html", "<b>{{ job.name }}</b>"), "", body).unwrap();
    assert_eq!(html["formatted_body"], "<b>&lt;web&gt;</b>");
    let markdown = said(&template("t.md", "**{{ job.id }}**"), "", body).unwrap();
    assert_eq!(markdown["formatted_body"], "<strong>7</strong>");
    assert_eq!(said(&template("t", "{{ body }}!"), "text/plain", "a").unwrap()["body"], "a!");
    for (text, named) in [
        ("a\n{{ nothing }}", "`nothing`"),
        ("a\n{{ job.nothing }}", "`job.nothing`"),
        ("a\n{{ job.nothing.deep }}", "`job.nothing.deep`"),
        ("a\n{{ nothing | upper }}", "`nothing | upper`"),
        ("a\n{% for it in nothing %}{{ it }}{% endfor %}", "`nothing`"),
        ("a\n{% if nothing %}b{% endif %}", "`nothing`"),
    ] {
        let missing = said(&template("t", text), "", body).unwrap_err();
        let wanted = format!("the template fails in line 2: undefined value {named}");
        assert_eq!(missing, Flaw::Template(wanted));
    }
    let empty = said(&template("t", "{% if ok %}a{% endif %}"), "", body).unwrap_err();
    assert_eq!(empty.sentence(), "the template makes an empty message of it");
    assert!(Template::new(std::path::Path::new("t"), "{% if %}").is_err());
}
