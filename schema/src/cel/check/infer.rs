//! The types of the nodes of a tree.
//!
//! **Invariant:** after [`infer`], every node that has a value has a type without unknowns, unless there are mistakes.

use std::collections::HashMap;
use std::sync::Arc;

use kubewright_cel::{Comprehension, Entry, Expr, ExprKind, Field, Literal};

use super::super::decl::RootDecl;
use super::super::declarations::{self, Overload};
use super::super::types::{Checked, Reference, Type};
use super::Mistake;
use super::unify::{Bindings, MOST_PARTS, most_general};

/// Finds the types, and writes names in full.
pub(super) fn infer(
    mut expr: Expr,
    decl: &RootDecl,
    variables: &[(&str, Type)],
) -> Result<Checked, Vec<Mistake>> {
    let mut checker = Checker {
        decl,
        bindings: Bindings::default(),
        types: HashMap::new(),
        references: HashMap::new(),
        scope: variables
            .iter()
            .map(|(name, ty)| ((*name).into(), ty.clone()))
            .collect(),
        mistakes: Vec::new(),
    };
    checker.check(&mut expr);
    let Checker {
        bindings,
        mut types,
        references,
        mut mistakes,
        ..
    } = checker;
    for ty in types.values_mut() {
        *ty = bindings.settle(ty);
    }
    if bindings.has_overgrown() {
        let message = format!("a type has more than {MOST_PARTS} parts");
        mistakes.push(Mistake { id: expr.id, message });
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    Ok(Checked {
        expr,
        types,
        references,
    })
}

struct Checker<'a> {
    decl: &'a RootDecl,
    bindings: Bindings,
    types: HashMap<u32, Type>,
    references: HashMap<u32, Reference>,
    /// Variables, the innermost last.
    scope: Vec<(Box<str>, Type)>,
    mistakes: Vec<Mistake>,
}

