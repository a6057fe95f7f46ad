//! `manage` and its words at the top level, where nothing is installed.

use crate::common::Person;

#[test]
fn nothing_to_stop_is_two_below_manage_and_nought_at_the_top() {
    for (below, top) in [("manage stop", "stop"), ("manage uninstall", "uninstall")] {
        let below = Person::new().types(below);
        let top = Person::new().types(top);
        assert_eq!((below.code, top.code), (Some(2), Some(0)), "{below}");
        assert_eq!((below.stdout, below.stderr), (top.stdout, top.stderr));
    }
}

#[test]
fn a_start_names_the_install() {
    for line in ["manage start", "start", "manage restart", "restart"] {
        let said = Person::new().types(line);
        assert_eq!(said.code, Some(1), "{said}");
        assert!(said.stderr.contains("`manage install --start` installs and starts it"), "{said}");
    }
}

#[test]
fn a_dry_run_makes_nothing() {
    let person = Person::new();
    for line in ["manage stop --dry-run", "manage uninstall --dry-run", "logs", "status"] {
        person.types(line);
    }
    assert_eq!(std::fs::read_dir(person.home.path()).unwrap().count(), 0);
}

#[test]
fn without_a_terminal_nothing_is_erased_unless_forced() {
    let person = Person::new().settings("server:\n  port: 8100\n");
    let said = person.types("manage uninstall --purge");
    assert_eq!(said.code, Some(1), "{said}");
    assert!(said.stderr.contains("`manage uninstall --purge --force` erases it"), "{said}");
    assert!(person.data().join("settings.yaml").exists());
    assert_eq!(person.types("manage uninstall --purge --force").code, Some(0));
    assert!(!person.data().exists());
}

#[test]
fn a_dry_run_of_an_uninstall_says_where_there_is_nothing() {
    for line in ["manage uninstall --dry-run", "manage uninstall --purge --dry-run"] {
        let said = Person::new().types(line);
        assert_eq!((said.stdout.trim(), said.code), ("not installed", Some(2)), "{said}");
    }
}
