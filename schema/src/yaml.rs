//! YAML from people, such as files with CRDs: decoded with limits.
//!
//! A document has at most [`SIZE_LIMIT`] bytes, 64 levels, and some hundred thousand values, aliases included, so that
//! no document takes more than some 100 MB. What JSON cannot say is refused: repeated keys, keys that are no text,
//! numbers that are not finite.

use serde_json::Value;

/// Most bytes of a text: what an API server reads from a request.
pub const SIZE_LIMIT: usize = 3 * 1024 * 1024;

/// Why a text is no document.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It is too long.
    #[error("the document has {size} bytes, and more than {SIZE_LIMIT} are not read; split it")]
    TooLong {
        /// Its bytes.
        size: usize,
    },
    /// It is no UTF-8.
    #[error("the document is not UTF-8")]
    NotText(#[from] std::str::Utf8Error),
    /// It is no YAML, or one of the limits was hit.
    #[error("the document is not YAML that stands for JSON: {0}")]
    Syntax(#[source] Box<serde_saphyr::Error>),
}

/// Decodes one document. As in Kubernetes, plain words such as `yes` and `n` are text.
///
/// # Errors
/// See [`Error`].
///
/// ```
/// use kubewright_schema::yaml;
/// use serde_json::json;
/// assert_eq!(yaml::from_slice(b"a: [1, n]").unwrap(), json!({"a": [1, "n"]}));
/// assert!(yaml::from_slice(b"{a: 1, a: 2}").is_err());
/// ```
pub fn from_slice(text: &[u8]) -> Result<Value, Error> {
    serde_saphyr::from_str_with_options(checked(text)?, options()).map_err(|why| Error::Syntax(Box::new(why)))
}

/// Decodes a stream of documents, separated by `---`; empty ones are left out.
///
/// # Errors
/// See [`Error`]; the limits hold for all documents together.
pub fn documents(text: &[u8]) -> Result<Vec<Value>, Error> {
    let documents: Vec<Value> = serde_saphyr::from_multiple_with_options(checked(text)?, options())
        .map_err(|why| Error::Syntax(Box::new(why)))?;
    Ok(documents
        .into_iter()
        .filter(|document| !document.is_null())
        .collect())
}

fn checked(text: &[u8]) -> Result<&str, Error> {
    if text.len() > SIZE_LIMIT {
        return Err(Error::TooLong { size: text.len() });
    }
    Ok(std::str::from_utf8(text)?)
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        strict_booleans: true,
        with_snippet: false,
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::Error,
        non_finite_float_policy: serde_saphyr::options::NonFiniteFloatPolicy::Reject,
        budget: serde_saphyr::budget! {
            max_depth: 64,
            max_events: 1_000_000,
            max_nodes: 500_000,
            max_total_scalar_bytes: 16 * 1024 * 1024,
            max_recorded_anchor_events: 200_000,
        },
    }
}
