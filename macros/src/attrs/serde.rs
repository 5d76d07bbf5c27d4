//! What `#[serde(...)]` says of written names.

use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, Field, Lit, LitStr, Meta, Token};

/// The entries of `#[serde(...)]`; serde's own derive reports what cannot be read.
pub(crate) fn metas(attrs: &[Attribute]) -> Vec<Meta> {
    attrs
        .iter()
        .filter(|attr| attr.path().is_ident("serde"))
        .filter_map(|attr| attr.meta.require_list().ok())
        .filter_map(|list| {
            Punctuated::<Meta, Token![,]>::parse_terminated
                .parse2(list.tokens.clone())
                .ok()
        })
        .flatten()
        .collect()
}

/// `key = "..."`, or its part for writing, as in `rename(serialize = "...")`.
pub(crate) fn written(attrs: &[Attribute], key: &str) -> Option<String> {
    metas(attrs)
        .into_iter()
        .filter(|meta| meta.path().is_ident(key))
        .find_map(|meta| match meta {
            Meta::NameValue(pair) => match pair.value {
                Expr::Lit(lit) => match lit.lit {
                    Lit::Str(text) => Some(text.value()),
                    _ => None,
                },
                _ => None,
            },
            Meta::List(list) => {
                let mut found = None;
                let read = list.parse_nested_meta(|part| {
                    let text: LitStr = part.value()?.parse()?;
                    if part.path.is_ident("serialize") {
                        found = Some(text.value());
                    }
                    Ok(())
                });
                read.ok().and(found)
            }
            Meta::Path(_) => None,
        })
}

/// The key under which a named field stands in JSON, where the type has this `rename_all`. Absent for a field that
/// is not written under a key of its own.
pub(crate) fn name(field: &Field, rename_all: Option<&str>) -> Option<String> {
    let set_aside = |meta: &Meta| {
        ["skip", "skip_serializing", "flatten"]
            .iter()
            .any(|key| meta.path().is_ident(key))
    };
    if metas(&field.attrs).iter().any(set_aside) {
        return None;
    }
    if let Some(name) = written(&field.attrs, "rename") {
        return Some(name);
    }
    use syn::ext::IdentExt;
    Some(field_name(&field.ident.as_ref()?.unraw().to_string(), rename_all))
}

/// serde's rules for fields.
pub(crate) fn field_name(name: &str, rename_all: Option<&str>) -> String {
    match rename_all {
        Some("camelCase") => lower_first(pascal(name)),
        Some("PascalCase") => pascal(name),
        Some("kebab-case") => name.replace('_', "-"),
        Some("UPPERCASE" | "SCREAMING_SNAKE_CASE") => name.to_ascii_uppercase(),
        Some("SCREAMING-KEBAB-CASE") => name.to_ascii_uppercase().replace('_', "-"),
        _ => name.to_owned(),
    }
}

/// serde's rules for variants.
pub(crate) fn variant_name(name: &str, rename_all: Option<&str>) -> String {
    match rename_all {
        Some("lowercase") => name.to_ascii_lowercase(),
        Some("UPPERCASE") => name.to_ascii_uppercase(),
        Some("camelCase") => lower_first(name.to_owned()),
        Some("snake_case") => snake(name),
        Some("SCREAMING_SNAKE_CASE") => snake(name).to_ascii_uppercase(),
        Some("kebab-case") => snake(name).replace('_', "-"),
        Some("SCREAMING-KEBAB-CASE") => snake(name).to_ascii_uppercase().replace('_', "-"),
        _ => name.to_owned(),
    }
}

/// All of serde's names begin in ASCII here: another first letter has no lower case to serde either.
fn lower_first(mut name: String) -> String {
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    name
}

/// A word begins at each capital.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for (at, letter) in name.char_indices() {
        if at > 0 && letter.is_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// serde's rule for fields: a letter after an underscore becomes a capital.
fn pascal(name: &str) -> String {
    let mut pascal = String::new();
    for word in name.split('_') {
        let mut letters = word.chars();
        pascal.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        pascal.push_str(letters.as_str());
    }
    pascal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_serde_writes() {
        let item: syn::ItemStruct = syn::parse_quote! {
            struct Fields {
                api_version: u8,
                #[serde(rename = "other")]
                kind: u8,
                #[serde(rename(serialize = "out", deserialize = "in"))]
                named: u8,
                #[serde(skip)]
                status: u8,
                r#type: u8,
            }
        };
        let names = |rename_all: Option<&str>| -> Vec<String> {
            item.fields
                .iter()
                .filter_map(|field| name(field, rename_all))
                .collect()
        };
        assert_eq!(names(None), ["api_version", "other", "out", "type"]);
        assert_eq!(names(Some("camelCase")), ["apiVersion", "other", "out", "type"]);
        assert_eq!(names(Some("PascalCase")), ["ApiVersion", "other", "out", "Type"]);
        assert_eq!(names(Some("kebab-case")), ["api-version", "other", "out", "type"]);
        assert_eq!(
            names(Some("SCREAMING-KEBAB-CASE")),
            ["API-VERSION", "other", "out", "TYPE"]
        );
    }
}
