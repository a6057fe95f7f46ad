//! Slack's messages, small, as senders make them.

use super::*;

fn shown(body: &str) -> Result<Page, String> {
    page(serde_json::from_str::<Value>(body).unwrap().as_object().unwrap())
}

#[test]
fn links_escapes_and_marks_are_read_as_slack_reads_them() {
    for (text, plain, html) in [
        (
            "<https://ci.example.org/42|job 42> &amp; x",
            "job 42 (https://ci.example.org/42) & x",
            "<a href=\"https://ci.example.org/42\">job 42</a> &amp; x",
        ),
        (
            "<https://x.org/?a=1&amp;b=2>",
            "https://x.org/?a=1&b=2",
            "<a href=\"https://x.org/?a=1&amp;b=2\">https://x.org/?a=1&amp;b=2</a>",
        ),
        (
            "<mailto:a@x.org|Alice>",
            "Alice (mailto:a@x.org)",
            "<a href=\"mailto:a@x.org\">Alice</a>",
        ),
        (
            "<!here> *bad* _it_ ~no~ `a&lt;b`",
            "@here *bad* _it_ ~no~ a<b",
            "@here <strong>bad</strong> <em>it</em> <del>no</del> <code>a&lt;b</code>",
        ),
        ("<@U1|bob> in <#C1|ops>", "@bob in #ops", ""),
        (
            "5 * 3 * 2, snake_case_name, a < b, &amp;lt;",
            "5 * 3 * 2, snake_case_name, a < b, &lt;",
            "",
        ),
        ("**Firing** on a", "**Firing** on a", ""),
        ("```a\n  b```", "a\n  b", "<pre><code>a\n  b</code></pre>"),
        ("<!date^1^{date}|noon> <!subteam^S1|@web>", "noon @web", ""),
        (
            "*<https://x.org|a>*",
            "*a (https://x.org)*",
            "<strong><a href=\"https://x.org\">a</a></strong>",
        ),
    ] {
        let body = serde_json::json!({ "text": text, "username": "ci" });
        let page = page(body.as_object().unwrap()).unwrap();
        assert_eq!(page.plain, plain);
        assert_eq!(page.html().unwrap_or_default(), html);
    }
}

#[test]
fn attachments_are_shown_whole_and_a_fallback_only_where_there_is_nothing_else() {
    assert_eq!(
        shown(r#"{"text":"","attachments":[{"fallback":"f","text":"Hello"}]}"#).unwrap().plain,
        "Hello"
    );
    assert_eq!(shown(r#"{"attachments":[{"fallback":"f","color":"good"}]}"#).unwrap().plain, "f");
    // As Alertmanager has it, without a text of its own.
    let alert = r#"{"username":"Alertmanager","link_names":false,"attachments":[{"title":"[FIRING:1] Down",
        "title_link":"http://am.example.org/#/alerts","text":"","fallback":"[FIRING:1] Down | http://am.example.org",
        "callback_id":"","footer":"","color":"danger","mrkdwn_in":["fallback","pretext","text"]}]}"#;
    assert_eq!(shown(alert).unwrap().plain, "[FIRING:1] Down (http://am.example.org/#/alerts)");
    let page = shown(
        r##"{"channel":"#ops","username":"ci","text":"t","attachments":[{"color":"#f00","pretext":"p","author_name":"Ann",
        "author_link":"https://x.org/ann","title":"Unit tests","title_link":"https://x.org/1","text":"*3* of 120 failed",
        "fields":[{"title":"Branch","value":"main","short":true},{"title":"Runs","value":7}],
        "image_url":"https://x.org/i.png","footer":"CI","ts":1700000000,"mrkdwn_in":["text"],
        "actions":[{"type":"button","text":"Log","url":"https://x.org/log"}]}]}"##,
    )
    .unwrap();
    assert_eq!(
        page.plain,
        "t\np\nAnn (https://x.org/ann)\nUnit tests (https://x.org/1)\n*3* of 120 failed\nBranch: main\nRuns: 7\nLog (https://x.org/log)\nhttps://x.org/i.png\nCI"
    );
    assert!(page.html().unwrap().contains(
        "<strong><a href=\"https://x.org/1\">Unit tests</a></strong><br><strong>3</strong> of"
    ));
}

#[test]
fn blocks_are_shown_and_the_text_of_a_notification_not_twice() {
    let page = shown(
        r#"{"text":"Deployed web","blocks":[{"type":"header","text":{"type":"plain_text","text":"Deployed web"}},
        {"type":"section","text":{"type":"mrkdwn","text":"by <https://x.org|Ann>"},"fields":[{"type":"mrkdwn","text":"*Env*\nprod"}],
         "accessory":{"type":"button","text":{"type":"plain_text","text":"Open"},"url":"https://x.org/o"}},
        {"type":"divider"},{"type":"image","image_url":"https://x.org/i.png","alt_text":"graph"},
        {"type":"context","elements":[{"type":"mrkdwn","text":"5 min"},{"type":"plain_text","text":"ok"}]},
        {"type":"rich_text","elements":[{"type":"rich_text_section","elements":[{"type":"text","text":"see "},{"type":"link","url":"https://x.org/r","text":"r"}]},
         {"type":"rich_text_list","style":"bullet","elements":[{"type":"rich_text_section","elements":[{"type":"text","text":"one"}]},{"type":"rich_text_section","elements":[{"type":"text","text":"two"}]}]}]}]}"#,
    )
    .unwrap();
    assert_eq!(
        page.plain,
        "Deployed web\nby Ann (https://x.org)\n*Env*\nprod\nOpen (https://x.org/o)\ngraph (https://x.org/i.png)\n5 min ok\nsee r (https://x.org/r)\n- one\n- two"
    );
    let both =
        shown(r#"{"text":"a","blocks":[{"type":"section","text":{"type":"mrkdwn","text":"b"}}]}"#);
    assert_eq!(both.unwrap().plain, "a\nb");
    let part = shown(
        r#"{"text":"a","blocks":[{"type":"section","text":{"type":"mrkdwn","text":"all"}}]}"#,
    );
    assert_eq!(part.unwrap().plain, "a\nall");
}

#[test]
fn what_cannot_be_shown_is_refused_by_name() {
    for (body, reason) in [
        (
            r#"{"text":"a","attachments":[{"mystery":"x"}]}"#,
            "`mystery` is not known in an attachment",
        ),
        (r#"{"text":"a","blocks":[{"type":"input"}]}"#, "a Slack block of the type `input`"),
        (r#"{"text":"a","attachments":"x"}"#, "`attachments` is no list"),
        (r#"{"text":"a","attachments":["x"]}"#, "`attachments` has what is no object"),
        (r#"{"text":"a","channel":"b","build":42}"#, "`build` is not known"),
        (r#"{"text":"","attachments":[]}"#, "`text` is empty"),
        (r#"{"attachments":[{}]}"#, "there is no `text`"),
    ] {
        let said = shown(body).unwrap_err();
        assert!(said.contains(reason), "{body}: {said}");
    }
}

#[test]
fn what_is_begun_over_and_over_and_never_ended_keeps_nobody_busy() {
    for part in ["<", "<a\n", "`", "``` ", "*a ", "_a ~b *c "] {
        let text = part.repeat(131_072 / part.len());
        let begin = std::time::Instant::now();
        let mut page = Page::default();
        slack_text::put(&mut page, &text, true);
        slack_text::is_marked(&text);
        assert!(begin.elapsed().as_secs() < 10, "{part:?}: {:?}", begin.elapsed());
        assert!(page.plain.len() > 100_000);
    }
}
