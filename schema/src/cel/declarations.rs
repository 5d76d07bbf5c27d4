//! The functions of the environment that servers give to rules: the standard library, strings (version 2), sets,
//! optionals, lists (version 3), two-variable comprehensions, and Kubernetes' own (lists, regex, URLs, quantities,
//! IP, CIDR, format, semver, and the authorizer's, though no rule of a CRD can get hold of an authorizer).
//!
//! **Invariant:** overloads stand in cel-go's order, since the first that fits decides about the type of the result.
//!
//! The table (`declarations.txt`) has a line with a function's name, then one per overload: its id, its parameters
//! (`target.(a, b)` for methods), its result. `A`, `B`, `K`, `T`, `V` are type parameters.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use super::types::Type;

/// One way to call a function.
#[derive(Debug)]
pub(crate) struct Overload {
    /// cel-go's id.
    pub(crate) id: &'static str,
    /// Whether it is called on a target, the first of the parameters.
    pub(crate) member: bool,
    pub(crate) params: Vec<Type>,
    pub(crate) result: Type,
    /// Names of the type parameters.
    pub(crate) generic: Vec<&'static str>,
}

static FUNCTIONS: LazyLock<HashMap<&'static str, Vec<Overload>>> =
    LazyLock::new(|| parse(include_str!("declarations.txt")));

/// The overloads of a function, by its full name.
pub(crate) fn function(name: &str) -> Option<&'static [Overload]> {
    FUNCTIONS.get(name).map(Vec::as_slice)
}

/// The type that a name stands for; none if it is no type's.
pub(crate) fn type_named(name: &str) -> Option<Type> {
    Some(match name {
        "bool" => Type::Bool,
        "bytes" => Type::Bytes,
        "double" => Type::Double,
        "duration" | "google.protobuf.Duration" => Type::Duration,
        "int" => Type::Int,
        "list" => Type::List(Arc::new(Type::Param("A"))),
        "map" => Type::Map(Arc::new((Type::Param("A"), Type::Param("B")))),
        "null_type" => Type::Null,
        "string" => Type::String,
        "timestamp" | "google.protobuf.Timestamp" => Type::Timestamp,
        "uint" => Type::Uint,
        "type" => Type::Opaque("type"),
        "net.IP" => Type::Opaque("net.IP"),
        "net.CIDR" => Type::Opaque("net.CIDR"),
        "optional_type" => Type::Opaque("optional_type"),
        _ => return None,
    })
}

fn parse(table: &'static str) -> HashMap<&'static str, Vec<Overload>> {
    let mut functions: HashMap<&'static str, Vec<Overload>> = HashMap::new();
    let mut name = "";
    for line in table.lines() {
        match line.strip_prefix("    ") {
            None => name = line,
            Some(line) => functions.entry(name).or_default().push(overload(line)),
        }
    }
    functions
}

fn overload(line: &'static str) -> Overload {
    let (id, mut rest) = line.split_once(' ').expect("a line of the table has an id");
    let mut generic = Vec::new();
    let mut params = Vec::new();
    let member = !rest.starts_with('(');
    if member {
        params.push(parse_type(&mut rest, &mut generic));
        expect(&mut rest, ".");
    }
    expect(&mut rest, "(");
    while !rest.starts_with(')') {
        params.push(parse_type(&mut rest, &mut generic));
        rest = rest.strip_prefix(", ").unwrap_or(rest);
    }
    expect(&mut rest, ") ");
    let result = parse_type(&mut rest, &mut generic);
    Overload {
        id,
        member,
        params,
        result,
        generic,
    }
}

fn expect(rest: &mut &'static str, what: &str) {
    *rest = rest
        .strip_prefix(what)
        .expect("a line of the table is well-formed");
}

fn parse_type(rest: &mut &'static str, generic: &mut Vec<&'static str>) -> Type {
    let end = rest
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(rest.len());
    let (name, after) = rest.split_at(end);
    *rest = after;
    let mut inner = || {
        expect(rest, "(");
        let first = parse_type(rest, generic);
        let second = rest.strip_prefix(", ").map(|after| {
            *rest = after;
            parse_type(rest, generic)
        });
        expect(rest, ")");
        (first, second)
    };
    match name {
        "dyn" => Type::Dyn,
        "bool" => Type::Bool,
        "int" => Type::Int,
        "uint" => Type::Uint,
        "double" => Type::Double,
        "string" => Type::String,
        "bytes" => Type::Bytes,
        "duration" => Type::Duration,
        "timestamp" => Type::Timestamp,
        "list" => Type::List(Arc::new(inner().0)),
        "optional" => Type::Optional(Arc::new(inner().0)),
        "type" => Type::Type(Arc::new(inner().0)),
        "map" => {
            let (key, value) = inner();
            Type::Map(Arc::new((key, value.expect("a map has a value"))))
        }
        "Quantity" => Type::Opaque("kubernetes.Quantity"),
        "URL" => Type::Opaque("kubernetes.URL"),
        "Semver" => Type::Opaque("kubernetes.Semver"),
        "NamedFormat" => Type::Opaque("kubernetes.NamedFormat"),
        "IP" => Type::Opaque("net.IP"),
        "CIDR" => Type::Opaque("net.CIDR"),
        "Authorizer" => Type::Opaque("kubernetes.authorization.Authorizer"),
        "PathCheck" => Type::Opaque("kubernetes.authorization.PathCheck"),
        "GroupCheck" => Type::Opaque("kubernetes.authorization.GroupCheck"),
        "ResourceCheck" => Type::Opaque("kubernetes.authorization.ResourceCheck"),
        "Decision" => Type::Opaque("kubernetes.authorization.Decision"),
        param => {
            assert_eq!(param.len(), 1, "a type of the table is known");
            if !generic.contains(&param) {
                generic.push(param);
            }
            Type::Param(param)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_well_formed() {
        let overloads: usize = FUNCTIONS.values().map(Vec::len).sum();
        assert_eq!((FUNCTIONS.len(), overloads), (154, 340));
    }

    /// SCH-57: libraries that rules may use.
    #[test]
    fn methods_have_their_target_first() {
        let [compare, _] = function("compareTo").expect("declared") else {
            panic!("two overloads")
        };
        assert_eq!(compare.id, "quantity_compare_to");
        assert!(compare.member);
        assert_eq!(
            compare.params,
            [
                Type::Opaque("kubernetes.Quantity"),
                Type::Opaque("kubernetes.Quantity")
            ]
        );
        let [select] = function("_?._").expect("declared") else {
            panic!("one overload")
        };
        assert_eq!(
            (select.member, select.generic.as_slice()),
            (false, ["V"].as_slice())
        );
    }
}
