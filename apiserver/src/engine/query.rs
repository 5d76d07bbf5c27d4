//! Query parameters and the options that they spell.
//!
//! **Invariant:** of a repeated parameter the first value wins, an unknown one is ignored (API-100); what cannot
//! be parsed is 400, what can be parsed but not combined is 422 on the options' kind.

use std::time::Duration;

use kubewright_schema::apply::OnConflict;
use kubewright_schema::{ErrorKind, FieldError};
use serde_json::Value;

use super::path::Verb;
use crate::rest::selector::{FieldSelector, LabelSelector};
use crate::status::{ApiError, Result, Subject};

/// Decoded query of one request.
#[derive(Clone, Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Decodes what follows the `?`.
    pub fn parse(text: Option<&str>) -> Self {
        Self(
            form_urlencoded::parse(text.unwrap_or_default().as_bytes())
                .into_owned()
                .collect(),
        )
    }

    /// First value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// A boolean as Go's query decoder reads it: absent, `0` and `false` are false, all else is true.
    pub(crate) fn flag(&self, name: &str) -> bool {
        !matches!(self.get(name), None | Some("0")) && !self.text(name).eq_ignore_ascii_case("false")
    }

    /// `timeout`, a Go duration (`30s`, `1m30s`); none where it is not positive.
    ///
    /// # Errors
    /// 400 for what is no duration.
    pub(crate) fn timeout(&self) -> Result<Option<Duration>> {
        let text = self.text("timeout");
        if text.is_empty() {
            return Ok(None);
        }
        let timeout = go_duration(text).ok_or_else(|| {
            ApiError::bad_request(format!(
                "invalid timeout specified in the request URL - time: invalid duration {text:?}"
            ))
        })?;
        Ok(timeout.filter(|timeout| !timeout.is_zero()))
    }

    fn number(&self, name: &str) -> Result<Option<i64>> {
        match self.text(name) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| {
                ApiError::bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax"))
            }),
        }
    }
}

/// Reads a duration as Go's `time.ParseDuration` does; the inner `None` is a negative one.
fn go_duration(text: &str) -> Option<Option<Duration>> {
    const UNITS: [(&str, f64); 8] = [
        ("ns", 1e-9),
        ("us", 1e-6),
        ("µs", 1e-6),
        ("μs", 1e-6),
        ("ms", 1e-3),
        ("s", 1.0),
        ("m", 60.0),
        ("h", 3600.0),
    ];
    let (mut rest, negative) = match text.strip_prefix('-') {
        Some(rest) => (rest, true),
        None => (text.strip_prefix('+').unwrap_or(text), false),
    };
    if rest == "0" {
        return Some(Some(Duration::ZERO));
    }
    if rest.is_empty() {
        return None;
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let count: f64 = rest[..number].parse().ok()?;
        rest = &rest[number..];
        let end = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        let (_, unit) = UNITS.into_iter().find(|(name, _)| *name == &rest[..end])?;
        seconds += count * unit;
        rest = &rest[end..];
    }
    let duration = Duration::try_from_secs_f64(seconds).ok()?;
    Some((!negative).then_some(duration))
}

/// Refuses options with 422, naming their kind.
fn refuse(kind: &'static str, faults: &[FieldError]) -> Result<()> {
    if faults.is_empty() {
        return Ok(());
    }
    Err(ApiError::invalid(
        Subject {
            group: "meta.k8s.io",
            resource: kind,
        },
        "",
        faults,
    ))
}

/// How a list's resourceVersion is to be met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionMatch {
    /// The state at exactly that version.
    Exact,
    /// At least that version.
    NotOlderThan,
}

/// Options of list, watch and delete-collection.
#[derive(Clone, Debug, Default)]
pub struct ListOptions {
    /// Objects must carry these labels.
    pub labels: LabelSelector,
    /// Objects must have these fields.
    pub fields: FieldSelector,
    /// `None` when unset; 0 is "any".
    pub resource_version: Option<u64>,
    /// How to meet it.
    pub version_match: Option<VersionMatch>,
    /// Page size; 0 is no limit.
    pub limit: usize,
    /// Token of the page before.
    pub token: Option<String>,
    /// Whether this is a watch.
    pub watch: bool,
    /// Whether the watch wants bookmarks.
    pub bookmarks: bool,
    /// Whether the watch wants the present state first, closed by a bookmark.
    pub send_initial_events: Option<bool>,
    /// When the watch shall end.
    pub timeout: Option<Duration>,
}

