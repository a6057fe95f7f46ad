//! GitHub's webhooks ([docs]), and Gitea's, which call themselves the same.
//!
//! [docs]: https://docs.github.com/en/webhooks/webhook-events-and-payloads

use serde_json::{Map, Value};

use super::{
    field::{at, first, list, shown, text},
    page::Page,
};

/// How many commits of a push are named; the link shows all.
pub(super) const COMMITS: usize = 20;

pub(super) fn is(fields: &Map<String, Value>) -> bool {
    event(fields).is_some()
}

/// Which event a body looks like that comes without the header.
fn event(fields: &Map<String, Value>) -> Option<&'static str> {
    let has = |name: &str| fields.contains_key(name);
    if has("zen") && has("hook_id") {
        return Some("ping");
    }
    if !fields.get("repository").is_some_and(Value::is_object) {
        return None;
    }
    if has("ref") && (has("pusher") || has("commits")) {
        return Some("push");
    }
    ["workflow_run", "release", "pull_request", "issue"].into_iter().find(|name| has(name)).map(
        |name| match name {
            "issue" if has("comment") => "issue_comment",
            "issue" => "issues",
            name => name,
        },
    )
}

pub(super) fn page(
    named: Option<&str>,
    fields: &Map<String, Value>,
) -> Result<Option<Page>, String> {
    let Some(event) = named.or_else(|| event(fields)) else {
        return Err("the header `X-GitHub-Event` is missing, which says what has happened".into());
    };
    let body = Value::Object(fields.clone());
    let mut page = Page::default();
    match event {
        "ping" => return Ok(None),
        "push" => push(&mut page, &body),
        "pull_request" => item(&mut page, &body, "pull request", at(&body, "pull_request")),
        "issues" => item(&mut page, &body, "issue", at(&body, "issue")),
        "release" => release(&mut page, &body),
        "workflow_run" => workflow(&mut page, &body),
        other => generic(&mut page, &body, other),
    }
    Ok(Some(page))
}

fn who(body: &Value) -> &str {
    let name = first(body, &["sender.login", "pusher.login", "pusher.name", "pusher.username"]);
    if name.is_empty() { "somebody" } else { name }
}

fn repository(page: &mut Page, body: &Value) {
    page.aside(text(body, "repository.html_url"), text(body, "repository.full_name"));
}

fn push(page: &mut Page, body: &Value) {
    let of = text(body, "ref");
    let (kind, name) = match of.strip_prefix("refs/tags/") {
        Some(tag) => ("tag", tag),
        None => ("branch", of.strip_prefix("refs/heads/").unwrap_or(of)),
    };
    let commits = list(body, "commits");
    let is = |name: &str| at(body, name) == true;
    page.text(&format!("{} ", who(body)));
    if is("deleted") {
        page.text(&format!("deleted the {kind} {name} of "));
        return repository(page, body);
    }
    if commits.is_empty() {
        let did = if is("created") { "created" } else { "moved" };
        page.text(&format!("{did} the {kind} {name} of "));
        repository(page, body);
        page.text(" ");
        return page.link(first(body, &["compare", "compare_url"]), "compare");
    }
    let many = if commits.len() == 1 { "commit" } else { "commits" };
    let forced = if is("forced") { "force-pushed" } else { "pushed" };
    page.text(&format!("{forced} "));
    page.aside(first(body, &["compare", "compare_url"]), &format!("{} {many}", commits.len()));
    page.text(" to ");
    repository(page, body);
    page.text(&format!(" {name}"));
    if is("created") {
        page.text(&format!(" (a new {kind})"));
    }
    put_commits(page, commits, commits.len());
}

/// One commit behind a colon, several on a line each.
pub(super) fn put_commits(page: &mut Page, commits: &[Value], total: usize) {
    let title = |commit: &Value| {
        text(commit, "message").lines().next().unwrap_or_default().trim().to_owned()
    };
    if let [commit] = commits {
        page.text(": ");
        return page.link(text(commit, "url"), &title(commit));
    }
    for commit in commits.iter().take(COMMITS) {
        page.line();
        page.text("- ");
        page.link(text(commit, "url"), &title(commit));
        let author = first(commit, &["author.username", "author.name"]);
        if !author.is_empty() {
            page.text(&format!(" by {author}"));
        }
    }
    let shown = commits.len().min(COMMITS);
    if total > shown {
        page.line();
        page.text(&format!("and {} more", total - shown));
    }
}

fn item(page: &mut Page, body: &Value, kind: &str, item: &Value) {
    let action = match text(body, "action") {
        "closed" if at(item, "merged") == true => "merged".to_owned(),
        "synchronize" | "synchronized" => "updated".to_owned(),
        "review_requested" => "asked for a review of".to_owned(),
        "ready_for_review" => "marked as ready for review".to_owned(),
        action => action.replace('_', " "),
    };
    page.text(&format!("{} {action} {kind} ", who(body)));
    let title = format!("#{} {}", shown(at(item, "number")), text(item, "title"));
    page.link(text(item, "html_url"), &title);
    page.text(" in ");
    repository(page, body);
    let (from, to) = (text(item, "head.ref"), text(item, "base.ref"));
    if !from.is_empty() && !to.is_empty() {
        page.text(&format!(" ({from} into {to})"));
    }
    let label = first(body, &["label.name", "assignee.login", "requested_reviewer.login"]);
    if !label.is_empty() {
        page.text(&format!(": {label}"));
    }
}

