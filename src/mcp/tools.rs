//! The tools: each a verb, under a name as programs have them.

use crate::{commands::agents::Allow, commands::tree};

/// A verb as a tool.
#[derive(Debug)]
pub(super) struct Tool {
    pub(super) name: &'static str,
    /// The words that name the verb.
    pub(super) verb: &'static str,
    /// Flags that always go along.
    pub(super) flags: &'static [&'static str],
    /// What its verb can do without, and it cannot.
    pub(super) requires: &'static [&'static str],
    /// None where it changes nothing.
    pub(super) needs: Option<Allow>,
    /// What there is no way back from.
    pub(super) destroys: bool,
    /// Its answer holds what people have written.
    pub(super) quotes: bool,
    /// It asks servers elsewhere.
    pub(super) reaches_out: bool,
    /// What it is for, where that is not what its verb is for.
    pub(super) about: &'static str,
    /// Arguments of its verb that the tool has no use for.
    pub(super) without: &'static [&'static str],
}

const READS: Tool = Tool {
    name: "",
    verb: "",
    flags: &[],
    requires: &[],
    needs: None,
    destroys: false,
    quotes: false,
    reaches_out: false,
    about: "",
    without: &[],
};
const WRITES: Tool = Tool { needs: Some(Allow::Write), ..READS };
const MANAGES: Tool = Tool { needs: Some(Allow::Manage), ..READS };

const PROFILE: &[&str] = &["profile"];
const SERVICE: &[&str] = &["services"];

/// All of them, in the order in which they are listed.
pub(super) const ALL: &[Tool] = &[
    // The services.
    Tool { name: "service_status", verb: "status", flags: &["--verbose"], ..READS },
    Tool { name: "list_services", verb: "manage services", ..READS },
    Tool { name: "get_service_endpoint", verb: "manage endpoint", ..READS },
    Tool { name: "logs", verb: "logs", quotes: true, ..READS },
    Tool { name: "show_settings", verb: "config show", ..READS },
    Tool {
        name: "list_backups",
        verb: "manage backup",
        flags: &["list"],
        about: "List the backups there are",
        without: &["keep", "off", "verify", "recipient", "incremental"],
        ..READS
    },
    Tool {
        name: "start_profile",
        verb: "manage start",
        requires: PROFILE,
        about: "Start all services of a profile, and wait until they are ready",
        ..MANAGES
    },
    Tool {
        name: "stop_profile",
        verb: "manage stop",
        about: "Stop all services",
        without: &["services"],
        ..MANAGES
    },
    Tool {
        name: "start_service",
        verb: "manage start",
        requires: SERVICE,
        about: "Start some services and what they need, and wait until they are ready",
        ..MANAGES
    },
    Tool {
        name: "stop_service",
        verb: "manage stop",
        requires: SERVICE,
        about: "Stop some services and what needs them",
        ..MANAGES
    },
    Tool { name: "restart_service", verb: "manage restart", requires: SERVICE, ..MANAGES },
    Tool {
        name: "wait_for_healthy",
        verb: "manage start",
        about: "Wait until all services are ready; what does not run is started",
        ..MANAGES
    },
    Tool { name: "set_setting", verb: "config set", ..MANAGES },
    Tool {
        name: "make_backup",
        verb: "manage backup",
        flags: &["make"],
        about: "Make a backup",
        ..MANAGES
    },
    // Messages.
    Tool {
        name: "send_message",
        verb: "content send-message",
        requires: &["room", "text"],
        ..WRITES
    },
    Tool { name: "read_messages", verb: "content read-messages", quotes: true, ..READS },
    Tool { name: "search_messages", verb: "content search-messages", quotes: true, ..READS },
    Tool { name: "edit_message", verb: "content edit-message", ..WRITES },
    Tool { name: "redact_message", verb: "content redact-message", destroys: true, ..WRITES },
    Tool { name: "react", verb: "content react", ..WRITES },
    Tool { name: "pin_message", verb: "content pin-message", ..WRITES },
    Tool { name: "list_threads", verb: "content list-threads", quotes: true, ..READS },
    Tool { name: "list_relations", verb: "content list-relations", quotes: true, ..READS },
    Tool { name: "get_event", verb: "content get-event", quotes: true, ..READS },
    Tool { name: "send_poll", verb: "content send-poll", ..WRITES },
    // Rooms.
    Tool { name: "list_rooms", verb: "content list-rooms", quotes: true, ..READS },
    Tool { name: "get_room", verb: "content get-room", quotes: true, ..READS },
    Tool { name: "list_members", verb: "content list-members", quotes: true, ..READS },
    Tool { name: "create_room", verb: "content create-room", ..WRITES },
    Tool {
        name: "create_incident_room",
        verb: "content create-room",
        flags: &["--encrypted"],
        about: "Create an encrypted room for those who deal with an incident",
        without: &["encrypted", "no_encryption", "space"],
        ..WRITES
    },
    Tool { name: "invite", verb: "content invite", ..WRITES },
    Tool { name: "set_topic", verb: "content set-topic", ..WRITES },
    Tool { name: "set_name", verb: "content set-name", ..WRITES },
    Tool { name: "set_power", verb: "content set-power", ..WRITES },
    Tool { name: "kick_user", verb: "content kick-user", ..WRITES },
    Tool { name: "close_room", verb: "content close-room", ..WRITES },
    Tool { name: "open_room", verb: "content open-room", ..WRITES },
    Tool { name: "remove_room", verb: "content remove-room", destroys: true, ..MANAGES },
    // People.
    Tool { name: "list_users", verb: "content list-users", quotes: true, ..READS },
    Tool { name: "get_user", verb: "content get-user", quotes: true, ..READS },
    Tool { name: "find_user", verb: "content find-user", quotes: true, ..READS },
    Tool { name: "add_user", verb: "content add-user", ..MANAGES },
    Tool { name: "rename_user", verb: "content rename-user", ..MANAGES },
    Tool { name: "lock_user", verb: "content lock-user", ..MANAGES },
    Tool { name: "unlock_user", verb: "content unlock-user", ..MANAGES },
    Tool { name: "remove_user", verb: "content remove-user", destroys: true, ..MANAGES },
    Tool { name: "list_reports", verb: "content list-reports", quotes: true, ..READS },
    // Whose name it is given it asks: what was read could be told with that.
    Tool {
        name: "federation_check",
        verb: "content federation-check",
        reaches_out: true,
        ..WRITES
    },
];

