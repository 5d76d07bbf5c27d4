//! Whether one type fits where another is wanted, and what unknown types are thereby found to be.
//!
//! **Invariant:** a question that is answered with no leaves nothing bound. No type has many more than [`MOST_PARTS`]
//! parts, so that each question is answered soon.

use std::cell::Cell;
use std::sync::Arc;

use super::super::types::Type;

/// Parts of the largest type. Loops in a row, each making maps of what the one before made (`x.map(a, {a: a})`), double
/// it each time; upstream would not come to an end.
pub(super) const MOST_PARTS: usize = 4096;

/// What is known of the unknown types, `Type::Var`.
#[derive(Debug, Default)]
pub(super) struct Bindings {
    bound: Vec<Option<Type>>,
    /// What to put back if the question at hand is answered with no.
    undo: Vec<(u32, Option<Type>)>,
    has_overgrown: Cell<bool>,
}

impl Bindings {
    /// Whether there was a type of more than [`MOST_PARTS`]; then some are not what they should be.
    pub(super) fn has_overgrown(&self) -> bool {
        self.has_overgrown.get()
    }

    /// An unknown type that nothing else refers to.
    pub(super) fn fresh(&mut self) -> Type {
        self.bound.push(None);
        Type::Var(u32::try_from(self.bound.len() - 1).unwrap_or(u32::MAX))
    }

    /// Whether all types of one list fit where those of the other are wanted.
    pub(super) fn assignable_all(&mut self, from: &[Type], to: &[Type]) -> bool {
        self.undo.clear();
        let fits = from.len() == to.len() && from.iter().zip(to).all(|(from, to)| self.fits(from, to));
        if !fits {
            while let Some((var, before)) = self.undo.pop() {
                self.bound[var as usize] = before;
            }
        }
        fits
    }

    /// Whether a type fits where another is wanted.
    pub(super) fn assignable(&mut self, from: &Type, to: &Type) -> bool {
        self.assignable_all(std::slice::from_ref(from), std::slice::from_ref(to))
    }

    /// A type with what is known put in; what is unknown stays.
    pub(super) fn resolve(&self, ty: &Type) -> Type {
        self.substitute(ty, false, &mut 0)
    }

    /// A type with what is known put in; what is unknown becomes `dyn`.
    pub(super) fn settle(&self, ty: &Type) -> Type {
        self.substitute(ty, true, &mut 0)
    }

    fn substitute(&self, ty: &Type, settle: bool, parts: &mut usize) -> Type {
        *parts += 1;
        if *parts > MOST_PARTS {
            self.has_overgrown.set(true);
            return Type::Dyn;
        }
        if let Some(found) = self.find(ty) {
            return self.substitute(found, settle, parts);
        }
        match ty {
            Type::Var(_) | Type::Param(_) if settle => Type::Dyn,
            Type::List(of) => Type::List(Arc::new(self.substitute(of, settle, parts))),
            Type::Optional(of) => Type::Optional(Arc::new(self.substitute(of, settle, parts))),
            Type::Type(of) => Type::Type(Arc::new(self.substitute(of, settle, parts))),
            Type::Map(of) => Type::Map(Arc::new((
                self.substitute(&of.0, settle, parts),
                self.substitute(&of.1, settle, parts),
            ))),
            _ => ty.clone(),
        }
    }

    fn find(&self, ty: &Type) -> Option<&Type> {
        match ty {
            Type::Var(number) => self.bound.get(*number as usize)?.as_ref(),
            _ => None,
        }
    }

    fn bind(&mut self, var: &Type, to: Type) {
        if let Type::Var(number) = var {
            let before = self.bound[*number as usize].replace(to);
            self.undo.push((*number, before));
        }
    }

    fn fits(&mut self, a: &Type, b: &Type) -> bool {
        if is_unknown(b) {
            match self.stands_for(a, b) {
                Standing::Fits => return true,
                // What b is already decides.
                Standing::Conflicts => return false,
                // It would contain itself; perhaps the other way round works.
                Standing::Cyclic => {}
            }
        }
        if is_unknown(a) {
            return self.stands_for(b, a) == Standing::Fits;
        }
        match (a, b) {
            (Type::Dyn | Type::Error, _) | (_, Type::Dyn | Type::Error) => true,
            (Type::Null, other) | (other, Type::Null) => takes_null(other),
            (Type::List(a), Type::List(b)) | (Type::Optional(a), Type::Optional(b)) => self.fits(a, b),
            (Type::Map(a), Type::Map(b)) => self.fits(&a.0, &b.0) && self.fits(&a.1, &b.1),
            (Type::Type(_), Type::Type(_)) => true,
            _ => a == b,
        }
    }

    /// Whether the unknown `var` is, or can be, `ty`.
    fn stands_for(&mut self, ty: &Type, var: &Type) -> Standing {
        if ty == var {
            return Standing::Fits;
        }
        if let Some(found) = self.find(var).cloned() {
            if *ty == found {
                return Standing::Fits;
            }
            if !self.fits(ty, &found) {
                return Standing::Conflicts;
            }
            let general = if less_specific(ty, &found) {
                ty.clone()
            } else {
                found
            };
            if !self.occurs(var, &general) {
                self.bind(var, general);
            }
            return Standing::Fits;
        }
        if self.occurs(var, ty) {
            return Standing::Cyclic;
        }
        self.bind(var, ty.clone());
        Standing::Fits
    }

    /// Whether a type has the unknown one inside.
    fn occurs(&self, var: &Type, within: &Type) -> bool {
        if var == within {
            return true;
        }
        match within {
            Type::Var(_) => self.find(within).is_some_and(|found| self.occurs(var, found)),
            Type::List(of) | Type::Optional(of) | Type::Type(of) => self.occurs(var, of),
            Type::Map(of) => self.occurs(var, &of.0) || self.occurs(var, &of.1),
            _ => false,
        }
    }
}

#[derive(PartialEq)]
enum Standing {
    Fits,
    Conflicts,
    Cyclic,
}

/// The more general one of two types that go together.
pub(super) fn most_general(a: &Type, b: &Type) -> Type {
    if less_specific(a, b) { a.clone() } else { b.clone() }
}

fn is_unknown(ty: &Type) -> bool {
    matches!(ty, Type::Var(_) | Type::Param(_))
}

fn takes_null(ty: &Type) -> bool {
    matches!(
        ty,
        Type::Null | Type::Optional(_) | Type::Opaque(_) | Type::Object(_) | Type::Duration | Type::Timestamp
    )
}

/// Whether the first type says no more than the second.
fn less_specific(a: &Type, b: &Type) -> bool {
    if *a == Type::Dyn || is_unknown(a) {
        return true;
    }
    if *b == Type::Dyn || is_unknown(b) {
        return false;
    }
    match (a, b) {
        (Type::List(a), Type::List(b)) | (Type::Optional(a), Type::Optional(b)) => less_specific(a, b),
        (Type::Map(a), Type::Map(b)) => less_specific(&a.0, &b.0) && less_specific(&a.1, &b.1),
        (Type::Type(_), Type::Type(_)) => true,
        _ => a == b,
    }
}
