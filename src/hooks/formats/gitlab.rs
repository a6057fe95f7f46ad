//! GitLab's webhooks ([docs]).
//!
//! [docs]: https://docs.gitlab.com/user/project/integrations/webhook_events/

use serde_json::{Map, Value};

use super::{
    field::{at, first, list, shown, text},
    github::put_commits,
    page::Page,
};

pub(super) fn is(fields: &Map<String, Value>) -> bool {
    fields.get("object_kind").is_some_and(Value::is_string)
}

pub(super) fn page(named: Option<&str>, fields: &Map<String, Value>) -> Result<Page, String> {
    let body = Value::Object(fields.clone());
    let event = named.unwrap_or_default().trim_end_matches(" Hook");
    let kind = first(&body, &["object_kind", "event_name"]);
    if kind.is_empty() && event.is_empty() {
        return Err("there is no `object_kind`, which says what has happened".into());
    }
    let mut page = Page::default();
    match kind {
        "push" | "tag_push" => push(&mut page, &body, kind),
        "merge_request" => item(&mut page, &body, "merge request", "!"),
        "issue" => item(&mut page, &body, "issue", "#"),
        "pipeline" => pipeline(&mut page, &body),
        _ => {
            let kind = if kind.is_empty() { event } else { kind };
            page.text(&format!("{}: {}", who(&body), kind.replace('_', " ")));
            let action = first(&body, &["object_attributes.action", "action", "build_status"]);
            page.text(&if action.is_empty() { String::new() } else { format!(" {action}") });
            if !text(&body, "project.path_with_namespace").is_empty() {
                page.text(" in ");
                project(&mut page, &body);
            }
            let link = first(&body, &["object_attributes.url", "url"]);
            page.text(if link.is_empty() { "" } else { " " });
            page.link(link, first(&body, &["object_attributes.title", "name"]));
        }
    }
    Ok(page)
}

fn who(body: &Value) -> &str {
    let name = first(body, &["user_username", "user.username", "user_name", "user.name"]);
    if name.is_empty() { "somebody" } else { name }
}

fn project(page: &mut Page, body: &Value) {
    page.aside(text(body, "project.web_url"), text(body, "project.path_with_namespace"));
}

fn push(page: &mut Page, body: &Value, kind: &str) {
    let of = text(body, "ref");
    let name = of.strip_prefix("refs/heads/").or(of.strip_prefix("refs/tags/")).unwrap_or(of);
    let what = if kind == "tag_push" { "tag" } else { "branch" };
    let is_nothing = |path: &str| {
        let commit = text(body, path);
        !commit.is_empty() && commit.chars().all(|c| c == '0')
    };
    let commits = list(body, "commits");
    let total = at(body, "total_commits_count").as_u64().and_then(|it| usize::try_from(it).ok());
    let total = total.unwrap_or(commits.len()).max(commits.len());
    page.text(&format!("{} ", who(body)));
    if is_nothing("after") || commits.is_empty() || kind == "tag_push" {
        let did = if is_nothing("after") {
            "deleted"
        } else if is_nothing("before") {
            "created"
        } else {
            "moved"
        };
        page.text(&format!("{did} the {what} {name} of "));
        project(page, body);
        if !text(body, "message").is_empty() {
            page.text(&format!(": {}", text(body, "message")));
        }
        return;
    }
    page.text(&format!("pushed {total} {} to ", if total == 1 { "commit" } else { "commits" }));
    project(page, body);
    page.text(&format!(" {name}"));
    put_commits(page, commits, total);
}

fn item(page: &mut Page, body: &Value, kind: &str, mark: &str) {
    let item = at(body, "object_attributes");
    let action = match first(item, &["action", "state"]) {
        "open" => "opened",
        "close" => "closed",
        "reopen" => "reopened",
        "update" => "updated",
        "merge" => "merged",
        "approval" | "approved" => "approved",
        "unapproval" | "unapproved" => "took back the approval of",
        other => other,
    };
    page.text(&format!("{} {action} {kind} ", who(body)));
    let title = format!("{mark}{} {}", shown(at(item, "iid")), text(item, "title"));
    page.link(text(item, "url"), &title);
    page.text(" in ");
    project(page, body);
    let (from, to) = (text(item, "source_branch"), text(item, "target_branch"));
    if !from.is_empty() && !to.is_empty() {
        page.text(&format!(" ({from} into {to})"));
    }
}

