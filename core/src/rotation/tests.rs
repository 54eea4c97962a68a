use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const START: Timestamp = Timestamp::from_unix_secs(1_800_000_000);

fn limits() -> RotationLimits {
    RotationLimits::default()
}

fn rotated(versions: &Versions, ending: Ending, now: Timestamp) -> Versions {
    versions.rotate(ending, None, &limits(), now).unwrap()
}

fn states(versions: &Versions) -> Vec<VersionState> {
    versions.iter().map(|version| version.state).collect()
}

#[test]
fn d14_rotating_within_a_grace_leaves_every_older_end_alone() {
    let second = rotated(&Versions::first(START), Ending::Grace(DAY), START);
    let third = rotated(&second, Ending::Grace(HOUR), START.plus(HOUR));
    let expected = [
        VersionState::Grace {
            until: START.plus(DAY),
        },
        VersionState::Grace {
            until: START.plus(2 * HOUR),
        },
        VersionState::Active,
    ];
    assert_eq!(states(&third), expected);
}

#[test]
fn d15_a_sixth_live_version_is_refused_and_the_error_says_when_the_next_one_ends() {
    let mut versions = Versions::first(START);
    for hours in 1..=4 {
        versions = rotated(&versions, Ending::Grace(hours * HOUR), START);
    }
    let next_end = Some(START.plus(HOUR));
    for ending in [Ending::Grace(DAY), Ending::Staged] {
        let refused = versions.rotate(ending, None, &limits(), START);
        assert_eq!(refused, Err(RotationError::TooManyLive { next_end }));
    }
    let later = versions.rotate(Ending::Grace(DAY), None, &limits(), START.plus(HOUR));
    assert_eq!(later.unwrap().iter().count(), 6);
}

#[test]
fn d15_an_emergency_always_fits() {
    let mut versions = Versions::first(START);
    for _ in 1..=4 {
        versions = rotated(&versions, Ending::Staged, START);
    }
    let after = rotated(&versions, Ending::Emergency, START);
    let (new, older) = after.0.split_last().unwrap();
    assert_eq!(new.state, VersionState::Active);
    assert!(older.iter().all(|v| v.state == VersionState::Revoked));
}

#[test]
fn d16_a_grace_is_more_than_nothing_and_at_most_the_limit() {
    let first = Versions::first(START);
    let second = rotated(&first, Ending::Staged, START);
    let too_much = limits().max_grace + Duration::from_millis(1);
    let below_a_millisecond = Duration::from_nanos(999_999);
    for bad in [Duration::ZERO, below_a_millisecond, too_much, Duration::MAX] {
        let refused = first.rotate(Ending::Grace(bad), None, &limits(), START);
        assert_eq!(refused, Err(RotationError::GraceOutOfRange));
        let refused = second.activate(2, bad, &limits(), START);
        assert_eq!(refused, Err(RotationError::GraceOutOfRange));
    }
    for good in [Duration::from_millis(1), DAY, limits().max_grace] {
        rotated(&first, Ending::Grace(good), START);
    }
}

#[test]
fn h17_a_grace_ends_at_its_end_to_the_millisecond() {
    let versions = rotated(&Versions::first(START), Ending::Grace(DAY), START);
    let end = START.plus(DAY).unix_millis();
    let verifies = |millis| {
        let now = Timestamp::from_unix_millis(millis);
        versions.0[0].state.verifies(now)
    };
    assert_eq!([end - 1, end, end + 1].map(verifies), [true, false, false]);
}

#[test]
fn an_expected_version_must_be_the_active_one() {
    let versions = rotated(&Versions::first(START), Ending::Grace(DAY), START);
    for (expected, ok) in [(Some(2), true), (Some(1), false), (Some(3), false)] {
        let outcome = versions.rotate(Ending::Emergency, expected, &limits(), START);
        assert_eq!(outcome.is_ok(), ok);
    }
}

#[test]
fn a_staged_version_signs_only_once_it_is_activated() {
    let staged = rotated(&Versions::first(START), Ending::Staged, START);
    assert_eq!(staged.active().unwrap().number, 1);
    assert!(staged.0[1].state.verifies(START));
    let active = staged.activate(2, HOUR, &limits(), START).unwrap();
    assert_eq!(active.active().unwrap().number, 2);
    assert_eq!(
        active.activate(2, HOUR, &limits(), START),
        Ok(active.clone())
    );
    let again = active.activate(1, HOUR, &limits(), START);
    assert_eq!(again, Err(RotationError::NotPending));
    let ended = active.activate(1, HOUR, &limits(), START.plus(HOUR));
    assert_eq!(ended, Err(RotationError::Ended));
    let unknown = active.activate(3, HOUR, &limits(), START);
    assert_eq!(unknown, Err(RotationError::UnknownVersion));
}

