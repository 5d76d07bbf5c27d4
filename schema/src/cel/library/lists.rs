//! Functions of lists and sets.

use std::cmp::Ordering;
use std::sync::Arc;

use super::super::value::{Failure, List, Outcome, Value, compare, equal_method, is_comparable};
use super::arithmetic;

pub(super) fn is_sorted<'a>(list: &List<'a>) -> Outcome<'a> {
    let mut previous: Option<Value<'a>> = None;
    for value in list.iter() {
        let value = value?;
        if !is_comparable(&value) {
            return Err(Failure::no_overload());
        }
        if let Some(previous) = previous
            && compare(&previous, &value).is_ok_and(Ordering::is_gt)
        {
            return Ok(Value::Bool(false));
        }
        previous = Some(value);
    }
    Ok(Value::Bool(true))
}

pub(super) fn sum<'a>(list: &List<'a>, zero: Value<'a>) -> Outcome<'a> {
    let mut total = zero;
    for value in list.iter() {
        let value = value?;
        total = arithmetic::add(total, value)?;
    }
    Ok(total)
}

/// The value that no other goes before, in the order that is asked for.
pub(super) fn extreme<'a>(list: &List<'a>, replaces: Ordering, name: &str) -> Outcome<'a> {
    let mut best: Option<Value<'a>> = None;
    for value in list.iter() {
        let value = value?;
        if !is_comparable(&value) {
            return Err(Failure::no_overload());
        }
        match &best {
            Some(old) if compare(old, &value) != Ok(replaces) => {}
            _ => best = Some(value),
        }
    }
    best.ok_or_else(|| Failure::new(format!("{name} called on empty list")))
}

pub(super) fn index_of<'a>(list: &List<'a>, wanted: &Value<'a>, from_end: bool) -> Outcome<'a> {
    let is_it = |index: &usize| match list.get(*index).and_then(|value| equal_method(&value, wanted)) {
        Err(error) if error.is_abort() => Some(Err(error)),
        Ok(true) => Some(Ok(*index)),
        _ => None,
    };
    let found = if from_end {
        (0..list.len()).rev().find_map(|index| is_it(&index))
    } else {
        (0..list.len()).find_map(|index| is_it(&index))
    };
    let index = found.transpose()?;
    Ok(Value::Int(
        index.map_or(-1, |index| i64::try_from(index).unwrap_or(i64::MAX)),
    ))
}

pub(super) fn slice<'a>(list: &List<'a>, start: i64, end: i64) -> Outcome<'a> {
    let failed = |why: &str| Err(Failure::new(format!("cannot slice({start}, {end}), {why}")));
    let (Ok(first), Ok(last)) = (usize::try_from(start), usize::try_from(end)) else {
        return failed("negative indexes not supported");
    };
    if first > last {
        return failed("start index must be less than or equal to end index");
    }
    if list.len() < last {
        return failed(&format!("list is length {}", list.len()));
    }
    let values: Result<Vec<_>, _> = (first..last).map(|index| list.get(index)).collect();
    Ok(Value::list(values?))
}

pub(super) fn flatten<'a>(list: &List<'a>, depth: i64) -> Outcome<'a> {
    if depth < 0 {
        return Err(Failure::fixed("level must be non-negative"));
    }
    let mut out = Vec::new();
    flatten_into(list, depth, &mut out)?;
    Ok(Value::list(out))
}

fn flatten_into<'a>(list: &List<'a>, depth: i64, out: &mut Vec<Value<'a>>) -> Result<(), Failure> {
    for value in list.iter() {
        match value? {
            Value::List(inner) if depth > 0 => flatten_into(&inner, depth - 1, out)?,
            // A list that holds another twice, and so on, is small until it is flat.
            _ if out.len() >= super::MEMORY / size_of::<Value<'_>>() => {
                return Err(Failure::abort(super::COST_EXCEEDED));
            }
            value => out.push(value),
        }
    }
    Ok(())
}

pub(super) fn reverse<'a>(list: &List<'a>) -> Outcome<'a> {
    let values: Result<Vec<_>, _> = (0..list.len()).rev().map(|index| list.get(index)).collect();
    Ok(Value::list(values?))
}

pub(super) fn distinct<'a>(list: List<'a>) -> Outcome<'a> {
    if list.len() == 0 {
        return Ok(Value::List(list));
    }
    let mut out: Vec<Value<'a>> = Vec::new();
    for value in list.iter() {
        let value = value?;
        let mut seen = false;
        for known in &out {
            match equal_method(&value, known) {
                Ok(true) => {
                    seen = true;
                    break;
                }
                Err(error) if error.is_abort() => return Err(error),
                _ => {}
            }
        }
        if !seen {
            out.push(value);
        }
    }
    Ok(Value::list(out))
}

/// `lists.range()`; who asks for more than the budget pays for gets an abort, not the list.
pub(super) fn range<'a>(count: i64) -> Outcome<'a> {
    /// Far more than any budget allows.
    const MOST: i64 = 20_000_000;
    if count > MOST {
        return Err(Failure::abort(super::COST_EXCEEDED));
    }
    Ok(Value::list((0..count).map(Value::Int).collect()))
}

/// Elements in the order of their keys. Go's sort is unstable; here equal keys stay in order.
pub(super) fn sort_by<'a>(list: List<'a>, keys: &List<'a>) -> Outcome<'a> {
    if list.len() != keys.len() {
        return Err(Failure::new(format!(
            "@sortByAssociatedKeys() expected a list of the same size as the associated keys list, but got {} and {} \
             elements respectively",
            list.len(),
            keys.len()
        )));
    }
    if list.len() == 0 {
        return Ok(Value::List(list));
    }
    let keys: Vec<Value<'a>> = keys.iter().collect::<Result<_, _>>()?;
    if !is_comparable(&keys[0]) {
        return Err(Failure::fixed("list elements must be comparable"));
    }
    if keys.iter().any(|key| key.type_name() != keys[0].type_name()) {
        return Err(Failure::fixed("list elements must have the same type"));
    }
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by(|left, right| compare(&keys[*left], &keys[*right]).unwrap_or(Ordering::Equal));
    let values: Result<Vec<_>, _> = order.into_iter().map(|index| list.get(index)).collect();
    Ok(Value::list(values?))
}

pub(super) fn end<'a>(list: &List<'a>, last: bool) -> Outcome<'a> {
    let index = match list.len() {
        0 => return Ok(Value::Optional(None)),
        len if last => len - 1,
        _ => 0,
    };
    Ok(Value::Optional(Some(Arc::new(list.get(index)?))))
}

/// Whether all of the second list's elements are in the first.
pub(super) fn contains_all<'a>(list: &List<'a>, part: &List<'a>) -> Result<bool, Failure> {
    for value in part.iter() {
        if !list.contains(&value?)? {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(super) fn intersects<'a>(left: &List<'a>, right: &List<'a>) -> Result<bool, Failure> {
    for value in left.iter() {
        match right.contains(&value?) {
            Ok(true) => return Ok(true),
            Err(error) if error.is_abort() => return Err(error),
            _ => {}
        }
    }
    Ok(false)
}

/// The values of optionals that have one.
pub(super) fn unwrap<'a>(list: &List<'a>) -> Outcome<'a> {
    let mut out = Vec::new();
    for value in list.iter() {
        match value? {
            Value::Optional(Some(value)) => out.push((*value).clone()),
            Value::Optional(None) => {}
            other => {
                return Err(Failure::new(format!(
                    "value {} is not optional",
                    super::super::value::display(&other)
                )));
            }
        }
    }
    Ok(Value::list(out))
}
