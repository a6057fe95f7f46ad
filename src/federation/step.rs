//! One step of the walk: what was asked, what was found, and what to do about it.

use schemars::JsonSchema;
use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Good,
    /// It works, or will not for long.
    Doubtful,
    Bad,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Step {
    /// `well-known`, `srv`, `address`, `connection`, …
    pub(crate) step: &'static str,
    pub(crate) verdict: Verdict,
    /// A clause for people.
    pub(crate) finding: String,
    /// What to do, with commands in backticks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) advice: Option<String>,
}

impl Step {
    pub(crate) fn good(step: &'static str, finding: impl Into<String>) -> Self {
        Self { step, verdict: Verdict::Good, finding: finding.into(), advice: None }
    }

    pub(crate) fn doubtful(
        step: &'static str,
        finding: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        let advice = Some(advice.into());
        Self { step, verdict: Verdict::Doubtful, finding: finding.into(), advice }
    }

    pub(crate) fn bad(
        step: &'static str,
        finding: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        let advice = Some(advice.into());
        Self { step, verdict: Verdict::Bad, finding: finding.into(), advice }
    }
}
