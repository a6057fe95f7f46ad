//! What senders post, a file a format: each makes a page of a body, or says why it is none. All of them
//! are pure. What a sender puts where a reader would see it is on the page; what cannot be put there is
//! refused, so that nothing is lost in silence.

mod alertmanager;
mod alerts;
mod discord;
mod field;
mod github;
mod gitlab;
mod grafana;
mod own;
mod page;
mod slack;
mod slack_blocks;
mod slack_text;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub(super) use page::Page;

/// Whether a body looks like one of a format.
type Looks = fn(&Map<String, Value>) -> bool;

/// Who a webhook is made for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// Whatever its headers and its body look like
    #[default]
    Auto,
    /// `text`, `html`, `markdown` and `notice`
    Own,
    /// Slack's incoming webhooks
    Slack,
    /// Discord's webhooks
    Discord,
    /// Grafana's alerts
    Grafana,
    /// Prometheus Alertmanager
    Alertmanager,
    /// GitHub's webhooks, and Gitea's
    Github,
    /// GitLab's webhooks
    Gitlab,
}

impl Format {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Own => "own",
            Self::Slack => "slack",
            Self::Discord => "discord",
            Self::Grafana => "grafana",
            Self::Alertmanager => "alertmanager",
            Self::Github => "github",
            Self::Gitlab => "gitlab",
        }
    }

    /// Which one this is, where nobody has said it.
    pub(super) fn of(events: Events<'_>, fields: &Map<String, Value>) -> Self {
        if events.github.is_some() {
            return Self::Github;
        }
        if events.gitlab.is_some() {
            return Self::Gitlab;
        }
        let is: [(Self, Looks); 6] = [
            (Self::Grafana, grafana::is),
            (Self::Alertmanager, alertmanager::is),
            (Self::Gitlab, gitlab::is),
            (Self::Github, github::is),
            (Self::Discord, discord::is),
            (Self::Slack, slack::is),
        ];
        is.iter().find(|(_, is)| is(fields)).map_or(Self::Own, |(format, _)| *format)
    }

    /// Whether its sender takes a 429 for the end of it, and a 503 for something that passes: Alertmanager
    /// sends no more of that group until its next `group_interval`, and older versions of GitLab switch a
    /// webhook off for good after four answers of 4xx.
    pub(super) fn gives_up_when_limited(self) -> bool {
        matches!(self, Self::Alertmanager | Self::Gitlab)
    }

    /// The page of a body; none where the sender only asks whether somebody is there.
    pub(super) fn page(
        self,
        events: Events<'_>,
        fields: &Map<String, Value>,
    ) -> Result<Option<Page>, String> {
        match self {
            Self::Auto | Self::Own => own::page(fields).map(Some),
            Self::Slack => slack::page(fields).map(Some),
            Self::Discord => discord::page(fields).map(Some),
            Self::Grafana => grafana::page(fields).map(Some),
            Self::Alertmanager => alertmanager::page(fields).map(Some),
            Self::Github => github::page(events.github, fields),
            Self::Gitlab => gitlab::page(events.gitlab, fields).map(Some),
        }
    }
}

/// What the headers say that has happened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Events<'a> {
    /// `X-GitHub-Event`
    pub(crate) github: Option<&'a str>,
    /// `X-Gitlab-Event`
    pub(crate) gitlab: Option<&'a str>,
}

impl Events<'_> {
    /// Whether the sender only wants to know that somebody is there.
    pub(super) fn is_ping(self) -> bool {
        self.github == Some("ping")
    }
}
