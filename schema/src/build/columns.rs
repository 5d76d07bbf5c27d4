//! Printer columns and selectable fields that a field declares: the field knows its type, the builder its path.

use serde_json::{Map, Value};

use super::{Problems, Segment};

/// A printer column of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Column {
    /// Heading.
    pub name: String,
    /// `integer`, `number`, `string`, `boolean` or `date`.
    pub type_: String,
    /// Where the value stands, from the type's own schema on.
    pub json_path: String,
    /// What the column shows.
    pub description: Option<String>,
    /// OpenAPI format.
    pub format: Option<String>,
    /// Columns above 0 are shown by `-o wide` alone.
    pub priority: Option<i32>,
}

/// The column that a field with this schema asks for; its type is the field's unless it says otherwise.
pub(super) fn column(asked: &Value, schema: &Map<String, Value>, problems: &mut Problems) -> Option<Column> {
    let json_path = json_path("printcolumn", problems)?;
    let text = |key: &str| asked.get(key).and_then(Value::as_str).map(str::to_owned);
    let type_ = text("type").or_else(|| {
        let kind = schema.get("type").and_then(Value::as_str);
        Some(match kind? {
            "string" if schema.get("format").is_some_and(|format| format == "date-time") => "date".to_owned(),
            kind @ ("string" | "integer" | "number" | "boolean") => kind.to_owned(),
            _ => return None,
        })
    });
    let Some(type_) = type_ else {
        problems.push(
            "a column shows a string, a number, a boolean or a date; say which with `printcolumn(name = \"...\", type_ = \
             \"string\")`",
        );
        return None;
    };
    let priority = asked.get("priority").and_then(Value::as_i64);
    Some(Column {
        name: text("name").unwrap_or_default(),
        type_,
        json_path,
        description: text("description"),
        format: text("format"),
        priority: priority.and_then(|priority| i32::try_from(priority).ok()),
    })
}

/// The path to the present field; items and map values have none that is one value.
pub(super) fn json_path(what: &str, problems: &mut Problems) -> Option<String> {
    let mut path = String::new();
    for segment in &problems.path {
        let Segment::Property(name) = segment else {
            problems.push(format!(
                "`{what}` stands on a field of an object; items of lists and values of maps have no path of their own"
            ));
            return None;
        };
        path.push('.');
        path += &name.replace('.', "\\.");
    }
    Some(path)
}
