//! `content add-to-space`.

use schemars::JsonSchema;
use serde::Serialize;

pub(crate) use super::space::Args;
use super::space::{self, Child};
use crate::{
    commands::{Answered, Reply},
    context::Context,
    output::Sentence,
};

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Added(Child);

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Added> {
    let child = space::set(args, context, true).await?;
    Ok(Reply::done_if(child.changed, Added(child)))
}

impl Sentence for Added {
    fn sentence(&self) -> String {
        let Child { space_id, room_id, changed, .. } = &self.0;
        let is = if *changed { "is now" } else { "is already" };
        format!("{room_id} {is} in the space {space_id}")
    }

    fn id(&self) -> &str {
        &self.0.room_id
    }
}