impl ListOptions {
    /// Reads and checks them. Which rules hold goes by the verb: a path may ask for a watch as well as the query.
    ///
    /// # Errors
    /// 400 for what cannot be parsed, 422 for what cannot be combined (API-26).
    pub fn parse(query: &Query, verb: Verb) -> Result<Self> {
        let resource_version = match query.text("resourceVersion") {
            "" => None,
            text => Some(parse_version(text)?),
        };
        let limit = query.number("limit")?.unwrap_or(0);
        let timeout = query
            .number("timeoutSeconds")?
            .and_then(|seconds| u64::try_from(seconds).ok());
        let options = Self {
            labels: LabelSelector::parse(query.text("labelSelector"))?,
            fields: FieldSelector::parse(query.text("fieldSelector"))?,
            resource_version,
            version_match: None,
            limit: usize::try_from(limit).unwrap_or(0),
            token: Some(query.text("continue"))
                .filter(|token| !token.is_empty())
                .map(str::to_owned),
            watch: verb == Verb::Watch,
            bookmarks: query.flag("allowWatchBookmarks"),
            send_initial_events: query
                .get("sendInitialEvents")
                .map(|_| query.flag("sendInitialEvents")),
            timeout: timeout.filter(|seconds| *seconds > 0).map(Duration::from_secs),
        };
        options.with_match(query.text("resourceVersionMatch"))
    }

    fn with_match(mut self, text: &str) -> Result<Self> {
        const MATCH: &str = "resourceVersionMatch";
        let mut faults = Vec::new();
        let forbidden = |detail: &str| FieldError::new(ErrorKind::Forbidden, MATCH, None, detail);
        self.version_match = match text {
            "Exact" => Some(VersionMatch::Exact),
            "NotOlderThan" => Some(VersionMatch::NotOlderThan),
            _ => None,
        };
        let supported = match self.watch {
            true => self.version_match == Some(VersionMatch::NotOlderThan),
            false => self.version_match.is_some(),
        };
        if self.watch && self.send_initial_events.is_some() && !supported {
            faults.push(forbidden(
                "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
            ));
        }
        if !text.is_empty() {
            if self.watch && self.send_initial_events.is_none() {
                faults.push(forbidden(
                    "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
                ));
            }
            if !self.watch && self.resource_version.is_none() {
                faults.push(forbidden(
                    "resourceVersionMatch is forbidden unless resourceVersion is provided",
                ));
            }
            if self.token.is_some() {
                faults.push(forbidden(
                    "resourceVersionMatch is forbidden when continue is provided",
                ));
            }
            if !supported {
                let values = match self.watch {
                    true => r#"supported values: "NotOlderThan""#,
                    false => r#"supported values: "Exact", "NotOlderThan", """#,
                };
                let value = Value::from(text);
                faults.push(FieldError::new(ErrorKind::NotSupported, MATCH, value, values));
            }
            let exact = self.version_match == Some(VersionMatch::Exact);
            if !self.watch && exact && self.resource_version == Some(0) {
                faults.push(forbidden(
                    "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
                ));
            }
        }
        if !self.watch && self.send_initial_events.is_some() {
            faults.push(FieldError::new(
                ErrorKind::Forbidden,
                "sendInitialEvents",
                None,
                "sendInitialEvents is forbidden for list",
            ));
        }
        refuse("ListOptions", &faults)?;
        Ok(self)
    }
}

/// Reads a resourceVersion.
///
/// # Errors
/// 400.
pub(crate) fn parse_version(text: &str) -> Result<u64> {
    text.parse().map_err(|_| {
        ApiError::bad_request(format!(
            "invalid resource version: resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing \
                 {text:?}: invalid syntax"
        ))
    })
}

/// Whether the write is only tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DryRun {
    /// It is done.
    #[default]
    No,
    /// All but storing is done.
    All,
}

/// What happens to unknown and repeated fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldValidation {
    /// Dropped without a word.
    Ignore,
    /// Dropped, one warning for each.
    #[default]
    Warn,
    /// 400 that lists them.
    Strict,
}

/// Options of create, update and patch.
#[derive(Clone, Debug, Default)]
pub struct WriteOptions {
    /// Whether to store.
    pub dry_run: DryRun,
    /// What to do with unknown fields.
    pub field_validation: FieldValidation,
    /// Who writes; empty where the request does not say.
    pub field_manager: String,
    /// What an apply does about fields that others own.
    pub on_conflict: OnConflict,
}

impl WriteOptions {
    /// Reads and checks them; `kind` is the options' kind in a failure (`CreateOptions`).
    ///
    /// # Errors
    /// 422 that names the field (API-52, API-53).
    pub fn parse(query: &Query, kind: &'static str) -> Result<Self> {
        Self::read(query, kind, false)
    }

