//! Descriptions cut so that a definition stays within a limit; they are most of what a large one holds.
//!
//! **Invariant:** nothing but descriptions of schemas is changed.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kubewright_schema::build::Descriptions;

/// Cuts every description to at most `limit` bytes; 0 removes all.
pub(crate) fn shorten(definition: &mut CustomResourceDefinition, limit: usize) {
    let descriptions = Descriptions::Max(limit);
    each(definition, &mut |description| {
        if let Some(text) = description.take() {
            *description = descriptions.of(&text);
        }
    });
}

/// Removes descriptions, the longest first, until the definition's JSON has at most `limit` bytes, or all are gone.
pub(super) fn shrink(definition: &mut CustomResourceDefinition, limit: usize) {
    let size = |definition: &CustomResourceDefinition| {
        let json = serde_json::to_string(definition).expect("a definition's maps have strings as keys");
        json.len()
    };
    let mut excess = size(definition).saturating_sub(limit);
    if excess == 0 {
        return;
    }
    let mut lengths = Vec::new();
    each(definition, &mut |description| {
        lengths.extend(description.as_deref().map(written));
    });
    lengths.sort_unstable_by(|a, b| b.cmp(a));
    // The shortest that must go, and so all that are as long.
    let mut shortest = usize::MAX;
    for length in lengths {
        if excess == 0 {
            break;
        }
        shortest = length;
        excess = excess.saturating_sub(length);
    }
    each(definition, &mut |description| {
        if description
            .as_deref()
            .is_some_and(|text| written(text) >= shortest)
        {
            *description = None;
        }
    });
}

/// Bytes of a description in JSON, with its key.
fn written(text: &str) -> usize {
    let text = serde_json::to_string(text).expect("a string has a JSON form");
    r#""description":,"#.len() + text.len()
}

fn each(definition: &mut CustomResourceDefinition, visit: &mut dyn FnMut(&mut Option<String>)) {
    for version in &mut definition.spec.versions {
        if let Some(schema) = version
            .schema
            .as_mut()
            .and_then(|schema| schema.open_api_v3_schema.as_mut())
        {
            walk(schema, visit);
        }
    }
}

fn walk(schema: &mut JSONSchemaProps, visit: &mut dyn FnMut(&mut Option<String>)) {
    visit(&mut schema.description);
    for property in schema
        .properties
        .iter_mut()
        .flat_map(|properties| properties.values_mut())
    {
        walk(property, visit);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        walk(values, visit);
    }
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(items)) => walk(items, visit),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => items.iter_mut().for_each(|item| walk(item, visit)),
        None => {}
    }
    // Members of junctors have no descriptions (SCH-16).
}
