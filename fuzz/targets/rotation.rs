//! Sequences of rotation steps under a clock that may go back. Whatever is asked, in whatever order: one version is
//! ACTIVE (I1), none is lost (I2), a grace ends when it was said to and not before (I4), nothing outside the live set
//! verifies (I8), and an end stays an end (I9).
#![no_main]

use std::{collections::BTreeMap, time::Duration};

use arbitrary::Arbitrary;
use countersign_core::{
    Timestamp,
    rotation::{Ending, RotationLimits, Version, VersionState, Versions},
};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
enum Step {
    Grace(u32, Option<u8>),
    Emergency(Option<u8>),
    Staged(Option<u8>),
    Activate(u8, u32),
    Revoke(u8, bool),
    Sweep,
    Wait(u32),
    /// The clock is set back.
    Back(u32),
    /// The store is read again.
    Reload,
    LongGrace(u64),
}

#[derive(Arbitrary, Debug)]
struct Input {
    start: i64,
    max_live: u8,
    stored: Vec<Stored>,
    steps: Vec<Step>,
}

/// A row as a disk might give it.
#[derive(Arbitrary, Debug)]
struct Stored {
    number: u32,
    state: u8,
    until: i64,
    activate_time: Option<i64>,
    grace_end_time: Option<i64>,
    revoke_time: Option<i64>,
}

fuzz_target!(|input: Input| {
    let limits = RotationLimits {
        max_live: usize::from(input.max_live).max(1),
        ..RotationLimits::default()
    };
    let start = Timestamp::from_unix_millis(input.start);
    run(Versions::first(start), &input.steps, limits, start);
    let rows = input.stored.iter().map(Stored::version).collect();
    if let Ok(versions) = Versions::new(rows) {
        run(versions, &input.steps, limits, start);
    }
});

impl Stored {
    fn version(&self) -> Version {
        let time = Timestamp::from_unix_millis;
        Version {
            number: self.number,
            state: match self.state % 5 {
                0 => VersionState::Pending,
                1 => VersionState::Active,
                2 => VersionState::Grace {
                    until: time(self.until),
                },
                3 => VersionState::Retired,
                _ => VersionState::Revoked,
            },
            create_time: time(0),
            activate_time: self.activate_time.map(time),
            grace_end_time: self.grace_end_time.map(time),
            revoke_time: self.revoke_time.map(time),
        }
    }
}

fn run(mut versions: Versions, steps: &[Step], limits: RotationLimits, mut now: Timestamp) {
    let mut live_bound = live(&versions, now).max(limits.max_live);
    let mut ends = Ends::default();
    ends.note(&versions);
    for step in steps {
        match step {
            Step::Wait(millis) => now = now.plus(Duration::from_millis((*millis).into())),
            Step::Back(millis) => now = now.minus_millis((*millis).into()),
            _ => {}
        }
        let Some(next) = stepped(&versions, step, &limits, now) else {
            continue;
        };
        check_step(step, &versions, &next, now);
        versions = next;
        ends.check(&versions);
        ends.note(&versions);
        if !matches!(step, Step::Back(_)) {
            live_bound = live_bound.max(limits.max_live);
            assert!(live(&versions, now) <= live_bound.max(1));
        } else {
            // A grace that nobody wrote down as ended may run again: its end is still the one that was said.
            live_bound = live_bound.max(live(&versions, now));
        }
    }
}

fn stepped(
    versions: &Versions,
    step: &Step,
    limits: &RotationLimits,
    now: Timestamp,
) -> Option<Versions> {
    let minutes = |count: &u32| Duration::from_secs(60 * u64::from(*count));
    let rotate = |ending, expected: &Option<u8>| {
        versions.rotate(ending, expected.map(u32::from), limits, now)
    };
    match step {
        Step::Grace(grace, expected) => rotate(Ending::Grace(minutes(grace)), expected).ok(),
        Step::LongGrace(secs) => rotate(Ending::Grace(Duration::from_secs(*secs)), &None).ok(),
        Step::Emergency(expected) => rotate(Ending::Emergency, expected).ok(),
        Step::Staged(expected) => rotate(Ending::Staged, expected).ok(),
        Step::Activate(number, grace) => {
            let number = u32::from(*number);
            versions.activate(number, minutes(grace), limits, now).ok()
        }
        Step::Revoke(number, force) => versions.revoke((*number).into(), *force, now).ok(),
        Step::Sweep => Some(versions.swept(now)),
        Step::Wait(_) | Step::Back(_) => Some(versions.clone()),
        Step::Reload => {
            let rows = versions.iter().cloned().collect();
            let again = Versions::new(rows).expect("what the machine made it takes back");
            assert_eq!(again, *versions);
            Some(again)
        }
    }
}

fn live(versions: &Versions, now: Timestamp) -> usize {
    let verifies = |version: &&Version| version.state.verifies(now);
    versions.iter().filter(verifies).count()
}

fn check_step(step: &Step, before: &Versions, after: &Versions, now: Timestamp) {
    let numbers = |versions: &Versions| versions.iter().map(|each| each.number).collect::<Vec<_>>();
    assert!(numbers(after).starts_with(&numbers(before)), "I2");
    assert!(after.iter().is_sorted_by(|a, b| a.number < b.number));
    let active = after.iter().filter(|v| v.state == VersionState::Active);
    let count = active.count();
    let is_forced = matches!(step, Step::Revoke(_, true));
    assert!(
        count == 1 || (count == 0 && (is_forced || before.active().is_none())),
        "I1"
    );
    let new = after.iter().last().expect("there is always a version");
    match step {
        Step::Emergency(_) => {
            assert_eq!(live(after, now), 1, "I3");
            assert_eq!(new.state, VersionState::Active);
        }
        Step::Grace(..) | Step::LongGrace(_) => assert_eq!(new.state, VersionState::Active),
        Step::Staged(_) => {
            assert_eq!(new.state, VersionState::Pending);
            assert_eq!(
                before.active().map(|v| v.number),
                after.active().map(|v| v.number)
            );
        }
        Step::Revoke(number, _) => {
            let gone = after.iter().find(|each| each.number == u32::from(*number));
            assert!(gone.is_some_and(|gone| !gone.state.verifies(now)), "I8");
        }
        _ => {}
    }
}

/// What was said about ends: final states, and the times at which graces end.
#[derive(Default)]
struct Ends {
    finals: BTreeMap<u32, VersionState>,
    graces: BTreeMap<u32, Timestamp>,
}

impl Ends {
    fn note(&mut self, versions: &Versions) {
        for version in versions {
            match version.state {
                state @ (VersionState::Retired | VersionState::Revoked) => {
                    self.finals.insert(version.number, state);
                }
                VersionState::Grace { until } => {
                    self.graces.insert(version.number, until);
                }
                VersionState::Pending | VersionState::Active => {}
            }
        }
    }

    fn check(&self, versions: &Versions) {
        for version in versions {
            if let Some(last) = self.finals.get(&version.number) {
                assert_eq!(version.state, *last, "I9");
            }
            let Some(until) = self.graces.get(&version.number) else {
                continue;
            };
            match version.state {
                VersionState::Grace { until: now } => assert_eq!(now, *until, "I4"),
                VersionState::Retired | VersionState::Revoked => {}
                VersionState::Pending | VersionState::Active => panic!("I9: a grace was undone"),
            }
            assert!(!version.state.verifies(*until), "I8");
        }
    }
}