impl Tool {
    /// The verb; that there is one is tested.
    pub(super) fn entry(&self) -> Option<&'static crate::commands::table::Entry> {
        tree::verbs().find(|(words, _)| words == self.verb).map(|(_, entry)| entry)
    }

    /// The verb with its arguments.
    pub(super) fn command(&self) -> Option<clap::Command> {
        let mut command = self.entry()?.command();
        command.build();
        Some(command)
    }

    /// How many of the arguments that have a place are said by the tool itself.
    pub(super) fn said(&self) -> usize {
        self.flags.iter().filter(|word| !word.starts_with('-')).count()
    }

    pub(super) fn is_allowed(&self, allow: Option<Allow>) -> bool {
        self.needs <= allow
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_tool_is_a_verb_and_has_a_name_of_its_own() {
        let mut names = BTreeSet::new();
        for tool in ALL {
            assert!(tool.entry().is_some(), "{}", tool.verb);
            assert!(names.insert(tool.name), "{}", tool.name);
            let command = tool.command().unwrap();
            let has = |id: &str| command.get_arguments().any(|arg| arg.get_id().as_str() == id);
            assert!(tool.requires.iter().all(|id| has(id)), "{}", tool.name);
            assert!(tool.without.iter().all(|id| has(id)), "{}", tool.name);
        }
    }

    #[test]
    fn who_may_only_read_changes_nothing() {
        let names = |allow: Option<Allow>| -> BTreeSet<&str> {
            ALL.iter().filter(|it| it.is_allowed(allow)).map(|it| it.name).collect()
        };
        let (none, write, manage) =
            (names(None), names(Some(Allow::Write)), names(Some(Allow::Manage)));
        assert!(none.contains("read_messages") && !none.contains("send_message"));
        assert!(write.contains("send_message") && !write.contains("stop_profile"));
        assert_eq!(manage.len(), ALL.len());
        for verb in ["send", "set", "add", "remove", "stop", "start", "create", "edit", "redact"] {
            assert!(!none.iter().any(|name| name.split('_').next() == Some(verb)), "{verb}");
        }
    }
}
