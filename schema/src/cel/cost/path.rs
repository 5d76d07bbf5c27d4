//! The way from a variable down to what an expression names: `self`, `spec`, `@items`, …
//!
//! **Invariant:** [`Path::append`] does what Go's `append` does. Upstream appends to slices that share their memory, so
//! that the last field of `x` overwrites the one before in `x.a < x.b` where `x` is the variable of a loop; estimates
//! depend on it.

use std::cell::RefCell;
use std::rc::Rc;

/// A Go slice of strings: a view of memory that others may view too.
#[derive(Clone, Debug)]
pub(super) struct Path {
    memory: Rc<RefCell<Vec<Rc<str>>>>,
    length: usize,
    capacity: usize,
}

impl Path {
    pub(super) fn of(first: &str) -> Self {
        Self {
            memory: Rc::new(RefCell::new(vec![first.into()])),
            length: 1,
            capacity: 1,
        }
    }

    /// The path with one more step. Where there is capacity left, what lies there is overwritten.
    pub(super) fn append(path: Option<Self>, step: &str) -> Self {
        let Some(path) = path else {
            return Self::of(step);
        };
        let length = path.length + 1;
        if length <= path.capacity {
            let mut memory = path.memory.borrow_mut();
            match memory.get_mut(path.length) {
                Some(slot) => *slot = step.into(),
                None => memory.push(step.into()),
            }
            drop(memory);
            return Self { length, ..path };
        }
        let mut memory = path.steps();
        memory.push(step.into());
        Self {
            memory: Rc::new(RefCell::new(memory)),
            length,
            // Powers of two all fit Go's size classes for strings of 16 bytes.
            capacity: path.capacity * 2,
        }
    }

    pub(super) fn steps(&self) -> Vec<Rc<str>> {
        self.memory.borrow()[..self.length].to_vec()
    }

    pub(super) fn first(&self) -> Rc<str> {
        Rc::clone(&self.memory.borrow()[0])
    }

    /// A copy that shares nothing.
    pub(super) fn then(&self, step: &str) -> Self {
        let mut memory = self.steps();
        memory.push(step.into());
        Self {
            length: memory.len(),
            capacity: memory.len(),
            memory: Rc::new(RefCell::new(memory)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SCH-54
    #[test]
    fn siblings_share_memory_as_in_go() {
        let items = Path::append(Some(Path::append(Some(Path::of("self")), "list")), "@items");
        let a = Path::append(Some(items.clone()), "a");
        assert_eq!(&*a.steps()[3], "a");
        let b = Path::append(Some(items), "b");
        assert_eq!((&*a.steps()[3], &*b.steps()[3]), ("b", "b"));
        let c = Path::append(Some(a.clone()), "c");
        let d = Path::append(Some(a), "d");
        assert_eq!((&*c.steps()[4], &*d.steps()[4]), ("c", "d"));
    }
}