fn pipeline(page: &mut Page, body: &Value) {
    let run = at(body, "object_attributes");
    page.text("pipeline ");
    let link = text(run, "url");
    let made = format!("{}/-/pipelines/{}", text(body, "project.web_url"), shown(at(run, "id")));
    page.link(if link.is_empty() { &made } else { link }, &format!("#{}", shown(at(run, "id"))));
    page.text(&format!(" {} for ", first(run, &["detailed_status", "status"])));
    project(page, body);
    page.text(&format!(" {} by {}", text(run, "ref"), who(body)));
    let title = first(body, &["commit.title", "commit.message"]);
    if !title.is_empty() {
        page.text(": ");
        page.link(text(body, "commit.url"), title.lines().next().unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(mut body: Value) -> String {
        body["project"] = json!({ "path_with_namespace": "example/hello", "web_url": "https://gitlab.example.org/example/hello" });
        let plain = page(None, body.as_object().unwrap()).unwrap().plain;
        plain.replace("https://gitlab.example.org", "G")
    }

    #[test]
    fn each_event_is_a_sentence_with_links() {
        let push = json!({ "object_kind": "push", "ref": "refs/heads/main", "user_username": "alice", "before": "1", "after": "2", "total_commits_count": 3,
            "commits": [{ "message": "Fix\n\nlong", "url": "https://gitlab.example.org/c", "author": { "name": "Bob" } }, { "message": "Door", "url": "https://gitlab.example.org/d" }] });
        assert_eq!(
            said(push),
            "alice pushed 3 commits to example/hello main\n- Fix (G/c) by Bob\n- Door (G/d)\nand 1 more"
        );
        let merge = json!({ "object_kind": "merge_request", "user": { "username": "alice" }, "object_attributes": { "iid": 4, "title": "Door", "action": "merge", "url": "https://gitlab.example.org/4", "source_branch": "fix", "target_branch": "main" } });
        assert_eq!(
            said(merge),
            "alice merged merge request !4 Door (G/4) in example/hello (fix into main)"
        );
        let issue = json!({ "object_kind": "issue", "user": { "username": "alice" }, "object_attributes": { "iid": 7, "title": "Rain", "action": "open", "url": "https://gitlab.example.org/7" } });
        assert_eq!(said(issue), "alice opened issue #7 Rain (G/7) in example/hello");
        let pipeline = json!({ "object_kind": "pipeline", "user": { "username": "alice" }, "object_attributes": { "id": 31, "ref": "main", "status": "failed", "detailed_status": "failed" }, "commit": { "title": "Fix", "url": "https://gitlab.example.org/c" } });
        assert_eq!(
            said(pipeline),
            "pipeline #31 (G/example/hello/-/pipelines/31) failed for example/hello main by alice: Fix (G/c)"
        );
        let gone = json!({ "object_kind": "push", "ref": "refs/heads/fix", "user_username": "alice", "before": "1", "after": "000", "commits": [] });
        assert_eq!(said(gone), "alice deleted the branch fix of example/hello");
        assert_eq!(
            said(
                json!({ "object_kind": "wiki_page", "user": { "username": "alice" }, "object_attributes": { "action": "create", "title": "Home", "url": "https://gitlab.example.org/w" } })
            ),
            "alice: wiki page create in example/hello Home (G/w)"
        );
        let tag = json!({ "object_kind": "tag_push", "ref": "refs/tags/v1", "user_username": "alice", "before": "000", "after": "2", "commits": [] });
        assert_eq!(said(tag), "alice created the tag v1 of example/hello");
    }
}
