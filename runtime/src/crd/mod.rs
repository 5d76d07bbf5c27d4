//! CustomResourceDefinitions from derived types.
//!
//! **Invariant:** nothing but the type decides what stands in its definition: two builds of one source give
//! equal values.

mod check;
mod info;
mod merge;
mod told;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as apiext;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::kind::CustomKind;

pub use check::{CheckError, KindError, LINTS, Lint, Severity, check, check_kind};
#[cfg(feature = "build")]
pub(crate) use check::{check_told, describe};
pub use info::{Column, Deprecation, KindInfo, ScalePaths};
pub use merge::{MergeError, merge};
pub(crate) use told::Told;

/// A kind's definition, with one version.
///
/// It is looked at as a whole by [`check`] alone, once all versions are [merged](merge).
///
/// # Errors
/// [`DefinitionError`] where the kind's schema cannot stand in a definition.
pub fn of<K: CustomKind>() -> Result<apiext::CustomResourceDefinition, DefinitionError> {
    made::<K>().map(|(definition, _)| definition)
}

/// As [`of`], with what the types say besides.
pub(crate) fn made<K: CustomKind>() -> Result<(apiext::CustomResourceDefinition, told::Told), DefinitionError>
{
    made_of(K::INFO, K::SCHEMA)
}

pub(crate) fn made_of(
    info: &'static KindInfo,
    schema: Option<crate::__private0::SchemaFn>,
) -> Result<(apiext::CustomResourceDefinition, told::Told), DefinitionError> {
    let failed = |source| DefinitionError {
        kind: info.kind,
        version: info.version,
        source,
    };
    let built = schema.map(|schema| schema()).transpose();
    let built = built.map_err(|error| failed(error.into()))?;
    let told = told::Told::new(info, built.as_ref());
    let Some(built) = built else {
        return Ok((definition(info, None), told));
    };
    let schema = serde_json::from_value(built.schema).map_err(|error| failed(error.into()))?;
    let mut definition = definition(info, Some(schema));
    for version in &mut definition.spec.versions {
        // After those of the kind: what fields declare.
        let columns = built.columns.iter().map(field_column);
        extend(&mut version.additional_printer_columns, columns);
        let selectable = built.selectable.iter().map(|path| apiext::SelectableField {
            json_path: path.clone(),
        });
        extend(&mut version.selectable_fields, selectable);
    }
    Ok((definition, told))
}

/// A type whose schema cannot stand in a CustomResourceDefinition.
#[derive(Debug, thiserror::Error)]
#[error("schema of {kind} {version}")]
pub struct DefinitionError {
    kind: &'static str,
    version: &'static str,
    source: SchemaError,
}

/// Why not.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// The type has no structural schema.
    #[error(transparent)]
    Structure(#[from] kubewright_schema::build::BuildError),
    /// A keyword that was written by hand has a value of the wrong type.
    #[error("a keyword has a value that the server would not read")]
    Keyword(#[from] serde_json::Error),
}

/// The definition that `info` describes, with `schema` where there is one.
fn definition(info: &KindInfo, schema: Option<apiext::JSONSchemaProps>) -> apiext::CustomResourceDefinition {
    let version = apiext::CustomResourceDefinitionVersion {
        name: info.version.to_owned(),
        served: info.served,
        storage: info.storage,
        deprecated: info.deprecated.map(|_| true),
        deprecation_warning: info.deprecated.and_then(|deprecated| match deprecated {
            Deprecation::Default => None,
            Deprecation::Warning(text) => Some(text.to_owned()),
        }),
        schema: Some(apiext::CustomResourceValidation {
            open_api_v3_schema: schema,
        }),
        additional_printer_columns: non_empty(info.columns, column),
        selectable_fields: non_empty(info.selectable, |path| apiext::SelectableField {
            json_path: (*path).to_owned(),
        }),
        subresources: subresources(info),
    };
    apiext::CustomResourceDefinition {
        metadata: ObjectMeta {
            name: Some(info.crd_name.to_owned()),
            ..object_meta(info)
        },
        spec: apiext::CustomResourceDefinitionSpec {
            group: info.group.to_owned(),
            names: names_of(info),
            scope: if info.namespaced { "Namespaced" } else { "Cluster" }.to_owned(),
            versions: vec![version],
            ..apiext::CustomResourceDefinitionSpec::default()
        },
        ..apiext::CustomResourceDefinition::default()
    }
}

/// What the kind is called.
pub(crate) fn names_of(info: &KindInfo) -> apiext::CustomResourceDefinitionNames {
    apiext::CustomResourceDefinitionNames {
        kind: info.kind.to_owned(),
        // The server fills in the same list kind; kube-derive leaves it out too.
        list_kind: None,
        plural: info.plural.to_owned(),
        singular: Some(info.singular.to_owned()),
        short_names: non_empty(info.short_names, |name| (*name).to_owned()),
        categories: non_empty(info.categories, |name| (*name).to_owned()),
    }
}

/// Metadata with the labels and annotations of the kind.
pub(crate) fn object_meta(info: &KindInfo) -> ObjectMeta {
    let pairs = |pairs: &[(&str, &str)]| {
        (!pairs.is_empty()).then(|| {
            pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect()
        })
    };
    ObjectMeta {
        annotations: pairs(info.annotations),
        labels: pairs(info.labels),
        ..ObjectMeta::default()
    }
}

fn column(column: &Column) -> apiext::CustomResourceColumnDefinition {
    apiext::CustomResourceColumnDefinition {
        name: column.name.to_owned(),
        type_: column.type_.to_owned(),
        json_path: column.json_path.to_owned(),
        description: column.description.map(str::to_owned),
        format: column.format.map(str::to_owned),
        priority: column.priority,
    }
}

fn field_column(column: &kubewright_schema::build::Column) -> apiext::CustomResourceColumnDefinition {
    apiext::CustomResourceColumnDefinition {
        name: column.name.clone(),
        type_: column.type_.clone(),
        json_path: column.json_path.clone(),
        description: column.description.clone(),
        format: column.format.clone(),
        priority: column.priority,
    }
}

fn extend<T>(list: &mut Option<Vec<T>>, more: impl ExactSizeIterator<Item = T>) {
    if more.len() > 0 {
        list.get_or_insert_default().extend(more);
    }
}

fn subresources(info: &KindInfo) -> Option<apiext::CustomResourceSubresources> {
    (info.status || info.scale.is_some()).then(|| apiext::CustomResourceSubresources {
        status: info
            .status
            .then(|| apiext::CustomResourceSubresourceStatus(serde_json::json!({}))),
        scale: info.scale.map(|paths| apiext::CustomResourceSubresourceScale {
            spec_replicas_path: paths.spec_replicas.to_owned(),
            status_replicas_path: paths.status_replicas.to_owned(),
            label_selector_path: paths.label_selector.map(str::to_owned),
        }),
    })
}

/// Absent rather than empty: the server would keep an empty list as written.
fn non_empty<T, U>(items: &[T], make: impl Fn(&T) -> U) -> Option<Vec<U>> {
    (!items.is_empty()).then(|| items.iter().map(make).collect())
}
