//! What a set of workers carries, predicted from what one message costs each process.
//!
//! The model is a sum: each task (taking a message in, writing it, telling those who wait) is done by
//! one kind of process, evenly by all of that kind, and every process of Synapse hears of every message
//! as soon as there are workers. A process of Synapse uses one core at most. [`NOT_MODELLED`] is not in
//! it, so it says what cannot work rather than what will.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Kind, costs};
use crate::config::values::shape::Words as _;

/// What is asked of the homeserver.
#[derive(Clone, Copy, Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Demand {
    /// People who are there, each with one client that waits for news.
    pub(crate) users: u32,
    /// Messages that are sent, in all rooms together.
    pub(crate) messages_per_second: f64,
    /// Cores that the machine has.
    pub(crate) cores: u32,
    /// Who waits for news in the room of a message, on average.
    pub(crate) listeners: f64,
    /// Connections to the database that a process opens at most.
    pub(crate) connections_a_process: u32,
}

/// Those in a room who are told of a message, where nobody says how many.
pub(crate) const LISTENERS: f64 = 5.0;
/// A client that got no news asks again, in seconds: the `timeout` that most clients give `/sync`.
pub(crate) const SYNC_EVERY: f64 = 30.0;
/// How much of its core a process may be busy before those who ask have to queue.
pub(crate) const FULL: f64 = 0.8;
/// How much of all cores may be busy: the rest is the system's and the peaks'.
pub(crate) const ALL_FULL: f64 = 0.9;
/// What else takes time on a real server.
pub(crate) const NOT_MODELLED: &str =
    "federation, media, push, encryption, joins, reading back, presence and the proxy";
/// By how much workers have to carry more than one process before they are worth it: the model is not
/// more exact than that.
const WORTH: f64 = 1.2;
/// More workers than these are not tried.
const MOST: u32 = 24;

/// The kinds that [`propose`] chooses from: those that have a share of what is modelled.
const CHOICE: [Kind; 4] =
    [Kind::EventPersister, Kind::EventCreator, Kind::Synchrotron, Kind::Generic];

pub(crate) type Counts = BTreeMap<Kind, u32>;

/// All processes of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub(crate) struct Process {
    /// `main`, the word for a kind of worker, `postgres` or `redis`.
    pub(crate) name: &'static str,
    /// How many of them there are.
    pub(crate) processes: u32,
    /// How much of a core each of them takes; PostgreSQL is more than one process, all together.
    pub(crate) core: f64,
    /// Resident memory of all of them, in MB.
    pub(crate) memory: f64,
    /// Connections to the database, of all of them at most.
    pub(crate) connections: u32,
    /// Whether each can use one core only.
    #[serde(skip)]
    single: bool,
}

#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Prediction {
    /// Of Synapse, without the main process; empty for one process alone.
    pub(crate) workers: BTreeMap<&'static str, u32>,
    pub(crate) processes: Vec<Process>,
    /// How much of all the cores is taken, in cores.
    pub(crate) cores: f64,
    /// Resident memory of all processes, in MB.
    pub(crate) memory: f64,
    /// Connections to the database, of all processes at most.
    pub(crate) connections: u32,
    /// Whether it carries what is asked.
    pub(crate) carries: bool,
    /// How many messages a second it carries at most, with as many people.
    pub(crate) highest: f64,
    /// What is full first: the name of a process, or `cores`.
    pub(crate) first_full: &'static str,
}

/// What is best, and whether it is enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// One process carries it.
    OneProcess,
    /// These workers carry it, and fewer do not.
    Workers,
    /// Nothing does on so many cores; this comes nearest.
    TooMuch,
}

#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Proposal {
    pub(crate) verdict: Verdict,
    pub(crate) best: Prediction,
    /// The messages a second that workers would carry, where one process is the answer.
    pub(crate) with_workers: Option<f64>,
}

/// Who does a task: the first kind of the list that is there, else the main process.
fn whose(counts: &Counts, kinds: &[Kind]) -> Option<Kind> {
    kinds.iter().copied().find(|kind| counts.get(kind).is_some_and(|count| *count > 0))
}

const SENDS: &[Kind] = &[Kind::EventCreator, Kind::Generic];
const PERSISTS: &[Kind] = &[Kind::EventPersister];
const SYNCS: &[Kind] = &[Kind::Synchrotron, Kind::Generic];

