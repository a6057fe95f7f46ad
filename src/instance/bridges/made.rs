//! What a bridge would be, and all that would be refused of it, before anything is changed.

use std::time::Duration;

use rand::rng;

use super::Wanted;
use crate::{
    bridges::{self, Bridge, Found, Kind, Made, Registration},
    config::Config,
    error::Failure,
    matrix::{self, admin::users, session},
    postgres, process, render, synapse,
};

/// How long the homeserver may take to say who is there.
const PATIENCE: Duration = Duration::from_secs(10);

/// The bridge as it would be; refuses what cannot be. Nothing is changed.
pub(super) async fn made(
    config: &Config,
    wanted: &Wanted,
    there: &[Found],
) -> Result<Made, Failure> {
    let Wanted { name, asked, network, registration, .. } = wanted;
    if let Some(program) = &asked.program
        && !process::is_program(program)
    {
        return Err(bridges::Error::Program(program.clone()).into());
    }
    let (registration, listens) = if let Some((path, text)) = registration {
        let registration = Registration::read(path, text.expose())?;
        let port = registration.local_port();
        if let Some(port) = port.filter(|_| !asked.command.is_empty()) {
            bridges::port(config, Some(port), there)?;
        }
        (registration, port)
    } else {
        let port = bridges::port(config, asked.port, there)?;
        (bridges::registration(config, asked.kind, name, port, &mut rng()), Some(port))
    };
    let server = config.server.name.to_string();
    registration.fits_beside(there.iter().filter_map(Found::registration), &server)?;
    let operator = format!("@{}:{server}", config.server.operator.0);
    if let Ok(operator) = <&ruma::UserId>::try_from(operator.as_str()) {
        registration.leaves(operator, "the account that this program acts with")?;
    }
    for user in session::others(&config.data) {
        registration.leaves(&user, "an account of a bot or a user here")?;
    }
    is_nobody(config, &registration).await?;
    owner_is_there(config, asked.owner.as_ref()).await?;
    owns_nobody(config, &registration).await?;
    // Synapse takes a second to say what it thinks of it, so it comes last.
    if let Some((path, text)) = &wanted.registration {
        let named = [(path.display().to_string(), text.expose().to_owned())];
        let environment = render::environment(config);
        let verdict = synapse::appservice::judge(&environment, &server, &named).await?;
        if let Some(why) = verdict.into_iter().flatten().next() {
            return Err(bridges::Error::Registration { path: path.clone(), why }.into());
        }
    }
    let hooks = match (asked.kind, listens) {
        (Kind::Hookshot, Some(port)) => Some(bridges::port_beside(config, port, there)?),
        _ => None,
    };
    let database = asked.kind.wants_database().then(|| database_name(config, name));
    let bridge = Bridge {
        name: name.clone(),
        asked: asked.clone(),
        id: registration.id.clone(),
        listens,
        hooks,
        database,
    };
    Ok(Made { bridge, registration, network: network.clone() })
}

fn database_name(config: &Config, name: &str) -> String {
    /// What PostgreSQL cuts a name off at.
    const LONGEST: usize = 63;
    let name = format!("_{}", name.replace('-', "_"));
    let ours = &config.database.name.0;
    let end = ours.floor_char_boundary(LONGEST.saturating_sub(name.len()));
    ours[..end].to_owned() + &name
}

/// Refuses an owner of this homeserver whom there is not: nobody could rule the bridge.
async fn owner_is_there(config: &Config, owner: Option<&String>) -> Result<(), Failure> {
    let Some(owner) = owner else { return Ok(()) };
    let Ok(user_id) = ruma::OwnedUserId::try_from(owner.as_str()) else { return Ok(()) };
    let Ok(operator) = matrix::client::operator(&config.data, PATIENCE) else { return Ok(()) };
    if user_id.server_name() != operator.server_name() || user_id == operator.user_id() {
        return Ok(());
    }
    match operator.send(users::get::Request { user_id: user_id.into() }).await {
        Err(error) if error.is_not_found() => Err(matrix::Error::NoUser(owner.clone()).into()),
        // Where the server does not run nobody can tell.
        _ => Ok(()),
    }
}

/// Refuses a bridge that would act as a person: its account may be there only if it made it.
async fn is_nobody(config: &Config, registration: &Registration) -> Result<(), Failure> {
    // Where the server does not run nobody can tell, and Synapse itself will refuse.
    let Ok(operator) = matrix::client::operator(&config.data, PATIENCE) else { return Ok(()) };
    let user = registration.user(&config.server.name.to_string());
    let Ok(user_id) = ruma::OwnedUserId::try_from(user.as_str()) else { return Ok(()) };
    let found = operator.send(users::get::Request { user_id: user_id.into() }).await;
    match found {
        Ok(found) if found.user.appservice_id.as_ref() != Some(&registration.id) => {
            let whose = "is an account of somebody here".to_owned();
            Err(bridges::Error::Sender { user, whose }.into())
        }
        _ => Ok(()),
    }
}

/// Refuses a bridge that would own accounts of people: it could speak as any of them.
async fn owns_nobody(config: &Config, registration: &Registration) -> Result<(), Failure> {
    // Where the database does not run there is nobody to ask.
    let Ok(mut inside) = postgres::connect(config, postgres::Who::Synapse).await else {
        return Ok(());
    };
    // A bridge that was here before has left its own users.
    let people = postgres::people(&mut inside).await?;
    match registration.owned(people) {
        Some(user) => {
            Err(bridges::Error::Owns { user, whose: "which is that of somebody here" }.into())
        }
        None => Ok(()),
    }
}
