//! Our own cluster.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};

use super::*;
use crate::{
    files,
    postgres::{Contents, Step, client_settings, holds_synapse, plan, stats, write_passfile},
};

fn words(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_new_cluster_is_planned_made_and_then_left_alone() {
    let mut home = Home::embedded();
    let planned = plan(&home.config, soon()).await.unwrap();
    assert!(!home.config.data.postgres().exists());
    assert_eq!(holds_synapse(&home.config, soon()).await.unwrap(), Contents::Nothing);

    let mut told = Vec::new();
    let done = ensure(&home.config, soon(), &mut |step| told.push(step.clone())).await.unwrap();
    assert_eq!((planned, &told), (done.clone(), &done.steps));
    assert!(matches!(told[0], Step::CreateCluster { .. }));
    assert!(embedded::running(&home.config.data).is_none());
    assert_eq!(home.ensure().await.unwrap(), Plan::default());
    assert!(!home.config.data.postgres().join("password.new").exists());

    // As Synapse connects: by libpq, with nothing but the settings.
    home.start().await;
    let settings = client_settings(&home.config).unwrap();
    write_passfile(&home.config).unwrap();
    let programs = embedded::found(&home.config.data).await.unwrap().0;
    let url = format!(
        "host={} port={} user={} dbname={} sslmode={} passfile={}",
        settings.host,
        settings.port,
        settings.user,
        settings.dbname,
        settings.sslmode,
        settings.passfile.display()
    );
    let psql = |statement: &str| {
        let mut psql = process::command(programs.join("psql"));
        psql.env_clear().args(["-XAtq", "--no-password", "-c", statement, &url]);
        psql
    };
    let tables = "CREATE TABLE users (name text, deactivated smallint); CREATE TABLE rooms (); CREATE TABLE events (); CREATE TABLE event_json ();";
    process::tool(&mut psql(tables)).await.unwrap();
    let users = "INSERT INTO users VALUES ('@a:x.example:8448', 0), ('@b:x.example:8448', 1)";
    process::tool(&mut psql(users)).await.unwrap();
    let counts = stats(&mut inside(&home).await, home.config.server.kind).await.unwrap();
    assert_eq!((counts.users, counts.rooms, counts.events), (1, 0, 0));
    assert!(counts.database_bytes > 1_000_000 && counts.connections >= 1);
    let held = holds_synapse(&home.config, soon()).await.unwrap();
    assert_eq!(held, Contents::Synapse { server_name: Some("x.example:8448".into()) });

    // Others reach it on loopback, with the password only.
    let tcp = url.replace(&settings.host, "127.0.0.1");
    let mut refused = process::command(programs.join("psql"));
    refused.env_clear().args(["-XAtq", "--no-password", "-c", "SELECT 1", &tcp]);
    let refused = process::tool(&mut refused).await.unwrap_err().to_string();
    assert!(refused.contains("password"), "{refused}");
    assert_eq!(home.ask("SHOW recovery_init_sync_method").await, "syncfs");
    assert_eq!(home.ask("SHOW data_checksums").await, "on");
}

#[tokio::test]
async fn no_password_reaches_the_log_or_the_cluster() {
    let mut home = Home::embedded();
    embedded::create(&home.config).await.unwrap();
    let own = home.folder.path().join("postgres/data/conf.d/50-own.conf");
    files::write_atomically(
        &own,
        b"log_statement = 'all'\nlog_min_duration_statement = 0\n",
        0o600,
    )
    .unwrap();
    home.start().await;
    home.ensure().await.unwrap();
    let password = files::read(&home.config.data.secret("database_password")).unwrap();
    let log = files::read(&home.log()).unwrap();
    assert!(log.contains("CREATE ROLE synapse") && !log.contains(&password), "{log}");
    let kept = home.ask("SELECT rolpassword FROM pg_authid WHERE rolname = 'synapse'").await;
    assert!(crate::postgres::scram::matches(&kept, &crate::secret::Secret::new(password)));
}

#[tokio::test]
async fn a_cluster_survives_the_death_of_everything_and_a_pid_that_was_given_away() {
    let mut home = Home::embedded();
    home.ensure().await.unwrap();
    home.start().await;
    let mut connection = inside(&home).await;
    run(&mut connection, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n").await;
    let mut all: Vec<i32> = sqlx::query_scalar("SELECT pid FROM pg_stat_activity")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    all.push(embedded::running(&home.config.data).unwrap().cast_signed());
    for pid in all {
        kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).ok();
    }
    home.server.take().unwrap().wait().await.unwrap();

    // After a reboot the pid may be anybody's: ours here, and alive.
    let lock = embedded::cluster(&home.config.data).join("postmaster.pid");
    let noted = files::read(&lock).unwrap();
    let (pid, rest) = noted.split_once('\n').unwrap();
    let given_away = format!("{}\n{rest}", std::process::id());
    assert_ne!(pid, std::process::id().to_string());
    files::write_atomically(&lock, given_away.as_bytes(), 0o600).unwrap();

    home.start().await;
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM kept")
        .fetch_one(&mut inside(&home).await)
        .await
        .unwrap();
    assert_eq!(count, 1000);
    let again = embedded::make_ready(&home.config).await.unwrap_err();
    assert!(matches!(again, Error::Running(_)), "{again}");
}

#[tokio::test]
async fn a_lost_superuser_password_is_made_anew_while_nothing_runs() {
    let mut home = Home::embedded();
    home.ensure().await.unwrap();
    let data = home.config.data.clone();
    let own = embedded::cluster(&data).join("conf.d/50-own.conf");
    files::write_atomically(&own, b"log_statement = 'all'\n", 0o600).unwrap();
    for name in ["postgres_superuser_password", "database_password"] {
        files::remove(&data.secret(name)).unwrap();
    }
    home.start().await;
    embedded::can_be_entered(&data).unwrap_err();
    let running = home.ensure().await.unwrap_err();
    assert!(matches!(running, Error::LostSuperuser { there: false, .. }), "{running}");
    embedded::stop_stray(&data, Duration::from_secs(5)).await.unwrap();
    embedded::can_be_entered(&data).unwrap();
    let planned = plan(&home.config, soon()).await.unwrap();
    assert_eq!(planned.steps.len(), 2, "{:?}", words(&planned));
    assert_eq!(home.ensure().await.unwrap(), planned);
    assert_eq!(home.ensure().await.unwrap(), Plan::default());
    home.start().await;
    inside(&home).await;
    home.admin().await;

    files::write_atomically(&data.superuser_password(), b"wrong", 0o600).unwrap();
    let wrong = connect(&home.config, Who::Admin).await.unwrap_err();
    assert!(matches!(wrong, Error::LostSuperuser { there: true, .. }), "{wrong}");
}

#[tokio::test]
async fn a_forgotten_server_is_ended() {
    let mut home = Home::server().await;
    let _open = home.admin().await;
    assert!(embedded::stop_stray(&home.config.data, Duration::from_secs(5)).await.unwrap());
    assert!(home.server.take().unwrap().wait().await.unwrap().success());
    assert!(!embedded::stop_stray(&home.config.data, Duration::from_secs(5)).await.unwrap());
}

#[tokio::test]
async fn a_server_that_is_being_stopped_is_waited_for() {
    let mut home = Home::server().await;
    let open = home.admin().await;
    let data = home.config.data.clone();
    let pid = Pid::from_raw(embedded::running(&data).unwrap().cast_signed()).unwrap();
    // It waits for its clients.
    kill_process(pid, Signal::TERM).unwrap();
    let (ended, ()) = tokio::join!(embedded::ended(&data), async { drop(open) });
    ended.unwrap();
    assert!(embedded::running(&data).is_none());
    assert!(home.server.take().unwrap().wait().await.unwrap().success());
}

#[tokio::test]
async fn a_cluster_half_made_is_made_again_and_another_folder_is_left_alone() {
    let home = Home::embedded();
    let half = home.config.data.postgres().join("data.new/base");
    files::private_folder(&half).unwrap();
    files::write_atomically(&half.join("1"), b"x", 0o600).unwrap();
    assert!(embedded::create(&home.config).await.unwrap());
    assert!(!embedded::create(&home.config).await.unwrap());

    let home = Home::embedded();
    let other = embedded::cluster(&home.config.data);
    files::private_folder(&other).unwrap();
    files::write_atomically(&other.join("thesis.tex"), b"x", 0o600).unwrap();
    assert!(matches!(embedded::create(&home.config).await, Err(Error::NotACluster(_))));
    assert!(other.join("thesis.tex").exists());
}

#[tokio::test]
async fn an_unprivileged_account_runs_it_where_it_owns_the_cluster() {
    const NOBODY: u32 = 65534;
    if !rustix::process::geteuid().is_root() {
        // Only root can become somebody else.
        return;
    }
    let home = Home::embedded();
    let cluster = embedded::cluster(&home.config.data);
    files::private_folder(&cluster).unwrap();
    chown(&cluster, Some(NOBODY), Some(NOBODY)).unwrap();
    let mut home = home;
    let done = home.ensure().await.unwrap();
    assert_eq!(done.steps.len(), 3, "{:?}", words(&done));
    home.config.data.create().unwrap();
    home.start().await;
    inside(&home).await;
    let version = std::fs::metadata(cluster.join("PG_VERSION")).unwrap();
    assert_eq!(version.uid(), NOBODY);
    let mode = std::fs::metadata(home.folder.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o711);
}

#[tokio::test]
async fn a_long_data_folder_has_its_socket_elsewhere() {
    let mut home = Home::embedded();
    let port = format!("database.embedded_port={}", home.config.database.embedded_port);
    home.config = load(&home.folder.path().join("it's long ".repeat(20)), &[&port]);
    assert_eq!(home.ensure().await.unwrap().steps.len(), 3);
    home.start().await;
    inside(&home).await;
    let sockets = home.config.data.sockets();
    drop(home);
    assert!(!sockets.starts_with("/dev/shm") && sockets.exists());
    files::remove(&sockets).unwrap();
}
