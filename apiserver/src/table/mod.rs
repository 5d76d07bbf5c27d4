//! Objects as a `Table` or as metadata alone, for clients that ask for it with `Accept`.
//!
//! Built-in kinds have upstream's columns: their definitions are recorded (`data/columns.json`), their cells made
//! in `rows`. Custom resources have those of their CRD, or Name and Age.

pub mod age;
pub mod jsonpath;
mod rows;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use self::jsonpath::JsonPath;
use crate::openapi::data::path_of;
use crate::registry::{Origin, ResourceInfo};
use crate::status::{ApiError, Result};

/// What each row says of its object, by the query parameter `includeObject`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum IncludeObject {
    /// Nothing.
    None,
    /// Its metadata.
    #[default]
    Metadata,
    /// All of it.
    Object,
}

impl IncludeObject {
    /// Reads the query parameter.
    ///
    /// # Errors
    /// 400 for another word.
    pub fn parse(text: Option<&str>) -> Result<Self> {
        match text {
            None | Some("" | "Metadata") => Ok(Self::Metadata),
            Some("None") => Ok(Self::None),
            Some("Object") => Ok(Self::Object),
            Some(other) => Err(ApiError::bad_request(format!(
                "unrecognized includeObject value: {other:?}"
            ))),
        }
    }
}

/// Makes tables of one resource.
///
/// For a watch, keep one: columns come with the first table alone.
#[derive(Debug)]
pub struct Tabulator {
    definitions: Value,
    cells: Cells,
    include: IncludeObject,
    columns_due: bool,
}

#[derive(Debug)]
enum Cells {
    BuiltIn(fn(&Value, Timestamp) -> Vec<Value>),
    Custom(Vec<CustomColumn>),
}

#[derive(Debug)]
struct CustomColumn {
    type_: String,
    path: Option<JsonPath>,
}

impl Tabulator {
    /// A tabulator for a resource.
    pub fn new(info: &ResourceInfo, include: IncludeObject) -> Self {
        let recorded = match info.origin {
            Origin::BuiltIn => rows::of(&info.gvr.group, &info.kind).zip(recorded_columns(info)),
            Origin::Custom(_) => None,
        };
        let (definitions, cells) = match recorded {
            Some((cells, definitions)) => (definitions.clone(), Cells::BuiltIn(cells)),
            None => custom(info),
        };
        Self {
            definitions,
            cells,
            include,
            columns_due: true,
        }
    }

    /// Leaves the columns out, as `noHeaders` asks.
    #[must_use]
    pub fn without_columns(mut self) -> Self {
        self.columns_due = false;
        self
    }

    /// One table of `objects`. `metadata` is that of the list, or of the one object; of it `resourceVersion`,
    /// `continue` and `remainingItemCount` are kept.
    pub fn table<'a>(
        &mut self,
        metadata: &Value,
        objects: impl IntoIterator<Item = &'a Value>,
        now: Timestamp,
    ) -> Value {
        let rows: Vec<Value> = objects.into_iter().map(|object| self.row(object, now)).collect();
        let mut kept = Map::new();
        for key in ["resourceVersion", "continue", "remainingItemCount"] {
            if let Some(value) = metadata.get(key) {
                kept.insert(key.to_owned(), value.clone());
            }
        }
        let columns = if std::mem::take(&mut self.columns_due) {
            self.definitions.clone()
        } else {
            json!([])
        };
        json!({
            "kind": "Table",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": kept,
            "columnDefinitions": columns,
            "rows": rows,
        })
    }

    fn row(&self, object: &Value, now: Timestamp) -> Value {
        let cells = match &self.cells {
            Cells::BuiltIn(cells) => cells(object, now),
            Cells::Custom(columns) => {
                let name = object["metadata"]["name"].clone();
                std::iter::once(name)
                    .chain(columns.iter().map(|column| column.cell(object, now)))
                    .collect()
            }
        };
        let mut row = json!({"cells": cells});
        row["object"] = match self.include {
            IncludeObject::None => Value::Null,
            IncludeObject::Metadata => partial(object),
            IncludeObject::Object => object.clone(),
        };
        row
    }
}

/// An object as `PartialObjectMetadata`.
pub fn partial(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
}

/// A list as `PartialObjectMetadataList`; `metadata` is the list's.
pub fn partial_list<'a>(metadata: &Value, objects: impl IntoIterator<Item = &'a Value>) -> Value {
    let items: Vec<Value> = objects.into_iter().map(partial).collect();
    json!({
        "kind": "PartialObjectMetadataList",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "items": items,
    })
}

/// Column definitions by the collection's path.
fn recorded() -> &'static BTreeMap<String, Value> {
    static COLUMNS: OnceLock<BTreeMap<String, Value>> = OnceLock::new();
    COLUMNS.get_or_init(|| {
        serde_json::from_str(include_str!("../../data/columns.json"))
            .expect("data/columns.json is written by the record example")
    })
}

fn recorded_columns(info: &ResourceInfo) -> Option<&'static Value> {
    let path = format!(
        "/{}/{}",
        path_of(&info.gvr.group, &info.gvr.version),
        info.gvr.resource
    );
    recorded().get(&path)
}

fn custom(info: &ResourceInfo) -> (Value, Cells) {
    // The description of the first column is the field's own in every table.
    let name = recorded()
        .values()
        .next()
        .map(|columns| columns[0].clone())
        .unwrap_or_default();
    let mut definitions = vec![name];
    let mut columns = Vec::new();
    for column in &info.columns {
        let description = if column.description.is_empty() {
            format!(
                "Custom resource definition column (in JSONPath format): {}",
                column.json_path
            )
        } else {
            column.description.clone()
        };
        definitions.push(definition(
            &column.name,
            &column.type_,
            &column.format,
            &description,
            column.priority,
        ));
        columns.push(CustomColumn {
            type_: column.type_.clone(),
            path: JsonPath::parse(&column.json_path).ok(),
        });
    }
    if info.columns.is_empty() {
        let age = recorded()
            .values()
            .flat_map(|columns| columns.as_array().into_iter().flatten());
        let description = age
            .clone()
            .find(|column| column["name"] == "Age")
            .map(|column| column["description"].clone());
        let description = description.as_ref().and_then(Value::as_str).unwrap_or_default();
        definitions.push(definition("Age", "date", "", description, 0));
        let path = JsonPath::parse(".metadata.creationTimestamp").ok();
        columns.push(CustomColumn {
            type_: "date".into(),
            path,
        });
    }
    (Value::Array(definitions), Cells::Custom(columns))
}

fn definition(name: &str, type_: &str, format: &str, description: &str, priority: i32) -> Value {
    json!({"name": name, "type": type_, "format": format, "description": description, "priority": priority})
}

impl CustomColumn {
    /// The cell: empty where the path leads nowhere or to a value of another type.
    fn cell(&self, object: &Value, now: Timestamp) -> Value {
        let Some(value) = self
            .path
            .as_ref()
            .and_then(|path| path.find(object).into_iter().next())
        else {
            return Value::Null;
        };
        match (self.type_.as_str(), value) {
            ("string", value) => Value::String(text(value)),
            ("integer", Value::Number(number)) => match number.as_f64() {
                Some(float) if number.is_f64() => json!(float.trunc() as i64),
                _ => value.clone(),
            },
            ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) => value.clone(),
            ("date", Value::String(stamp)) => Value::String(age::since(Some(stamp), now)),
            _ => Value::Null,
        }
    }
}

/// A value as client-go prints it: text as it is, the rest in JSON.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "<no value>".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
