//! Definitions, looked at as a server would.

use std::borrow::Cow;
use std::fmt;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

use super::DefinitionError;
use super::told::{self, Told};
use crate::kind::CustomKind;

use kubewright_schema::is_final;
pub use kubewright_schema::{LINTS, Lint, Severity};

/// Looks at a whole definition, its versions merged, as a server would and beyond: for what is refused, what is
/// dropped, and what is accepted although it cannot work. Rules in CEL are compiled, and their costs estimated.
///
/// The answer is the warnings: what works, yet probably not as meant. The rules are those of
/// [`kubewright_schema::lint`].
///
/// ```
/// # use kubewright::schemars::JsonSchema;
/// #[derive(kubewright::CustomResource, serde::Serialize, serde::Deserialize, Clone, Debug, JsonSchema)]
/// #[kube(group = "example.com", version = "v1", kind = "Foo", selectable = ".spec.colour")]
/// pub struct FooSpec {
///     color: String,
/// }
///
/// let definition = kubewright::crd::of::<Foo>()?;
/// let error = kubewright::crd::check(&definition).unwrap_err();
/// assert_eq!(error.faults[0].path, "spec.selectableFields[0].jsonPath");
/// # Ok::<(), kubewright::crd::DefinitionError>(())
/// ```
///
/// # Errors
/// [`CheckError`] with every fault.
pub fn check(definition: &CustomResourceDefinition) -> Result<Vec<Lint>, CheckError> {
    check_told(definition, &[], &[])
}

/// Looks at a derived kind: makes its definition and [checks](check) it, with what is doubtful in the Rust types
/// themselves and cannot be seen in the definition any more.
///
/// This is what a test calls so that a mistake is seen before anything is written or deployed. Findings that are only
/// risky are passed over by `#[kube(allow("..."))]` on the kind, a type or a field.
///
/// ```
/// # use kubewright::schemars::JsonSchema;
/// # #[derive(kubewright::CustomResource, serde::Serialize, serde::Deserialize, Clone, Debug, JsonSchema)]
/// # #[kube(group = "example.com", version = "v1", kind = "Foo")]
/// # pub struct FooSpec { color: String }
/// // In a test:
/// let warnings = kubewright::crd::check_kind::<Foo>()?;
/// assert!(warnings.is_empty(), "{warnings:?}");
/// # Ok::<(), kubewright::crd::KindError>(())
/// ```
///
/// # Errors
/// [`KindError`]: there is no definition, or it has faults. Of a kind with several versions each is looked at alone.
pub fn check_kind<K: CustomKind>() -> Result<Vec<Lint>, KindError> {
    let (definition, told) = super::made::<K>()?;
    Ok(check_told(&definition, &[], &[told])?)
}

/// Why a kind is not as it should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KindError {
    /// A type's schema cannot stand in a definition.
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    /// A server would refuse the definition, drop parts of it, or accept it in vain.
    #[error(transparent)]
    Check(#[from] CheckError),
}

/// As [`check`], with what the types of the kind say, and without the findings of the rules in `allowed`. A server's
/// refusal is told all the same.
pub(crate) fn check_told(
    definition: &CustomResourceDefinition,
    allowed: &[&str],
    told: &[Told],
) -> Result<Vec<Lint>, CheckError> {
    let json = serde_json::to_value(definition).expect("a definition's maps have strings as keys");
    let mut found = told::sift(definition, kubewright_schema::lint(&json), told);
    found.retain(|lint| is_final(lint.id) || !allowed.contains(&lint.id));
    let (faults, warnings): (Vec<Lint>, Vec<Lint>) = found.into_iter().partition(is_fault);
    if faults.is_empty() {
        return Ok(warnings);
    }
    Err(CheckError {
        kind: definition.spec.names.kind.clone(),
        versions: versions(definition),
        faults,
        warnings,
    })
}

