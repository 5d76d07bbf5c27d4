//! All the mistakes of one type, reported at once.
//!
//! **Invariant:** no error is lost: dropping an accumulator that nobody finished is a panic.

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};

/// Collects errors while the macro goes on.
#[derive(Default)]
pub(crate) struct Errors {
    found: Vec<syn::Error>,
    finished: bool,
}

impl Errors {
    /// Reports a mistake at `span`.
    pub(crate) fn at(&mut self, span: Span, message: impl Display) {
        self.found.push(syn::Error::new(span, message));
    }

    /// Reports what syn reported.
    pub(crate) fn push(&mut self, error: syn::Error) {
        self.found.push(error);
    }

    /// Whether nothing was reported yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The errors as `compile_error!` invocations, in the order in which they were found.
    pub(crate) fn finish(mut self) -> TokenStream {
        self.finished = true;
        self.found.iter().map(syn::Error::to_compile_error).collect()
    }

    /// The messages, for tests on token streams.
    #[cfg(test)]
    pub(crate) fn messages(mut self) -> Vec<String> {
        self.finished = true;
        self.found.iter().map(ToString::to_string).collect()
    }
}

impl Drop for Errors {
    fn drop(&mut self) {
        if !self.finished && !std::thread::panicking() {
            panic!("errors of a derive were not reported");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "not reported")]
    fn dropping_unreported_errors_panics() {
        drop(Errors::default());
    }

    #[test]
    fn all_errors_are_reported_in_order() {
        let mut errors = Errors::default();
        errors.at(Span::call_site(), "first");
        errors.at(Span::call_site(), "second");
        let tokens = errors.finish().to_string();
        assert!(tokens.find("first") < tokens.find("second"), "{tokens}");
    }
}
