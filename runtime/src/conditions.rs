//! Status conditions, as apimachinery's `meta.SetStatusCondition` and its companions keep them.
//!
//! ```
//! use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
//! use kubewright::conditions::{self, ConditionStatus};
//!
//! let mut list: Vec<Condition> = Vec::new(); // status.conditions
//! let ready = Condition {
//!     observed_generation: Some(3),
//!     ..conditions::new("Ready", ConditionStatus::True, "Synced", "all replicas are up")
//! };
//! assert!(conditions::set(&mut list, ready.clone()));
//! assert!(!conditions::set(&mut list, ready)); // nothing changed: no need to write the status
//! assert!(conditions::is_true(&list, "Ready"));
//! ```
//!
//! **Invariant:** `lastTransitionTime` moves when `status` changes, and at no other time.

use std::fmt;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// What a condition says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It cannot be told.
    Unknown,
}

impl ConditionStatus {
    /// The field's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl From<bool> for ConditionStatus {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

impl fmt::Display for ConditionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A condition for [`set`], which fills in the time. The server requires a `reason` in CamelCase.
pub fn new(
    type_: impl Into<String>,
    status: ConditionStatus,
    reason: impl Into<String>,
    message: impl Into<String>,
) -> Condition {
    Condition {
        type_: type_.into(),
        status: status.as_str().to_owned(),
        reason: reason.into(),
        message: message.into(),
        observed_generation: None,
        last_transition_time: UNSET,
    }
}

/// Puts `condition` in the place of the one of its type, or at the end, and says whether anything changed.
///
/// While the status stays the same the old `lastTransitionTime` does too. When it changes, or the condition is
/// new, that of `condition` counts, or the present second where it is unset (the Unix epoch, as [`new`] has
/// it).
pub fn set(conditions: &mut Vec<Condition>, condition: Condition) -> bool {
    let position = conditions.iter().position(|known| known.type_ == condition.type_);
    let known = position.map(|position| &mut conditions[position]);
    let last_transition_time = match &known {
        Some(known) if known.status == condition.status => known.last_transition_time.clone(),
        _ if condition.last_transition_time == UNSET => now(),
        _ => condition.last_transition_time.clone(),
    };
    let condition = Condition {
        last_transition_time,
        ..condition
    };
    match known {
        None => conditions.push(condition),
        Some(known) if *known == condition => return false,
        Some(known) => *known = condition,
    }
    true
}

/// The condition of this type.
pub fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// Whether the condition of this type is there and holds.
pub fn is_true(conditions: &[Condition], type_: &str) -> bool {
    has_status(conditions, type_, ConditionStatus::True)
}

/// Whether the condition of this type is there and does not hold; one that is unknown or absent is not false.
pub fn is_false(conditions: &[Condition], type_: &str) -> bool {
    has_status(conditions, type_, ConditionStatus::False)
}

/// Whether the condition of this type is there with this status.
pub fn has_status(conditions: &[Condition], type_: &str, status: ConditionStatus) -> bool {
    find(conditions, type_).is_some_and(|condition| condition.status == status.as_str())
}

/// Removes the condition of this type, and says whether it was there.
pub fn remove(conditions: &mut Vec<Condition>, type_: &str) -> bool {
    let before = conditions.len();
    conditions.retain(|condition| condition.type_ != type_);
    conditions.len() != before
}

/// Go's zero time has no counterpart in [`Time`]; its default stands for it.
const UNSET: Time = Time(Timestamp::UNIX_EPOCH);

/// The present second: what the server stores, so that the answer equals what was sent.
fn now() -> Time {
    let seconds = Timestamp::now().as_second();
    Time(Timestamp::from_second(seconds).expect("a timestamp without its fraction is a timestamp"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Time {
        Time(Timestamp::from_second(seconds).unwrap())
    }

    fn ready(status: ConditionStatus, seconds: i64) -> Condition {
        Condition {
            last_transition_time: at(seconds),
            ..new("Ready", status, "Synced", "fine")
        }
    }

    #[test]
    fn a_new_condition_is_appended_with_its_own_time_or_now() {
        let mut list = vec![new("Other", ConditionStatus::False, "No", "")];
        assert!(set(&mut list, ready(ConditionStatus::True, 100)));
        assert_eq!(list[1], ready(ConditionStatus::True, 100));

        let before = Timestamp::now().as_second();
        assert!(set(&mut list, new("Third", ConditionStatus::True, "Yes", "")));
        let time = list[2].last_transition_time.0;
        assert!((before..=Timestamp::now().as_second()).contains(&time.as_second()));
        assert_eq!(time.subsec_nanosecond(), 0);
    }

    #[test]
    fn the_time_stays_while_the_status_does() {
        let mut list = vec![ready(ConditionStatus::True, 100)];
        let changed = Condition {
            message: "better".into(),
            reason: "Resynced".into(),
            observed_generation: Some(2),
            ..ready(ConditionStatus::True, 200)
        };
        assert!(set(&mut list, changed.clone()));
        assert_eq!(
            list,
            [Condition {
                last_transition_time: at(100),
                ..changed
            }]
        );
    }

    #[test]
    fn the_time_moves_when_the_status_changes() {
        let mut list = vec![ready(ConditionStatus::True, 100)];
        assert!(set(&mut list, ready(ConditionStatus::Unknown, 200)));
        assert_eq!(list, [ready(ConditionStatus::Unknown, 200)]);
        assert!(set(
            &mut list,
            new("Ready", ConditionStatus::False, "Synced", "fine")
        ));
        assert!(list[0].last_transition_time.0 > at(200).0);
    }

    #[test]
    fn each_field_alone_is_a_change_and_none_is_none() {
        let base = ready(ConditionStatus::True, 100);
        let changes: [fn(&mut Condition); 4] = [
            |condition| condition.status = "False".into(),
            |condition| condition.reason = "Other".into(),
            |condition| condition.message = "other".into(),
            |condition| condition.observed_generation = Some(7),
        ];
        for change in changes {
            let mut list = vec![base.clone()];
            assert!(!set(&mut list, base.clone()));
            assert!(!set(&mut list, ready(ConditionStatus::True, 500)), "time alone");
            let mut other = base.clone();
            change(&mut other);
            assert!(set(&mut list, other.clone()));
            assert_eq!(list, [other]);
        }
    }

    #[test]
    fn absent_and_unknown_are_neither_true_nor_false() {
        let list = [ready(ConditionStatus::Unknown, 1)];
        for type_ in ["Ready", "Absent"] {
            assert!(!is_true(&list, type_) && !is_false(&list, type_), "{type_}");
        }
        assert!(is_true(&[ready(true.into(), 1)], "Ready"));
        assert!(is_false(&[ready(false.into(), 1)], "Ready"));
        assert_eq!(find(&list, "Ready"), Some(&list[0]));
    }

    #[test]
    fn remove_takes_one_type_and_says_whether_it_was_there() {
        let mut list = vec![
            ready(ConditionStatus::True, 1),
            new("Other", ConditionStatus::True, "Yes", ""),
        ];
        assert!(remove(&mut list, "Ready"));
        assert!(!remove(&mut list, "Ready"));
        assert_eq!(list.len(), 1);
    }
}
