//! `content remove-from-space`.

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
pub(crate) struct Removed(Child);

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Removed> {
    let child = space::set(args, context, false).await?;
    Ok(Reply::done_if(child.changed, Removed(child)))
}

impl Sentence for Removed {
    fn sentence(&self) -> String {
        let Child { space_id, room_id, changed, .. } = &self.0;
        let is = if *changed { "is no longer" } else { "is not" };
        format!("{room_id} {is} in the space {space_id}")
    }

    fn id(&self) -> &str {
        &self.0.room_id
    }
}
