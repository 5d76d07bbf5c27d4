//! Descriptions: what a doc comment says to users of the API.

use syn::{Attribute, Expr, Lit, Meta};

use crate::attrs::suggest;
use crate::errors::Errors;

/// The doc comment, as controller-gen reads one: lines are kept, blank lines at the ends and repeated ones are not;
/// what follows a line that begins with `---`, and lines that begin with `TODO`, are for developers.
///
/// A marker of kubebuilder or code-generator is a mistake: nothing reads it (markers of this kind would stand in the
/// description).
pub(super) fn read(attrs: &[Attribute], told: bool, errors: &mut Errors) -> String {
    let mut lines: Vec<String> = Vec::new();
    'all: for attr in attrs.iter().filter(|attr| attr.path().is_ident("doc")) {
        let Meta::NameValue(pair) = &attr.meta else {
            continue;
        };
        let Expr::Lit(lit) = &pair.value else { continue };
        let Lit::Str(text) = &lit.lit else { continue };
        for line in text.value().split('\n') {
            let line = line.trim();
            // A block comment has stars at its lines.
            let line = line.strip_prefix("* ").unwrap_or(line);
            if line.starts_with("---") {
                break 'all;
            }
            if let Some(message) = suggest::leftover(line) {
                if !told {
                    errors.at(text.span(), message);
                }
                continue;
            }
            if line.starts_with("TODO") {
                continue;
            }
            if !line.is_empty() || lines.last().is_some_and(|last| !last.is_empty()) {
                lines.push(line.to_owned());
            }
        }
    }
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines.join("\n")
}