    /// Reads and checks the options of a server-side apply.
    ///
    /// # Errors
    /// 422 that names the field (API-42).
    pub fn parse_apply(query: &Query) -> Result<Self> {
        Self::read(query, "PatchOptions", true)
    }

    fn read(query: &Query, kind: &'static str, applies: bool) -> Result<Self> {
        let mut faults = Vec::new();
        let manager = query.text("fieldManager");
        if applies && manager.is_empty() {
            faults.push(FieldError::new(
                ErrorKind::Required,
                "fieldManager",
                None,
                "is required for apply patch",
            ));
        }
        if manager.len() > 128 {
            faults.push(FieldError::new(
                ErrorKind::TooLong,
                "fieldManager",
                None,
                "may not be more than 128 bytes",
            ));
        }
        for (at, odd) in manager.char_indices().filter(|(_, c)| !is_printable(*c)) {
            faults.push(FieldError::new(
                ErrorKind::Invalid,
                "fieldManager",
                Value::from(manager),
                format!("invalid character U+{:04X} (at position {at})", u32::from(odd)),
            ));
        }
        if !applies && kind == "PatchOptions" && query.get("force").is_some() {
            faults.push(FieldError::new(
                ErrorKind::Forbidden,
                "force",
                None,
                "may not be specified for non-apply patch",
            ));
        }
        let dry_run = parse_dry_run(query.get("dryRun").into_iter(), &mut faults);
        let field_validation = match query.text("fieldValidation") {
            "" | "Warn" => FieldValidation::Warn,
            "Ignore" => FieldValidation::Ignore,
            "Strict" => FieldValidation::Strict,
            other => {
                faults.push(FieldError::new(
                    ErrorKind::NotSupported,
                    "fieldValidation",
                    Value::from(other),
                    r#"supported values: "Ignore", "Strict", "Warn""#,
                ));
                FieldValidation::Warn
            }
        };
        refuse(kind, &faults)?;
        Ok(Self {
            dry_run,
            field_validation,
            field_manager: manager.to_owned(),
            on_conflict: match applies && query.flag("force") {
                true => OnConflict::Take,
                false => OnConflict::Refuse,
            },
        })
    }
}

/// Whether a character may stand in the name of a manager: Go's `unicode.IsPrint`, as far as the standard library
/// can tell.
pub(crate) fn is_printable(c: char) -> bool {
    c == ' ' || !(c.is_control() || c.is_whitespace())
}

fn parse_dry_run<'a>(values: impl Iterator<Item = &'a str>, faults: &mut Vec<FieldError>) -> DryRun {
    let mut answer = DryRun::No;
    for value in values {
        match value {
            "All" => answer = DryRun::All,
            "" => {}
            other => faults.push(FieldError::new(
                ErrorKind::NotSupported,
                "dryRun",
                Value::Array(vec![other.into()]),
                r#"supported values: "All""#,
            )),
        }
    }
    answer
}

/// What happens to an object's dependents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Propagation {
    /// As the object's own finalizers say, else as is usual for its kind.
    #[default]
    Unset,
    /// They go after it.
    Background,
    /// They go before it.
    Foreground,
    /// They stay and lose their reference.
    Orphan,
}

/// Options of delete.
#[derive(Clone, Debug, Default)]
pub struct DeleteOptions {
    /// Whether to store.
    pub dry_run: DryRun,
    /// The object must have this uid.
    pub uid: Option<String>,
    /// The object must be at this version.
    pub resource_version: Option<String>,
    /// What happens to its dependents.
    pub propagation: Propagation,
}

