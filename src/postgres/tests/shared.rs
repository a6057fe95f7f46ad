//! A server that we share with others.

use super::*;
use crate::postgres::{Step, drop_made, holds_synapse, plan};

/// Every refusal leaves the server as it was. `server` is the test's own: it is compared whole.
async fn refuses(server: &Home, guest: &Home, expected: &str) {
    let everything = "SELECT string_agg(x, ';' ORDER BY x) FROM (
        SELECT rolname || coalesce(rolpassword, '') AS x FROM pg_authid
        UNION ALL SELECT datname || datdba || coalesce(datacl::text, '') FROM pg_database) AS all_of_it";
    let before = server.ask(everything).await;
    let refusal = guest.ensure().await.unwrap_err();
    assert!(refusal.to_string().contains(expected), "{refusal}");
    assert!(crate::error::Explain::hint(&refusal).is_some());
    assert_eq!(server.ask(everything).await, before);
}

#[tokio::test]
async fn role_and_database_are_made_once_and_only_ours_are_dropped() {
    let server = Home::server().await;
    let nasty = "it's a \"name\"; DROP DATABASE postgres; -- é😀";
    let flags = [
        format!("database.name={nasty}"),
        format!("database.user=r{}", nasty.trim_end_matches('😀')),
        "database.password=p:\\'\"$1 é".to_owned(),
    ];
    let guest = server.guest(&flags.each_ref().map(String::as_str));
    let planned = plan(&guest.config, soon()).await.unwrap();
    assert!(!guest.folder.path().join("database.json").exists());
    assert_eq!(guest.ensure().await.unwrap(), planned);
    assert_eq!(planned.steps.len(), 2);
    assert_eq!(guest.ensure().await.unwrap(), Plan::default());
    inside(&guest).await;

    // Somebody else's role does not get in.
    run_each(&server, &["CREATE ROLE other LOGIN PASSWORD 'other'"]).await;
    let other = server.guest(&[
        &format!("database.name={nasty}"),
        "database.user=other",
        "database.password=other",
    ]);
    let refusal = connect(&other.config, Who::Synapse).await.unwrap_err();
    assert!(matches!(refusal, Error::Refused { .. }), "{refusal}");
    refuses(&server, &other, "belongs to").await;

    let dropped = drop_made(&guest.config, soon()).await.unwrap();
    assert!(dropped.role.is_some() && dropped.database.as_deref() == Some(nasty));
    assert_eq!(drop_made(&guest.config, soon()).await.unwrap().role, None);
    assert_eq!(drop_made(&other.config, soon()).await.unwrap().role, None);
    assert_eq!(guest.ensure().await.unwrap().steps.len(), 2);
}

#[tokio::test]
async fn what_is_not_as_it_must_be_is_refused_and_left_alone() {
    let server = Home::server().await;
    let latin = "CREATE DATABASE wrong TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8' OWNER plain";
    run_each(
        &server,
        &[
            "CREATE ROLE plain LOGIN PASSWORD 'plain-password'",
            "CREATE ROLE mighty LOGIN SUPERUSER PASSWORD 'mighty-password'",
            "CREATE ROLE quiet_mighty LOGIN IN ROLE pg_write_server_files PASSWORD 'mighty-password'",
            "CREATE ROLE a_group",
            "CREATE ROLE limited LOGIN CONNECTION LIMIT 3 PASSWORD 'limited-password'",
            latin,
            "CREATE DATABASE theirs TEMPLATE template0",
            "CREATE DATABASE other_program TEMPLATE template0 OWNER plain",
        ],
    )
    .await;
    let plain = ["database.user=plain", "database.password=plain-password"];
    let with = |more: &'static [&'static str]| server.guest(&[&plain[..], more].concat());

    refuses(&server, &with(&["database.name=wrong"]), "collation `C.UTF-8`").await;
    refuses(&server, &with(&["database.name=theirs"]), "belongs to `postgres`").await;
    let other_program = with(&["database.name=other_program"]);
    run(&mut inside(&other_program).await, "CREATE TABLE invoices ()").await;
    refuses(&server, &other_program, "such as `invoices`").await;
    refuses(&server, &with(&["database.connections_max=1000"]), "leaves").await;
    let many = with(&["stack.profile=scale", "workers.list=generic=60"]);
    refuses(&server, &many, "and Synapse may open 610").await;
    let guest = |flags: &[&str]| server.guest(flags);
    refuses(
        &server,
        &guest(&["database.user=mighty"]),
        "privileges than a homeserver should: SUPERUSER",
    )
    .await;
    refuses(&server, &guest(&["database.user=quiet_mighty"]), "member of pg_write_server_files")
        .await;
    refuses(&server, &guest(&["database.user=a_group"]), "cannot log in").await;
    let limited = ["database.user=limited", "database.password=limited-password"];
    refuses(&server, &guest(&limited), "leaves 3 connections to `limited`").await;
    let unknown = ["database.user=plain", "database.password=not-the-password"];
    refuses(&server, &guest(&unknown), "has another password").await;
    refuses(&server, &guest(&["database.user=plain"]), "has another password").await;
    let wrong = ["database.admin_password=wrong-password"];
    refuses(&server, &guest(&wrong), "refuses the password of `postgres`").await;

    // It says `C` of a collation that it does not sort by.
    let icu = "CREATE DATABASE sorted TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en' LC_COLLATE 'C' LC_CTYPE 'C' OWNER plain";
    let known = "SELECT (bool_or(collprovider = 'i') AND current_setting('server_version_num')::int >= 150000)::text FROM pg_collation";
    if server.ask(known).await == "true" {
        run_each(&server, &[icu]).await;
        refuses(&server, &with(&["database.name=sorted"]), "collation `ICU`").await;
    }

    let first = guest(&[]);
    first.ensure().await.unwrap();
    let path = first.folder.path().display().to_string();
    refuses(&server, &guest(&[]), &path).await;
}

