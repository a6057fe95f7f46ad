use super::*;
use crate::{config::sources::environment::Environment, data_dir::DataDir};

fn names(flow: Flow) -> Vec<&'static str> {
    ALL.iter().filter(|check| check.flows.contains(&flow)).map(|check| check.name).collect()
}

/// Differences between flows are meant, each said at its check.
#[test]
fn each_flow_looks_at_what_concerns_it() {
    let of_all = |flow| {
        let all = names(Flow::ConfigCheck);
        let own = names(flow);
        let more: Vec<_> = own.iter().filter(|it| !all.contains(it)).copied().collect();
        let less: Vec<_> = all.iter().filter(|it| !own.contains(it)).copied().collect();
        format!("more: {}; less: {}", more.join(" "), less.join(" "))
    };
    let judged = "server-kind services secrets database-record ports-apart certificate bridge-files \
        bridged-rooms proxy-program relay chat logins media-store web-client server-name login-provider chat-names media-bucket \
        bridge-registrations rendered-files alerts-room backups";
    assert_eq!(names(Flow::ConfigCheck).join(" "), judged);
    for (flow, expected) in [
        (
            Flow::Install,
            "more: data-folder database-entry ports-free signing-key; \
             less: secrets chat-names bridge-registrations rendered-files alerts-room backups",
        ),
        (
            Flow::Start,
            "more: crypto-program ports-free disk-space workers-elsewhere; \
             less: login-provider chat-names media-bucket bridge-registrations rendered-files alerts-room backups",
        ),
        (
            Flow::Restart,
            "more: run-folder crypto-program ports-free disk-space redis workers-elsewhere database; \
             less: login-provider media-bucket alerts-room backups",
        ),
        (
            Flow::Scale,
            "more: run-folder ports-free redis database-connections; less: login-provider chat-names media-bucket alerts-room backups",
        ),
    ] {
        assert_eq!(of_all(flow), expected, "{flow:?}");
    }
}

#[test]
fn a_start_that_changes_what_runs_looks_at_all_that_a_restart_looks_at() {
    let (change, restart) = (names(Flow::Change), names(Flow::Restart));
    let missing: Vec<_> = restart.iter().filter(|name| !change.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn no_two_checks_have_one_name_and_each_says_what_it_looks_at_and_for_whom() {
    let mut names: Vec<_> = ALL.iter().map(|check| check.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), ALL.len());
    for check in ALL {
        assert!(!check.flows.is_empty() && !check.remedy.is_empty(), "{}", check.name);
        assert!(!check.about.ends_with('.'), "{}", check.name);
        check.flows.iter().for_each(|flow| assert!(flow.word().starts_with('`')));
    }
}

#[tokio::test]
async fn the_first_thing_in_the_way_ends_it_and_what_is_left_out_is_not_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let data = DataDir::new(folder.path().to_owned());
    data.create().unwrap();
    let flags = ["server.metrics_port=8008".to_owned()];
    let config = Config::load(data, &flags, &Environment::default()).unwrap();
    let subject = || Subject::new(&config, Flow::ConfigCheck, Instant::now());
    let failure = pass(&subject(), &mut |_| ()).await.unwrap_err();
    assert!(failure.to_string().starts_with("port 8008 is used by both"), "{failure}");
    pass(&subject().without(&ports::APART, true), &mut |_| ()).await.unwrap();
}
