//! `content find-user`.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{Answered, Reply, content::arguments::Patience},
    context::Context,
    error::Failure,
    matrix::{
        Error,
        admin::users::{by_external_id, by_threepid},
    },
    output::Sentence,
    reply::Stop,
};

#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("by").required(true)))]
pub(crate) struct Args {
    /// By this address of theirs
    #[arg(long, value_name = "ADDRESS", group = "by")]
    pub(crate) email: Option<String>,
    /// By this number of theirs, with the code of the country
    #[arg(long, value_name = "NUMBER", group = "by")]
    pub(crate) phone: Option<String>,
    /// By what this provider of logins calls them: its name in Synapse, such as `oidc-keycloak`
    #[arg(long, value_name = "NAME", group = "by", requires = "external_id")]
    pub(crate) provider: Option<String>,
    /// What the provider calls them
    #[arg(long, value_name = "ID", requires = "provider")]
    pub(crate) external_id: Option<String>,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Found {
    user_id: String,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Found> {
    let operator = args.patience.operator(context)?;
    let Args { email, phone, provider, external_id, .. } = args;
    let (key, shown, answer) = if let Some((provider, id)) = provider.zip(external_id) {
        usable(&provider)?;
        usable(&id)?;
        let shown = format!("{id} of {provider}");
        let request = by_external_id::Request { provider: provider.into(), external_id: id.into() };
        ("external_id", shown, operator.send(request).await.map(|found| found.user_id))
    } else {
        let (key, medium, address) = match (email, phone) {
            // As Synapse keeps them.
            (Some(email), _) => ("email", "email", email.to_lowercase()),
            (_, phone) => {
                let digits = phone.unwrap_or_default();
                ("phone", "msisdn", digits.chars().filter(char::is_ascii_digit).collect())
            }
        };
        usable(&address)?;
        let request =
            by_threepid::Request { medium: medium.into(), address: address.clone().into() };
        (key, address, operator.send(request).await.map(|found| found.user_id))
    };
    match answer {
        Ok(user_id) => Ok(Reply::done(Found { user_id: user_id.into() })),
        Err(error @ Error::Refused { .. }) if error.is_not_found() => {
            Err(Stop::absent("user with", key, shown))
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether a text can be a step in a path.
fn usable(text: &str) -> Result<(), Failure> {
    if ["", ".", ".."].contains(&text) {
        return Err(Failure::request(format!("nobody can be found by `{text}`")));
    }
    Ok(())
}

impl Sentence for Found {
    fn sentence(&self) -> String {
        self.user_id.clone()
    }

    fn id(&self) -> &str {
        &self.user_id
    }
}
