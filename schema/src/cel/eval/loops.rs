//! Loops: what macros over lists and maps become.
//!
//! **Invariant:** the loops that are done in a special way give and cost what the general one does.

use std::sync::Arc;

use super::super::plan::{Body, Fold, Node};
use super::super::value::{Failure, List, Outcome, Value};
use super::Machine;

impl<'a> Machine<'a, '_> {
    pub(super) fn accumulator(&mut self, slot: usize, init: &'a Node) -> Outcome<'a> {
        if let Some(value) = self.slots.at(slot) {
            return value.clone();
        }
        let value = self.operand(init)?;
        *self.slots.at(slot) = Some(value.clone());
        value
    }

    /// `accumulator + [elements]` without copying the accumulator.
    pub(super) fn append(&mut self, slot: usize, init: &'a Node, elements: &'a Node) -> Outcome<'a> {
        // The name alone costs as much as when it is read.
        let known = match self.slots.at(slot) {
            Some(value) => value.as_ref().map(|_| ()).map_err(Clone::clone),
            None => self.accumulator(slot, init).map(|_| ()),
        };
        self.charge(1)?;
        let added = self.operand(elements)?;
        self.charge(1)?;
        known?;
        let Value::List(added) = added? else {
            return Err(Failure::no_overload());
        };
        let taken = self.slots.at(slot).take();
        let Some(Ok(Value::List(list))) = taken else {
            return Err(Failure::no_overload());
        };
        let mut values = match list {
            List::Shared(values) => values,
            other => Arc::new(other.iter().collect::<Result<Vec<_>, _>>()?),
        };
        let more = added.iter().collect::<Result<Vec<_>, _>>()?;
        Arc::make_mut(&mut values).extend(more);
        Ok(Value::List(List::Shared(values)))
    }

    pub(super) fn fold(&mut self, fold: &'a Fold) -> Outcome<'a> {
        let range = match self.range(&fold.range) {
            Some(list) => Value::List(list),
            None => self.eval(&fold.range)?,
        };
        *self.slots.at(fold.accumulator) = match &fold.body {
            Body::All(_) => Some(Ok(Value::Bool(true))),
            Body::Exists(_) => Some(Ok(Value::Bool(false))),
            Body::Any { .. } => None,
        };
        match range {
            Value::List(list) => {
                for index in 0..list.len() {
                    let element = list.get(index);
                    if fold.var2.is_some() {
                        let index = Ok(Value::Int(i64::try_from(index).unwrap_or(i64::MAX)));
                        if !self.turn(fold, index, Some(element))? {
                            break;
                        }
                    } else if !self.turn(fold, element, None)? {
                        break;
                    }
                }
            }
            Value::Map(map) => {
                for key in map.keys() {
                    let value = fold.var2.is_some().then(|| map.get(&key));
                    if !self.turn(fold, Ok(key), value)? {
                        break;
                    }
                }
            }
            other => {
                let found = other.go_type();
                return Err(Failure::new(match fold.var2 {
                    Some(_) => format!("unsupported comprehension range type: {found}"),
                    None => format!("got '{found}', expected iterable type"),
                }));
            }
        }
        match &fold.body {
            Body::All(_) | Body::Exists(_) => {
                let value = self.accumulator(fold.accumulator, &fold.init);
                self.charge(1)?;
                value
            }
            Body::Any { result, .. } => self.eval(result),
        }
    }

    /// One turn of a loop; whether another may follow.
    fn turn(&mut self, fold: &'a Fold, var: Outcome<'a>, var2: Option<Outcome<'a>>) -> Result<bool, Failure> {
        *self.slots.at(fold.var) = Some(var);
        if let Some(slot) = fold.var2 {
            *self.slots.at(slot) = var2;
        }
        let (decisive, predicate) = match &fold.body {
            Body::All(predicate) => (false, predicate),
            Body::Exists(predicate) => (true, predicate),
            Body::Any { condition, step, .. } => {
                if let Ok(Value::Bool(false)) = self.operand(condition)? {
                    return Ok(false);
                }
                let value = self.operand(step)?;
                *self.slots.at(fold.accumulator) = Some(value);
                return Ok(true);
            }
        };
        // The condition reads the accumulator, and `exists()` negates it.
        for _ in 0..if decisive { 3 } else { 2 } {
            self.charge(1)?;
        }
        if matches!(self.slots.get(fold.accumulator), Some(Ok(Value::Bool(value))) if *value == decisive) {
            return Ok(false);
        }
        self.charge(1)?;
        let value = match self.quick(predicate).map_or_else(|| self.truth(predicate), Ok) {
            Ok(value) if value == decisive => Ok(Value::Bool(decisive)),
            Ok(_) => return Ok(true),
            Err(error) if error.is_abort() => return Err(error),
            // The first failure stays.
            Err(_) if matches!(self.slots.get(fold.accumulator), Some(Err(_))) => return Ok(true),
            Err(error) => Err(error),
        };
        *self.slots.at(fold.accumulator) = Some(value);
        Ok(true)
    }
}