/// How busy each is at so many messages a second.
fn processes(counts: &Counts, demand: &Demand, rate: f64) -> Vec<Process> {
    let alone = counts.values().all(|count| *count == 0);
    let polls = f64::from(demand.users) / SYNC_EVERY;
    let deliveries = rate * demand.listeners.min(f64::from(demand.users));
    let does = |kind, kinds, ms: f64| if whose(counts, kinds) == kind { ms } else { 0.0 };
    let work = |kind: Option<Kind>| {
        let waiting = deliveries * costs::DELIVER.value + polls * costs::POLL.value;
        let message = match kind {
            None if alone => costs::ALONE.value,
            None => costs::MAIN.value,
            Some(_) => 0.0,
        };
        let parts =
            does(kind, SENDS, costs::SEND.value) + does(kind, PERSISTS, costs::PERSIST.value);
        rate * (message + if alone { 0.0 } else { parts }) + does(kind, SYNCS, waiting)
    };
    let hears = if alone { 0.0 } else { rate * costs::HEAR.value };
    let synapse = |name, kind, count: u32| Process {
        name,
        processes: count,
        core: (work(kind) / f64::from(count) + hears) / 1000.0,
        memory: costs::MEMORY.value * f64::from(count),
        connections: demand.connections_a_process * count,
        single: true,
    };
    let there = counts.iter().filter(|(_, count)| **count > 0);
    let mut all = vec![synapse("main", None, 1)];
    all.extend(there.map(|(kind, count)| synapse(kind.word(), Some(*kind), *count)));
    let connections: u32 = all.iter().map(|process| process.connections).sum();
    let other = |name, ms: f64, memory, single| Process {
        name,
        processes: 1,
        core: ms / 1000.0,
        memory,
        connections: 0,
        single,
    };
    let write = if alone { costs::DATABASE_ALONE } else { costs::DATABASE };
    let queries = rate * write.value
        + deliveries * costs::DATABASE_DELIVER.value
        + polls * costs::DATABASE_POLL.value;
    let pages = f64::from(connections) * costs::MEMORY_CONNECTION.value;
    all.push(other("postgres", queries, pages, false));
    if !alone {
        all.push(other("redis", rate * costs::REDIS.value, costs::MEMORY_REDIS.value, true));
    }
    all
}

fn taken(processes: &[Process]) -> f64 {
    let of = |process: &Process| process.core * f64::from(process.processes);
    processes.iter().map(of).sum()
}

/// What so many workers do with what is asked.
pub(crate) fn predict(counts: &Counts, demand: &Demand) -> Prediction {
    let now = processes(counts, demand, demand.messages_per_second);
    // All of it is a line: what it takes without a message, and what each message adds.
    let (idle, one) = (processes(counts, demand, 0.0), processes(counts, demand, 1.0));
    let line = |limit: f64, idle: f64, one: f64| {
        if one > idle { ((limit - idle) / (one - idle)).max(0.0) } else { f64::INFINITY }
    };
    let cores = f64::from(demand.cores) * ALL_FULL;
    let single = idle.iter().zip(&one).filter(|(idle, _)| idle.single);
    let limits = single
        .map(|(idle, one)| (idle.name, line(FULL, idle.core, one.core)))
        .chain([("cores", line(cores, taken(&idle), taken(&one)))]);
    let first = limits.min_by(|(_, a), (_, b)| a.total_cmp(b));
    let (first_full, highest) = first.unwrap_or(("cores", 0.0));
    Prediction {
        workers: counts
            .iter()
            .filter(|(_, n)| **n > 0)
            .map(|(kind, n)| (kind.word(), *n))
            .collect(),
        cores: taken(&now),
        memory: now.iter().map(|process| process.memory).sum(),
        connections: now.iter().map(|process| process.connections).sum(),
        // The idle load alone may be too much already.
        carries: highest > 0.0 && highest >= demand.messages_per_second,
        highest,
        first_full,
        processes: now,
    }
}

/// The fewest processes that carry it; of as many, those with most to spare.
pub(crate) fn propose(demand: &Demand) -> Proposal {
    let alone = predict(&Counts::new(), demand);
    let mut best: Option<Prediction> = None;
    for total in 1..=MOST.min(demand.cores.max(2)) {
        for counts in sets(total) {
            let set = predict(&counts, demand);
            if best.as_ref().is_none_or(|best| set.highest > best.highest) {
                best = Some(set);
            }
        }
        if best.as_ref().is_some_and(|best| best.carries) {
            break;
        }
    }
    let with_workers = best.as_ref().map(|best| best.highest);
    match best {
        Some(best) if best.carries && !alone.carries => {
            Proposal { verdict: Verdict::Workers, best, with_workers: None }
        }
        Some(best) if !alone.carries && best.highest > alone.highest * WORTH => {
            Proposal { verdict: Verdict::TooMuch, best, with_workers: None }
        }
        _ => {
            let verdict = if alone.carries { Verdict::OneProcess } else { Verdict::TooMuch };
            Proposal { verdict, best: alone, with_workers }
        }
    }
}