/// Definitions that other tools made are not refused for what those make of ordinary fields: schemars gives a `u32`
/// a format of its own, which the server keeps and says that it does not know, and kube-derive makes an `Option` of an
/// enum nullable, which matters where null is written. Ours have neither.
fn is_fault(lint: &Lint) -> bool {
    lint.severity == Severity::Error && !matches!(lint.id, "unknown-format" | "nullable-enum")
}

/// A definition that a server refuses, drops parts of, or accepts in vain.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckError {
    /// The kind.
    pub kind: String,
    /// Its versions, in the definition's order.
    pub versions: Vec<String>,
    /// What is wrong; never empty.
    pub faults: Vec<Lint>,
    /// What else is doubtful.
    pub warnings: Vec<Lint>,
}

impl std::error::Error for CheckError {}

/// One line per fault: kind, version, path, what is wrong and what to write, name of the rule.
impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            f.write_str(&line(&self.kind, &self.versions, fault))?;
        }
        Ok(())
    }
}

/// A finding in one line.
#[cfg(feature = "build")]
pub(crate) fn describe(definition: &CustomResourceDefinition, lint: &Lint) -> String {
    line(&definition.spec.names.kind, &versions(definition), lint)
}

fn versions(definition: &CustomResourceDefinition) -> Vec<String> {
    let versions = &definition.spec.versions;
    versions.iter().map(|version| version.name.clone()).collect()
}

fn line(kind: &str, versions: &[String], lint: &Lint) -> String {
    let mut text = kind.to_owned();
    // Paths count the versions, in an order that is not the source's.
    let version = lint
        .path
        .strip_prefix("spec.versions[")
        .and_then(|rest| rest.split_once(']')?.0.parse::<usize>().ok())
        .and_then(|index| versions.get(index));
    if let Some(version) = version {
        text += &format!(" {version}");
    }
    if !lint.path.is_empty() {
        text += &format!(": {}", lint.path);
    }
    text += &format!(": {}", shortened(&lint.message));
    if let Some(advice) = advice(lint) {
        text += &format!("; {advice}");
    }
    text + &format!(" [{}]", lint.id)
}

/// The server repeats the value, which may be the whole schema.
fn shortened(message: &str) -> Cow<'_, str> {
    const LONG: usize = 100;
    const INVALID: &str = "Invalid value: {";
    match message
        .strip_prefix(INVALID)
        .and_then(|rest| rest.rsplit_once("}: "))
    {
        Some((value, detail)) if value.len() > LONG => format!("{INVALID}...}}: {detail}").into(),
        _ => message.into(),
    }
}

/// What to write instead, where the words are the server's, which knows nothing of attributes.
fn advice(lint: &Lint) -> Option<&'static str> {
    if !is_final(lint.id) {
        return None;
    }
    let (path, text) = (lint.path.as_str(), lint.message.as_str());
    if path == "metadata.annotations[api-approved.kubernetes.io]" {
        return Some(
            "choose a group under a domain of your own, or write `annotation(\"api-approved.kubernetes.io\", \
             \"unapproved, ...\")` in #[kube(...)]",
        );
    }
    if path.contains(".selectableFields[") {
        return Some(
            "`selectable` in #[kube(...)] takes the path of a string, integer or boolean in the schema",
        );
    }
    if path.contains(".additionalPrinterColumns[") {
        return Some("correct `printcolumn` in #[kube(...)]");
    }
    if path.contains(".subresources.scale") {
        return Some("correct `scale` in #[kube(...)]");
    }
    if path.ends_with(".openAPIV3Schema") && text.contains("if the status subresource is enabled") {
        return Some(
            "a kind with `no_spec` and a status can flatten no enum at its root: give the enum a field of its own",
        );
    }
    if path.ends_with(".openAPIV3Schema") && text.starts_with("Required value") {
        return Some("with `schema = \"disabled\"` add the definition by hand, with a schema in it");
    }
    None
}