fn release(page: &mut Page, body: &Value) {
    page.text(&format!("{} {} release ", who(body), text(body, "action").replace('_', " ")));
    let name = first(body, &["release.name", "release.tag_name"]);
    page.link(text(body, "release.html_url"), name);
    page.text(" of ");
    repository(page, body);
}

fn workflow(page: &mut Page, body: &Value) {
    let run = at(body, "workflow_run");
    let result = first(run, &["conclusion", "status"]).replace('_', " ");
    page.text("workflow ");
    let number = shown(at(run, "run_number"));
    let name = first(run, &["name", "display_title"]);
    page.link(text(run, "html_url"), &format!("{name} #{number}"));
    page.text(&format!(" {} ({}) for ", text(body, "action").replace('_', " "), result));
    repository(page, body);
    page.text(&format!(" {}", text(run, "head_branch")));
    let title = first(run, &["display_title", "head_commit.message"]);
    if !title.is_empty() && title != name {
        page.text(&format!(": {}", title.lines().next().unwrap_or_default()));
    }
}

/// What is not known better: who did what where, and a link if there is one.
fn generic(page: &mut Page, body: &Value, event: &str) {
    page.text(&format!("{}: {}", who(body), event.replace('_', " ")));
    let action = text(body, "action");
    if !action.is_empty() {
        page.text(&format!(" {}", action.replace('_', " ")));
    }
    if !text(body, "repository.full_name").is_empty() {
        page.text(" in ");
        repository(page, body);
    }
    let links = [
        "comment.html_url",
        "review.html_url",
        "discussion.html_url",
        "check_run.html_url",
        "deployment_status.target_url",
        "alert.html_url",
        "issue.html_url",
        "pull_request.html_url",
        "target_url",
        "forkee.html_url",
    ];
    let link = first(body, &links);
    if !link.is_empty() {
        page.text(" ");
        let title = first(body, &["issue.title", "pull_request.title", "discussion.title"]);
        page.link(link, title);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(event: &str, mut body: Value) -> String {
        body["repository"] = json!({ "full_name": "example/hello", "html_url": "https://github.example.org/example/hello" });
        body["sender"] = json!({ "login": "alice" });
        let body = page(Some(event), body.as_object().unwrap()).unwrap().unwrap().plain;
        body.replace("https://github.example.org", "G")
    }

    #[test]
    fn each_event_is_a_sentence_with_links() {
        let commit = |n: u32| json!({ "id": "abc", "message": format!("Fix the door {n}\n\nlong"), "url": "https://github.example.org/c", "author": { "username": "bob" } });
        let push = json!({ "ref": "refs/heads/main", "pusher": { "name": "alice" }, "compare": "https://github.example.org/x", "commits": [commit(1)] });
        assert_eq!(
            said("push", push.clone()),
            "alice pushed 1 commit to example/hello main: Fix the door 1 (G/c)"
        );
        let mut two = push.clone();
        two["commits"] = json!([commit(1), commit(2)]);
        two["forced"] = true.into();
        assert_eq!(
            said("push", two),
            "alice force-pushed 2 commits to example/hello main\n- Fix the door 1 (G/c) by bob\n- Fix the door 2 (G/c) by bob"
        );
        let gone = json!({ "ref": "refs/tags/v1", "deleted": true, "commits": [] });
        assert_eq!(said("push", gone), "alice deleted the tag v1 of example/hello");
        let pull = json!({ "action": "closed", "pull_request": { "number": 5, "title": "Door", "merged": true, "html_url": "https://github.example.org/5", "head": { "ref": "fix" }, "base": { "ref": "main" } } });
        assert_eq!(
            said("pull_request", pull),
            "alice merged pull request #5 Door (G/5) in example/hello (fix into main)"
        );
        let issue = json!({ "action": "opened", "issue": { "number": 7, "title": "It rains", "html_url": "https://github.example.org/7" } });
        assert_eq!(
            said("issues", issue.clone()),
            "alice opened issue #7 It rains (G/7) in example/hello"
        );
        let release = json!({ "action": "published", "release": { "tag_name": "v1", "name": "One", "html_url": "https://github.example.org/r" } });
        assert_eq!(said("release", release), "alice published release One (G/r) of example/hello");
        let run = json!({ "action": "completed", "workflow_run": { "name": "CI", "run_number": 3, "conclusion": "failure", "head_branch": "main", "display_title": "Fix", "html_url": "https://github.example.org/a" } });
        assert_eq!(
            said("workflow_run", run),
            "workflow CI #3 (G/a) completed (failure) for example/hello main: Fix"
        );
        let mut other = issue;
        other["comment"] = json!({ "html_url": "https://github.example.org/7#c" });
        assert_eq!(
            said("issue_comment", other),
            "alice: issue comment opened in example/hello It rains (G/7#c)"
        );
        assert_eq!(said("brand_new", json!({})), "alice: brand new in example/hello");
    }

    #[test]
    fn a_ping_is_answered_and_no_message() {
        let body = json!({ "zen": "Keep it simple.", "hook_id": 1, "hook": {} });
        assert_eq!(page(Some("ping"), body.as_object().unwrap()).unwrap(), None);
        assert_eq!(page(None, body.as_object().unwrap()).unwrap(), None);
        assert!(page(None, json!({}).as_object().unwrap()).unwrap_err().contains("X-GitHub-Event"));
    }
}