/// All ways to have so many workers of the kinds of [`CHOICE`].
fn sets(total: u32) -> Vec<Counts> {
    let mut sets = Vec::new();
    for a in 0..=total {
        for b in 0..=total - a {
            for c in 0..=total - a - b {
                let d = total - a - b - c;
                sets.push(CHOICE.into_iter().zip([a, b, c, d]).filter(|(_, n)| *n > 0).collect());
            }
        }
    }
    sets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(users: u32, messages_per_second: f64, cores: u32) -> Demand {
        Demand { users, messages_per_second, cores, listeners: 0.0, connections_a_process: 10 }
    }

    fn counts(list: &[(Kind, u32)]) -> Counts {
        list.iter().copied().collect()
    }

    /// What one script measured with both on two cores, eight rooms and nobody waiting.
    #[test]
    fn it_predicts_what_two_cores_were_measured_to_carry() {
        let alone = predict(&Counts::new(), &demand(0, 1.0, 2));
        assert!((55.0..95.0).contains(&alone.highest), "{alone:?}");
        let set = counts(&[(Kind::Generic, 2), (Kind::EventPersister, 2)]);
        let workers = predict(&set, &demand(0, 1.0, 2));
        assert!((40.0..70.0).contains(&workers.highest), "{workers:?}");
        assert_eq!((alone.first_full, workers.first_full), ("main", "cores"));
    }

    #[test]
    fn on_two_cores_one_process_is_better_and_that_is_said() {
        let proposal = propose(&demand(0, 500.0, 2));
        assert_eq!(proposal.verdict, Verdict::TooMuch);
        assert!(proposal.best.workers.is_empty(), "{proposal:?}");
        assert!(proposal.with_workers.unwrap() < proposal.best.highest);
        assert_eq!(propose(&demand(50, 5.0, 2)).verdict, Verdict::OneProcess);
    }

    #[test]
    fn it_proposes_the_smallest_set_that_carries_it() {
        let demand = Demand { listeners: LISTENERS, ..demand(2000, 40.0, 16) };
        let proposal = propose(&demand);
        assert_eq!(proposal.verdict, Verdict::Workers, "{proposal:?}");
        let total: u32 = proposal.best.workers.values().sum();
        assert!(proposal.best.carries);
        let fewer = (1..total).flat_map(sets).find(|set| predict(set, &demand).carries);
        assert_eq!(fewer, None);
    }

    #[test]
    fn more_of_a_kind_share_its_work_and_hear_the_same() {
        let busy = |n| {
            let set = counts(&[(Kind::EventPersister, n)]);
            predict(&set, &demand(0, 10.0, 8)).processes[1].core
        };
        let heard = costs::HEAR.value / 100.0;
        assert!(((busy(1) - heard) / 2.0 - (busy(2) - heard)).abs() < 1e-9);
    }

    #[test]
    fn a_generic_worker_does_what_nobody_else_is_there_for() {
        let demand = Demand { listeners: 2.0, ..demand(10, 1.0, 8) };
        let of = |set: &[(Kind, u32)], name: &str| {
            let all = predict(&counts(set), &demand).processes;
            all.iter().find(|process| process.name == name).unwrap().core
        };
        let (generic, synchrotron) = ((Kind::Generic, 1), (Kind::Synchrotron, 1));
        assert!(of(&[generic], "generic") > of(&[generic, synchrotron], "generic"));
        assert!((of(&[generic, synchrotron], "main") - of(&[generic], "main")).abs() < 1e-9);
    }

    #[test]
    fn people_who_only_wait_can_be_too_many() {
        let proposal = propose(&demand(1_000_000, 0.0, 4));
        assert_eq!(proposal.verdict, Verdict::TooMuch);
        assert!(!proposal.best.carries);
    }

    #[test]
    fn connections_and_memory_add_up() {
        let set = counts(&[(Kind::Generic, 2), (Kind::Pusher, 1)]);
        let prediction = predict(&set, &demand(0, 0.0, 8));
        assert_eq!(prediction.connections, 40);
        assert!(prediction.memory > 4.0 * costs::MEMORY.value);
        assert!(prediction.carries);
    }
}
