//! The superuser's password where its file is lost: PostgreSQL's single-user mode takes a statement
//! from whoever may read the cluster's files, without a password and without a connection.

use std::io::{self, Write as _};

use rand::rng;

use super::{
    super::{Error, scram},
    SUPERUSER, binaries, cluster, exists, runner, stray, text,
};
use crate::{config::Config, data_dir::DataDir, process, secret::Secret};

/// Whether there is a cluster, and no password to enter it as its superuser.
pub(crate) fn password_is_lost(data: &DataDir) -> bool {
    exists(data) && !data.superuser_password().exists()
}

/// Refuses what [`renew_password`] could not mend: the password is lost, and the server runs.
pub(crate) fn can_be_entered(data: &DataDir) -> Result<(), Error> {
    if password_is_lost(data) && stray::running(data).is_some() {
        return Err(Error::lost_superuser(data));
    }
    Ok(())
}

/// Gives the superuser a new password and keeps it. The server must not run. Killed anywhere it can be
/// run again: the file comes last.
pub(in crate::postgres) async fn renew_password(config: &Config) -> Result<(), Error> {
    let data = &config.data;
    let binaries = binaries::find(data).await?;
    let runner = runner::choose(data).await?;
    stray::clear(data).await?;
    let password = Secret::generate(&mut rng());
    // Base64, `$` and `:`: nothing in it needs quoting.
    let verifier = scram::verifier(&password, &mut rng());
    let statement = format!("ALTER ROLE {SUPERUSER} PASSWORD '{}'\n", verifier.expose());
    let (program, args) = runner.wrap(
        &binaries.program("postgres"),
        &[
            "--single",
            "-D",
            &text(&cluster(data)),
            // Otherwise it ends well whatever became of the statement.
            "-c",
            "exit_on_error=on",
            // The statement stays out of what is kept of its words.
            "-c",
            "log_statement=none",
            "-c",
            "log_min_duration_statement=-1",
            "-c",
            "log_min_error_statement=panic",
            "postgres",
        ],
    );
    let mut command = process::command(program);
    command.args(args).env("LC_ALL", "C");
    let failed = |source| process::Error::Start { program: "postgres".to_owned(), source };
    // A pipe holds so few bytes before anybody reads them; its end is the end of the session.
    let (reader, mut writer) = io::pipe().map_err(failed)?;
    writer.write_all(statement.as_bytes()).map_err(failed)?;
    drop(writer);
    process::tool(command.stdin(reader)).await?;
    Ok(password.write(&data.superuser_password())?)
}