impl DeleteOptions {
    /// Reads them from the body; a query counts where there is none.
    ///
    /// # Errors
    /// 400 for a body of the wrong shape, 422 for wrong values (API-49).
    pub fn parse(query: &Query, body: Option<&Value>) -> Result<Self> {
        let nothing = Query::default();
        let query = if body.is_some() { &nothing } else { query };
        let mut faults = Vec::new();
        let text = |path: &str| body.and_then(|body| body.pointer(path)).and_then(Value::as_str);
        let from_body = |name: &str| {
            body.and_then(|body| body.get(name))
                .filter(|value| !value.is_null())
        };
        if let Some(body) = body {
            let kind = text("/kind").unwrap_or("DeleteOptions");
            if !body.is_object() || kind != "DeleteOptions" {
                return Err(ApiError::bad_request(format!(
                    "delete options cannot be decoded: expected an object of kind DeleteOptions, found {kind:?}"
                )));
            }
        }
        let dry_run = match from_body("dryRun") {
            Some(Value::Array(values)) => parse_dry_run(values.iter().filter_map(Value::as_str), &mut faults),
            Some(_) => return Err(ApiError::bad_request("dryRun: expected a list of strings")),
            None => parse_dry_run(query.get("dryRun").into_iter(), &mut faults),
        };
        let grace = match from_body("gracePeriodSeconds") {
            Some(value) => Some(
                value
                    .as_i64()
                    .ok_or_else(|| ApiError::bad_request("gracePeriodSeconds: expected an integer"))?,
            ),
            None => query.number("gracePeriodSeconds")?,
        };
        // Only Pods are deleted gracefully, and that comes with their rules; elsewhere upstream ignores it too.
        if grace.is_some_and(|grace| grace < 0) {
            faults.push(FieldError::new(
                ErrorKind::Invalid,
                "gracePeriodSeconds",
                Value::from(grace),
                "must be greater than or equal to 0",
            ));
        }
        let orphan = match from_body("orphanDependents") {
            Some(value) => Some(
                value
                    .as_bool()
                    .ok_or_else(|| ApiError::bad_request("orphanDependents: expected a boolean"))?,
            ),
            None => query
                .get("orphanDependents")
                .map(|_| query.flag("orphanDependents")),
        };
        let policy = text("/propagationPolicy").or_else(|| query.get("propagationPolicy"));
        if policy.is_some() && orphan.is_some() {
            faults.push(FieldError::new(
                ErrorKind::Invalid,
                "propagationPolicy",
                Value::from(policy),
                "orphanDependents and deletionPropagation cannot be both set",
            ));
        }
        let propagation = match (policy, orphan) {
            (Some("Foreground"), _) => Propagation::Foreground,
            (Some("Orphan"), _) | (None, Some(true)) => Propagation::Orphan,
            (Some("Background"), _) | (None, Some(false)) => Propagation::Background,
            (None, None) => Propagation::Unset,
            (Some(other), _) => {
                faults.push(FieldError::new(
                    ErrorKind::NotSupported,
                    "propagationPolicy",
                    Value::from(other),
                    r#"supported values: "Foreground", "Background", "Orphan", "nil""#,
                ));
                Propagation::Unset
            }
        };
        refuse("DeleteOptions", &faults)?;
        Ok(Self {
            dry_run,
            uid: text("/preconditions/uid").map(str::to_owned),
            resource_version: text("/preconditions/resourceVersion").map(str::to_owned),
            propagation,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_10_timeouts_are_go_durations() {
        let timeout = |text: &str| Query::parse(Some(&format!("timeout={text}"))).timeout();
        for (text, millis) in [
            ("30s", 30_000),
            ("1h", 3_600_000),
            ("1m30s", 90_000),
            ("1.5s", 1500),
            ("250ms", 250),
            ("1h0m0.5s", 3_600_500),
        ] {
            assert_eq!(timeout(text), Ok(Some(Duration::from_millis(millis))), "{text}");
        }
        for none in ["", "0", "0s", "-1s"] {
            assert_eq!(timeout(none), Ok(None), "{none}");
        }
        for wrong in ["foo", "1", "1x", "s", "-", "1m30", "1..5s"] {
            assert_eq!(
                timeout(wrong).map_err(|error| error.code().as_u16()),
                Err(400),
                "{wrong}"
            );
        }
    }

    #[test]
    fn api_26_a_watch_by_its_path_keeps_the_rules_of_watches() {
        let query = Query::parse(Some("resourceVersion=1&resourceVersionMatch=Exact"));
        assert!(ListOptions::parse(&query, Verb::List).is_ok());
        let refused = ListOptions::parse(&query, Verb::Watch).expect_err("no match on a watch");
        assert_eq!(refused.code(), 422);
        // Nor does a query make a watch of another verb.
        let query = Query::parse(Some("watch=1"));
        assert!(
            !ListOptions::parse(&query, Verb::DeleteCollection)
                .expect("options")
                .watch
        );
    }

    #[test]
    fn api_49_a_body_silences_the_query() {
        let query = Query::parse(Some("propagationPolicy=Orphan&dryRun=All"));
        let parse = |body: Option<&Value>| DeleteOptions::parse(&query, body).expect("right options");
        let asked = parse(None);
        assert_eq!(
            (asked.propagation, asked.dry_run),
            (Propagation::Orphan, DryRun::All)
        );
        let asked = parse(Some(&serde_json::json!({})));
        assert_eq!(
            (asked.propagation, asked.dry_run),
            (Propagation::Unset, DryRun::No)
        );
    }
}
