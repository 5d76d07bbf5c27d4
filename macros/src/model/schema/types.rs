//! What the tokens of a type tell of its JSON. A name may be shadowed or an alias; what is not told here, constants
//! tell (`kubewright::__private0::shape`).

use quote::ToTokens;
use syn::{GenericArgument, Path, PathArguments, Type};

/// A type, as far as tokens tell.
pub(super) enum Known<'a> {
    Text,
    Integer(Bits),
    Float,
    Bool,
    List(Option<&'a Type>),
    Set(Option<&'a Type>),
    Map(Option<&'a Type>, Option<&'a Type>),
    Option(&'a Type),
    /// `Box<T>` and the like: `T`.
    Same(&'a Type),
    IntOrString,
    Any,
    /// Two or more members.
    Tuple,
    Unit,
    Array(&'a Type),
    /// Types without JSON, and what they are called.
    Nothing(&'static str),
    /// `std`'s `Duration` or `SystemTime`.
    Clock(&'static str),
    Named,
}

/// An integer's width and whether it has a sign.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Bits {
    pub(super) wide: bool,
}

/// What limits a type takes.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Kind {
    Text,
    Integer,
    Number,
    Bool,
    List,
    Map,
    IntOrString,
    Any,
    Unknown,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Integer => "an integer",
            Self::Number => "a number",
            Self::Bool => "a boolean",
            Self::List => "a list",
            Self::Map => "a map",
            Self::IntOrString => "an integer or a string",
            Self::Any => "any value",
            Self::Unknown => "unknown",
        }
    }
}

/// The name and the range of an integer whose limits a schema leaves out.
pub(super) fn small_integer(ty: &Type) -> Option<(&'static str, i64, i64)> {
    let Type::Path(path) = peel(ty).0 else { return None };
    let last = path.path.segments.last()?;
    let found = match last.ident.to_string().as_str() {
        "i8" => ("i8", i8::MIN.into(), i8::MAX.into()),
        "i16" => ("i16", i16::MIN.into(), i16::MAX.into()),
        "u8" => ("u8", 0, u8::MAX.into()),
        "u16" => ("u16", 0, u16::MAX.into()),
        _ => return None,
    };
    Some(found)
}

/// Looks at one type.
pub(super) fn known(ty: &Type) -> Known<'_> {
    match ty {
        Type::Group(group) => known(&group.elem),
        Type::Paren(paren) => known(&paren.elem),
        Type::Reference(reference) => Known::Same(&reference.elem),
        Type::Slice(slice) => Known::List(Some(&slice.elem)),
        Type::Array(array) => Known::Array(&array.elem),
        Type::Tuple(tuple) => match tuple.elems.len() {
            0 => Known::Unit,
            _ => Known::Tuple,
        },
        Type::FnPtr(_) => Known::Nothing("a function"),
        Type::Ptr(_) => Known::Nothing("a pointer"),
        Type::Path(path) if path.qself.is_none() => named(&path.path),
        _ => Known::Named,
    }
}

fn named(path: &Path) -> Known<'_> {
    let Some(last) = path.segments.last() else {
        return Known::Named;
    };
    let arguments: Vec<&Type> = match &last.arguments {
        PathArguments::AngleBracketed(arguments) => arguments
            .args
            .iter()
            .filter_map(|argument| match argument {
                GenericArgument::Type(ty) => Some(ty),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    };
    let first = arguments.first().copied();
    let name = last.ident.to_string();
    let alone = path.segments.len() == 1;
    match (name.as_str(), first) {
        ("String" | "str" | "char" | "PathBuf" | "Path", None) => Known::Text,
        ("i8" | "i16" | "i32" | "i64" | "isize", None) => Known::Integer(Bits { wide: false }),
        ("u8" | "u16" | "u32" | "u64" | "usize", None) => Known::Integer(Bits { wide: false }),
        ("i128" | "u128", None) => Known::Integer(Bits { wide: true }),
        (
            "NonZeroU8" | "NonZeroU16" | "NonZeroU32" | "NonZeroU64" | "NonZeroI8" | "NonZeroI16"
            | "NonZeroI32" | "NonZeroI64",
            None,
        ) => Known::Integer(Bits { wide: false }),
        ("f32" | "f64", None) => Known::Float,
        ("bool", None) => Known::Bool,
        ("Option", Some(inner)) => Known::Option(inner),
        ("Box" | "Rc" | "Arc" | "RefCell" | "Cell" | "Mutex" | "RwLock" | "Cow", Some(inner)) => {
            Known::Same(inner)
        }
        ("Vec" | "VecDeque" | "LinkedList" | "BinaryHeap", Some(inner)) => Known::List(Some(inner)),
        ("BTreeSet" | "HashSet", Some(inner)) => Known::Set(Some(inner)),
        ("BTreeMap" | "HashMap", Some(key)) => Known::Map(Some(key), arguments.get(1).copied()),
        ("IntOrString", None) => Known::IntOrString,
        ("Value", None) if alone || path.segments.first().is_some_and(|s| s.ident == "serde_json") => {
            Known::Any
        }
        ("PhantomData", _) => Known::Nothing("a `PhantomData`"),
        ("Duration", None) if is_std(path, "time") => Known::Clock("Duration"),
        ("SystemTime", None) if alone || is_std(path, "time") => Known::Clock("SystemTime"),
        _ => Known::Named,
    }
}

/// `std::time::X`, written in full: `Duration` alone may be Kubernetes' own.
fn is_std(path: &Path, module: &str) -> bool {
    let names: Vec<String> = path
        .segments
        .iter()
        .map(|segment| segment.ident.to_string())
        .collect();
    names.len() == 3 && (names[0] == "std" || names[0] == "core") && names[1] == module
}

/// The type inside `Option`s and boxes, and whether there was an `Option`.
pub(super) fn peel(ty: &Type) -> (&Type, usize) {
    match known(ty) {
        Known::Option(inner) => {
            let (inner, options) = peel(inner);
            (inner, options + 1)
        }
        Known::Same(inner) => peel(inner),
        _ => match ty {
            Type::Group(group) => peel(&group.elem),
            Type::Paren(paren) => peel(&paren.elem),
            _ => (ty, 0),
        },
    }
}

/// What limits fit.
pub(super) fn kind(ty: &Type) -> Kind {
    match known(peel(ty).0) {
        Known::Text => Kind::Text,
        Known::Integer(_) => Kind::Integer,
        Known::Float => Kind::Number,
        Known::Bool => Kind::Bool,
        Known::List(_) | Known::Set(_) | Known::Array(_) => Kind::List,
        Known::Map(..) => Kind::Map,
        Known::IntOrString => Kind::IntOrString,
        Known::Any => Kind::Any,
        _ => Kind::Unknown,
    }
}

/// The type of a list's items.
pub(super) fn item(ty: &Type) -> Option<&Type> {
    match known(peel(ty).0) {
        Known::List(inner) | Known::Set(inner) => inner,
        Known::Array(inner) => Some(inner),
        _ => None,
    }
}

/// The types of a map's keys and values.
pub(super) fn map(ty: &Type) -> (Option<&Type>, Option<&Type>) {
    match known(peel(ty).0) {
        Known::Map(key, value) => (key, value),
        _ => (None, None),
    }
}

/// Stands for a type that is not looked for.
pub(super) const NOBODY: &str = "__nobody";

/// Whether the type is held at this place, however deep: through lists, maps, boxes.
pub(super) fn holds(ty: &Type, name: &syn::Ident) -> bool {
    let inner = peel(ty).0;
    match known(inner) {
        Known::List(Some(item)) | Known::Set(Some(item)) | Known::Array(item) => holds(item, name),
        Known::Map(_, Some(value)) => holds(value, name),
        Known::Named => match inner {
            Type::Path(path) => path.path.is_ident(name) || (path.path.is_ident("Self") && name != NOBODY),
            _ => false,
        },
        _ => false,
    }
}

/// The innermost type that is held here, in lists, maps and boxes, and whether it is in one of these: a type that
/// contains itself needs one. Absent where the name tells all.
pub(super) fn leaf(ty: &Type) -> Option<(&Type, bool)> {
    let inside = |ty| leaf(ty).map(|(leaf, _)| (leaf, true));
    match known(ty) {
        Known::List(Some(item)) | Known::Set(Some(item)) => inside(item),
        Known::Map(_, Some(value)) => inside(value),
        Known::Array(inner) | Known::Option(inner) => leaf(inner),
        Known::Same(inner) => inside(inner),
        Known::Named => match ty {
            Type::Path(_) => Some((ty, false)),
            _ => None,
        },
        _ => None,
    }
}

/// The type as written, for messages.
pub(super) fn text(ty: &Type) -> String {
    ty.to_token_stream()
        .to_string()
        .replace(" < ", "<")
        .replace(" > ", ">")
        .replace(" >", ">")
        .replace(" :: ", "::")
        .replace(" ,", ",")
        .replace("& ", "&")
}