impl Checker<'_> {
    fn mistake(&mut self, id: u32, message: String) {
        self.mistakes.push(Mistake { id, message });
    }

    fn mismatch(&mut self, id: u32, expected: &Type, found: &Type) {
        self.mistake(id, format!("expected type '{expected}' but found '{found}'"));
    }

    fn undeclared(&mut self, id: u32, name: &str) {
        self.mistake(id, format!("undeclared reference to '{name}' (in container '')"));
        self.types.insert(id, Type::Error);
    }

    fn type_of(&self, expr: &Expr) -> Type {
        self.types.get(&expr.id).cloned().unwrap_or(Type::Dyn)
    }

    /// The full name of a variable or a type, its type, and what it stands for.
    fn lookup(&self, name: &str) -> Option<(Box<str>, Type, Reference)> {
        let name = name.strip_prefix('.').unwrap_or(name);
        if let Some((name, ty)) = self.scope.iter().rev().find(|(known, _)| **known == *name) {
            return Some((name.clone(), ty.clone(), Reference::Variable(name.clone())));
        }
        let named = declarations::type_named(name)?;
        let ty = Type::Type(Arc::new(named.clone()));
        Some((name.into(), ty, Reference::TypeName(named)))
    }

    fn check(&mut self, expr: &mut Expr) {
        let id = expr.id;
        // The rest would only take time.
        if self.bindings.has_overgrown() {
            return;
        }
        match &mut expr.kind {
            ExprKind::Literal(literal) => {
                self.types.insert(id, literal_type(literal));
            }
            ExprKind::Ident(name) => match self.lookup(name) {
                Some((full, ty, reference)) => {
                    *name = full;
                    self.types.insert(id, ty);
                    self.references.insert(id, reference);
                }
                None => {
                    let name = name.clone();
                    self.undeclared(id, &name);
                }
            },
            ExprKind::Select { .. } => self.check_select(expr),
            ExprKind::Call { .. } => self.check_call(expr),
            ExprKind::List { elements, optional } => self.check_list(id, elements, optional),
            ExprKind::Map(entries) => self.check_map(id, entries),
            ExprKind::Struct { name, fields } => {
                if let Some(full) = self.check_struct(id, name, fields) {
                    *name = full;
                }
            }
            ExprKind::Comprehension(comprehension) => self.check_comprehension(id, comprehension),
        }
    }

    fn check_select(&mut self, expr: &mut Expr) {
        let id = expr.id;
        // A name with dots comes before a field.
        if let Some((full, ty, reference)) = qualified(expr).and_then(|name| self.lookup(&name)) {
            expr.kind = ExprKind::Ident(full);
            self.types.insert(id, ty);
            self.references.insert(id, reference);
            return;
        }
        let ExprKind::Select {
            operand,
            field,
            test_only,
        } = &mut expr.kind
        else {
            return;
        };
        let mut ty = self.check_field(id, operand, field, Selection::Plain);
        if *test_only {
            ty = Type::Bool;
        }
        let ty = self.bindings.resolve(&ty);
        self.types.insert(id, ty);
    }

    fn check_optional_select(&mut self, id: u32, args: &mut [Expr]) {
        let [operand, field] = args else {
            let message = format!(
                "unsupported optional field selection: incorrect signature. argument count: {}",
                args.len()
            );
            self.mistake(id, message);
            return;
        };
        let ExprKind::Literal(Literal::String(name)) = &field.kind else {
            self.mistake(field.id, "unsupported optional field selection".to_owned());
            return;
        };
        let ty = self.check_field(id, operand, name, Selection::Optional);
        let ty = self.bindings.resolve(&ty);
        self.types.insert(id, ty);
        self.references
            .insert(id, Reference::Overloads(vec!["select_optional_field"]));
    }

    fn check_field(&mut self, id: u32, operand: &mut Expr, field: &str, selection: Selection) -> Type {
        self.check(operand);
        let whole = self.bindings.resolve(&self.type_of(operand));
        let (target, optional) = match &whole {
            Type::Optional(inner) => (&**inner, true),
            ty => (ty, selection == Selection::Optional),
        };
        let result = match target {
            Type::Map(of) => of.1.clone(),
            Type::Object(name) => match self.decl.field(name, field) {
                Some(ty) => ty.clone(),
                None => {
                    self.mistake(id, format!("undefined field '{field}'"));
                    Type::Error
                }
            },
            // Structs to cel-go, though nobody has told it their fields.
            Type::Opaque(name) if name.starts_with("kubernetes.") => {
                self.mistake(id, format!("unexpected failed resolution of '{name}'"));
                Type::Error
            }
            Type::Var(_) | Type::Param(_) => {
                self.bindings.assignable(&Type::Dyn, target);
                Type::Dyn
            }
            Type::Dyn | Type::Error => Type::Dyn,
            ty => {
                self.mistake(id, format!("type '{ty}' does not support field selection"));
                Type::Dyn
            }
        };
        if optional {
            Type::Optional(Arc::new(result))
        } else {
            result
        }
    }

    fn check_call(&mut self, expr: &mut Expr) {
        let id = expr.id;
        let ExprKind::Call {
            function,
            target,
            args,
        } = &mut expr.kind
        else {
            return;
        };
        if &**function == "_?._" {
            self.check_optional_select(id, args);
            return;
        }
        for arg in &mut *args {
            self.check(arg);
        }
        // `a.b.c()` calls a function `a.b.c` if there is one, else the method `c`.
        if let Some(name) = target.as_deref().and_then(qualified) {
            let name = format!("{name}.{function}");
            if let Some((full, overloads)) = find_function(&name) {
                *target = None;
                *function = full;
                self.resolve(id, function, overloads, None, args);
                return;
            }
        }
        if let Some(target) = target.as_deref_mut() {
            self.check(target);
        }
        match find_function(function) {
            Some((full, overloads)) => {
                *function = full;
                self.resolve(id, function, overloads, target.as_deref(), args);
            }
            None => {
                let name = function.clone();
                self.undeclared(id, &name);
            }
        }
    }

    fn resolve(
        &mut self,
        id: u32,
        function: &str,
        overloads: &[Overload],
        target: Option<&Expr>,
        args: &[Expr],
    ) {
        let given: Vec<Type> = target
            .into_iter()
            .chain(args)
            .map(|arg| self.type_of(arg))
            .collect();
        if matches!(function, "_&&_" | "_||_") {
            self.resolve_logical(id, overloads, &given, args);
            return;
        }
        let mut result: Option<Type> = None;
        let mut ids = Vec::new();
        for overload in overloads.iter().filter(|o| o.member == target.is_some()) {
            let fresh: Vec<Type> = overload.generic.iter().map(|_| self.bindings.fresh()).collect();
            let instance = |ty: &Type| instantiate(ty, &overload.generic, &fresh);
            let wanted: Vec<Type> = overload.params.iter().map(instance).collect();
            if !self.bindings.assignable_all(&given, &wanted) {
                continue;
            }
            ids.push(overload.id);
            let of_this = self.bindings.resolve(&instance(&overload.result));
            result = Some(match result {
                None => of_this,
                Some(Type::Dyn) => Type::Dyn,
                Some(before) if before == of_this => before,
                Some(_) => Type::Dyn,
            });
        }
        let Some(result) = result else {
            let given: Vec<String> = given
                .iter()
                .map(|ty| self.bindings.settle(ty).to_string())
                .collect();
            let signature = match (target, given.split_first()) {
                (Some(_), Some((target, args))) => format!("{target}.({})", args.join(", ")),
                _ => format!("({})", given.join(", ")),
            };
            self.mistake(
                id,
                format!("found no matching overload for '{function}' applied to '{signature}'"),
            );
            self.types.insert(id, Type::Error);
            return;
        };
        self.types.insert(id, result);
        self.references.insert(id, Reference::Overloads(ids));
    }

    fn resolve_logical(&mut self, id: u32, overloads: &[Overload], given: &[Type], args: &[Expr]) {
        let mut result = Type::Bool;
        for (arg, ty) in args.iter().zip(given) {
            if !self.bindings.assignable(ty, &Type::Bool) {
                self.mismatch(arg.id, &Type::Bool, ty);
                result = Type::Error;
            }
        }
        self.types.insert(id, result);
        let ids = overloads.iter().map(|overload| overload.id).collect();
        self.references.insert(id, Reference::Overloads(ids));
    }

    fn check_list(&mut self, id: u32, elements: &mut [Expr], optional: &[u32]) {
        let mut joined = None;
        for (index, element) in elements.iter_mut().enumerate() {
            self.check(element);
            let mut ty = self.type_of(element);
            if optional.iter().any(|optional| *optional as usize == index) {
                ty = self.unwrap_optional(element.id, ty);
            }
            joined = Some(self.join(joined, ty));
        }
        let of = joined.unwrap_or_else(|| self.bindings.fresh());
        self.types.insert(id, Type::List(Arc::new(of)));
    }

    fn check_map(&mut self, id: u32, entries: &mut [Entry]) {
        let mut joined: Option<(Type, Type)> = None;
        for entry in entries {
            let (key, value) = joined.take().unzip();
            self.check(&mut entry.key);
            let ty = self.type_of(&entry.key);
            let key = self.join(key, ty);
            self.check(&mut entry.value);
            let mut ty = self.type_of(&entry.value);
            if entry.optional {
                ty = self.unwrap_optional(entry.value.id, ty);
            }
            let value = self.join(value, ty);
            joined = Some((key, value));
        }
        let of = joined.unwrap_or_else(|| (self.bindings.fresh(), self.bindings.fresh()));
        self.types.insert(id, Type::Map(Arc::new(of)));
    }

    fn unwrap_optional(&mut self, id: u32, ty: Type) -> Type {
        match ty {
            Type::Optional(inner) => (*inner).clone(),
            Type::Dyn => Type::Dyn,
            ty => {
                self.mismatch(id, &Type::Optional(Arc::new(ty.clone())), &ty);
                ty
            }
        }
    }

    /// The type of a list's elements so far. Where they differ it is `dyn`; that servers want them to be of one type is
    /// looked at when all types are known.
    fn join(&mut self, before: Option<Type>, ty: Type) -> Type {
        match before {
            None => ty,
            Some(before) if self.bindings.assignable(&before, &ty) => most_general(&before, &ty),
            Some(_) => Type::Dyn,
        }
    }

    /// Gives the full name. Rules have no type that could be written so but time's.
    fn check_struct(&mut self, id: u32, name: &str, fields: &mut [Field]) -> Option<Box<str>> {
        let Some((full, ty, _)) = self.lookup(name) else {
            self.undeclared(id, name);
            return None;
        };
        self.references.insert(id, Reference::Variable(full.clone()));
        let known = match &ty {
            Type::Type(of) if matches!(**of, Type::Duration | Type::Timestamp | Type::Null) => (**of).clone(),
            Type::Type(of) => {
                let message = format!("'{}' is not a message type", of.name());
                self.mistake(id, message);
                Type::Error
            }
            Type::Error => Type::Error,
            ty => {
                self.mistake(id, format!("'{}' is not a type", ty.name()));
                Type::Error
            }
        };
        self.types.insert(id, known.clone());
        for field in fields {
            self.check(&mut field.value);
            let wanted = self.struct_field(field.id, &known, &full, &field.name);
            let mut ty = self.type_of(&field.value);
            if field.optional {
                ty = self.unwrap_optional(field.value.id, ty);
            }
            if !self.bindings.assignable(&wanted, &ty) {
                let message = format!(
                    "expected type of field '{}' is '{wanted}' but provided type is '{ty}'",
                    field.name
                );
                self.mistake(field.id, message);
            }
        }
        Some(full)
    }

    fn struct_field(&mut self, id: u32, ty: &Type, name: &str, field: &str) -> Type {
        match (ty, field) {
            (Type::Duration | Type::Timestamp, "seconds" | "nanos") => return Type::Int,
            (Type::Duration | Type::Timestamp, _) => self.mistake(id, format!("undefined field '{field}'")),
            (Type::Null, _) => {
                self.mistake(
                    id,
                    "unexpected failed resolution of 'google.protobuf.NullValue'".to_owned(),
                );
            }
            _ => self.mistake(id, format!("unexpected failed resolution of '{name}'")),
        }
        Type::Error
    }

    fn check_comprehension(&mut self, id: u32, loop_: &mut Comprehension) {
        self.check(&mut loop_.range);
        self.check(&mut loop_.init);
        let range = self.bindings.resolve(&self.type_of(&loop_.range));
        let accu = self.type_of(&loop_.init);
        let outside = self.scope.len();
        self.scope.push((loop_.accu.clone(), accu.clone()));
        let (first, second) = match &range {
            Type::List(of) if loop_.var2.is_some() => (Type::Int, (**of).clone()),
            Type::List(of) => ((**of).clone(), Type::Error),
            Type::Map(of) => (of.0.clone(), of.1.clone()),
            Type::Dyn | Type::Error | Type::Var(_) | Type::Param(_) => {
                self.bindings.assignable(&Type::Dyn, &range);
                (Type::Dyn, Type::Dyn)
            }
            ty => {
                let message = format!(
                    "expression of type '{ty}' cannot be range of a comprehension (must be list, map, or dynamic)"
                );
                self.mistake(loop_.range.id, message);
                (Type::Error, Type::Error)
            }
        };
        self.scope.push((loop_.var.clone(), first));
        if let Some(name) = &loop_.var2 {
            self.scope.push((name.clone(), second));
        }
        self.check(&mut loop_.condition);
        self.assert(&loop_.condition, &Type::Bool);
        self.check(&mut loop_.step);
        self.assert(&loop_.step, &accu);
        self.scope.truncate(outside + 1);
        self.check(&mut loop_.result);
        self.scope.truncate(outside);
        let ty = self.bindings.resolve(&self.type_of(&loop_.result));
        self.types.insert(id, ty);
    }

    fn assert(&mut self, expr: &Expr, wanted: &Type) {
        let ty = self.type_of(expr);
        if !self.bindings.assignable(wanted, &ty) {
            self.mismatch(expr.id, wanted, &ty);
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Selection {
    Plain,
    Optional,
}

fn find_function(name: &str) -> Option<(Box<str>, &'static [Overload])> {
    let full = name.strip_prefix('.').unwrap_or(name);
    declarations::function(full).map(|overloads| (full.into(), overloads))
}

/// `a.b.c`, if that is all there is.
fn qualified(expr: &Expr) -> Option<String> {
    match &expr.kind {
        ExprKind::Ident(name) => Some(name.to_string()),
        ExprKind::Select {
            operand,
            field,
            test_only: false,
        } => qualified(operand).map(|name| format!("{name}.{field}")),
        _ => None,
    }
}

fn literal_type(literal: &Literal) -> Type {
    match literal {
        Literal::Null => Type::Null,
        Literal::Bool(_) => Type::Bool,
        Literal::Int(_) => Type::Int,
        Literal::Uint(_) => Type::Uint,
        Literal::Double(_) => Type::Double,
        Literal::String(_) => Type::String,
        Literal::Bytes(_) => Type::Bytes,
    }
}

fn instantiate(ty: &Type, generic: &[&'static str], fresh: &[Type]) -> Type {
    let inner = |ty: &Type| instantiate(ty, generic, fresh);
    match ty {
        Type::Param(name) => generic
            .iter()
            .position(|param| param == name)
            .map_or(Type::Dyn, |index| fresh[index].clone()),
        Type::List(of) => Type::List(Arc::new(inner(of))),
        Type::Optional(of) => Type::Optional(Arc::new(inner(of))),
        Type::Type(of) => Type::Type(Arc::new(inner(of))),
        Type::Map(of) => Type::Map(Arc::new((inner(&of.0), inner(&of.1)))),
        _ => ty.clone(),
    }
}