#[tokio::test]
async fn a_database_that_was_handed_out_ready_needs_no_superuser() {
    let server = Home::server().await;
    run_each(&server, &["CREATE ROLE synapse LOGIN PASSWORD 'handed-out'"]).await;
    let flags = ["database.admin_password=", "database.password=handed-out"];
    let guest = server.guest(&flags);
    refuses(&server, &guest, "no superuser's password is known").await;
    run_each(&server, &["CREATE DATABASE synapse TEMPLATE template0 OWNER synapse"]).await;
    assert_eq!(guest.ensure().await.unwrap(), Plan::default());
    assert_eq!(drop_made(&guest.config, soon()).await.unwrap().role, None);
    inside(&guest).await;
}

#[tokio::test]
async fn a_killed_run_is_finished_and_a_lost_password_is_set_anew() {
    let server = Home::common().await;
    let guest = server.guest(&["database.name=killed", "database.user=killed"]);
    guest.ensure().await.unwrap();
    run_each(
        &server,
        &["COMMENT ON DATABASE killed IS NULL", "GRANT CONNECT ON DATABASE killed TO PUBLIC"],
    )
    .await;
    crate::files::remove(&guest.config.data.secret("database_password")).unwrap();
    let done = guest.ensure().await.unwrap();
    let expected = [
        Step::SetPassword { role: "killed".into() },
        Step::CloseDatabase { database: "killed".into() },
    ];
    assert_eq!(done.steps, expected);
    assert_eq!(guest.ensure().await.unwrap(), Plan::default());
    let open =
        server.ask("SELECT has_database_privilege('public', 'killed', 'CONNECT')::text").await;
    assert_eq!(open, "false");
}

#[tokio::test]
async fn two_runs_at_once_make_it_once() {
    let server = Home::common().await;
    let guest =
        server.guest(&["database.name=two", "database.user=two", "database.password=the-same-one"]);
    let (one, two) = tokio::join!(guest.ensure(), guest.ensure());
    assert_eq!(one.unwrap().steps.len() + two.unwrap().steps.len(), 2);
}

#[tokio::test]
async fn a_server_that_starts_late_is_waited_for_and_one_that_does_not_is_named() {
    let mut server = Home::embedded();
    embedded::create(&server.config).await.unwrap();
    let guest = server.guest(&[]);
    let shortly = Instant::now() + Duration::from_millis(300);
    let refusal = ensure(&guest.config, shortly, &mut |_| {}).await.unwrap_err();
    assert!(matches!(refusal, Error::Unreachable { own: false, .. }), "{refusal}");
    assert!(guest.folder.path().join("postgres").read_dir().is_err(), "fell back to a cluster");
    let (done, ()) = tokio::join!(guest.ensure(), server.start());
    assert_eq!(done.unwrap().steps.len(), 2);
    let held = holds_synapse(&guest.config, soon()).await.unwrap();
    assert_eq!(held, crate::postgres::Contents::Nothing);
}