#[test]
fn the_active_version_is_revoked_only_with_force_and_a_rotation_repairs_it() {
    let first = Versions::first(START);
    let refused = first.revoke(1, false, START);
    assert_eq!(refused, Err(RotationError::ActiveNeedsForce));
    let none = first.revoke(1, true, START).unwrap();
    assert!(none.active().is_none() && !none.any_live(START));
    assert_eq!(none.revoke(1, false, START), Ok(none.clone()));
    let expected = none.rotate(Ending::Emergency, Some(1), &limits(), START);
    assert_eq!(expected, Err(RotationError::ExpectedVersion));
    let repaired = rotated(&none, Ending::Grace(HOUR), START);
    assert_eq!(repaired.active().unwrap().number, 2);
    assert_eq!(repaired.0[0].state, VersionState::Revoked);
}

#[test]
fn revoking_a_version_whose_grace_is_over_changes_nothing() {
    let versions = rotated(&Versions::first(START), Ending::Grace(HOUR), START);
    let later = START.plus(HOUR);
    assert_eq!(versions.revoke(1, false, later), Ok(versions.clone()));
}

#[test]
fn versions_that_rotation_cannot_make_are_refused() {
    let good = rotated(&Versions::first(START), Ending::Grace(HOUR), START).0;
    assert!(Versions::new(good.clone()).is_ok());
    assert!(Versions::new(Vec::new()).is_err());
    let breakages: [fn(&mut Vec<Version>); 5] = [
        |versions| versions.reverse(),
        |versions| versions[0].number = 2,
        |versions| versions.truncate(1),
        |versions| versions[0].grace_end_time = None,
        |versions| {
            let active = versions[1].clone();
            versions.push(Version {
                number: 3,
                ..active
            });
        },
    ];
    for breakage in breakages {
        let mut versions = good.clone();
        breakage(&mut versions);
        assert!(Versions::new(versions).is_err());
    }
}

#[derive(Clone, Debug)]
enum Step {
    Rotate(Ending),
    Activate(u32, Duration),
    Revoke(u32, bool),
    Wait(Duration),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let length = || (0_u64..3 * 86_400_000).prop_map(Duration::from_millis);
    let step = prop_oneof![
        4 => length().prop_map(|grace| Step::Rotate(Ending::Grace(grace))),
        1 => Just(Step::Rotate(Ending::Emergency)),
        3 => Just(Step::Rotate(Ending::Staged)),
        3 => (1_u32..12, length()).prop_map(|(number, grace)| Step::Activate(number, grace)),
        2 => (1_u32..12, any::<bool>()).prop_map(|(number, force)| Step::Revoke(number, force)),
        5 => length().prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..60)
}

/// What an operator was told: when each version ends, and whether a revoke was forced.
struct Told {
    ends: BTreeMap<u32, Option<Timestamp>>,
    forced: bool,
}

impl Told {
    fn note(&mut self, step: &Step, before: &Versions, after: &Versions, now: Timestamp) {
        let new = after.0.last().map_or(0, |version| version.number);
        match step {
            Step::Rotate(Ending::Emergency) => self.end(|_| true, now),
            Step::Revoke(number, _) => self.end(|each| each == *number, now),
            Step::Rotate(Ending::Grace(grace)) => self.grace(before, *grace, now),
            Step::Activate(number, grace) if before.active().map(|v| v.number) != Some(*number) => {
                self.grace(before, *grace, now);
            }
            _ => {}
        }
        self.ends.entry(new).or_insert(None);
        let had = before.active().map(|version| version.number);
        self.forced = match step {
            Step::Revoke(number, true) if had == Some(*number) => true,
            Step::Rotate(Ending::Grace(_) | Ending::Emergency) | Step::Activate(..) => false,
            _ => self.forced,
        };
    }

    fn grace(&mut self, before: &Versions, grace: Duration, now: Timestamp) {
        if let Some(old) = before.active() {
            self.ends.insert(old.number, Some(now.plus(grace)));
        }
    }

    fn end(&mut self, which: impl Fn(u32) -> bool, now: Timestamp) {
        for (number, end) in &mut self.ends {
            if which(*number) && end.is_none_or(|end| end > now) {
                *end = Some(now);
            }
        }
    }

    fn verifies(&self, number: u32, now: Timestamp) -> bool {
        self.ends[&number].is_none_or(|end| now < end)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_history_keeps_the_promises_made_to_the_operator(steps in steps()) {
        let mut now = START;
        let mut versions = Versions::first(now);
        let mut told = Told { ends: BTreeMap::from([(1, None)]), forced: false };
        for step in steps {
            let outcome = match &step {
                Step::Rotate(ending) => versions.rotate(*ending, None, &limits(), now),
                Step::Activate(number, grace) => versions.activate(*number, *grace, &limits(), now),
                Step::Revoke(number, force) => versions.revoke(*number, *force, now),
                Step::Wait(time) => {
                    now = now.plus(*time);
                    Ok(versions.clone())
                }
            };
            if let Ok(next) = outcome {
                prop_assert!(next.iter().count() >= versions.iter().count());
                told.note(&step, &versions, &next, now);
                versions = next;
            }
            prop_assert_eq!(Versions::new(versions.0.clone()), Ok(versions.clone()));
            prop_assert!(versions.active().is_some() || told.forced);
            prop_assert!(versions.live(now) <= limits().max_live);
            for version in &versions {
                prop_assert_eq!(
                    version.state.verifies(now),
                    told.verifies(version.number, now),
                    "version {} of {:?}", version.number, versions
                );
            }
        }
    }
}
