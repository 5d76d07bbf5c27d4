use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::registry::{Column, CustomVersion, GroupVersionResource, ResourceInfo, Scope, builtin};

#[derive(serde::Deserialize)]
struct Recorded {
    now: Timestamp,
    items: Vec<Value>,
    table: Value,
}

fn recorded() -> BTreeMap<String, Recorded> {
    serde_json::from_str(include_str!("../../tests/it/data/tables.json")).expect("JSON")
}

fn widgets(columns: Vec<Column>) -> ResourceInfo {
    let gvr = GroupVersionResource::new("tables.example", "v1", "widgets");
    let schema = kubewright_schema::Structural::from_json(&json!({"type": "object"})).expect("structural");
    ResourceInfo {
        kind: "Widget".into(),
        list_kind: "WidgetList".into(),
        singular: "widget".into(),
        short_names: Vec::new(),
        categories: Vec::new(),
        scope: Scope::Namespaced,
        verbs: Vec::new(),
        status: false,
        scale: None,
        columns,
        selectable_fields: Vec::new(),
        subresources: Vec::new(),
        storage: gvr.clone(),
        origin: Origin::Custom(Arc::new(CustomVersion {
            crd_name: "widgets.tables.example".into(),
            crd_uid: String::new(),
            crd_generation: 1,
            storage_version: "v1".into(),
            schema: schema.clone(),
            versions: Arc::new([("v1".to_owned(), schema)].into()),
            conversion: crate::registry::Conversion::None,
            group: "tables.example".into(),
            openapi: json!({"type": "object"}),
            deprecation_warning: None,
            merging: Default::default(),
        })),
        gvr,
    }
}

/// Cells of ages run on between the list and the table of the recording.
fn same(ours: &Value, theirs: &Value) -> bool {
    let seconds = |cell: &Value| cell.as_str()?.strip_suffix('s')?.parse::<i64>().ok();
    match (seconds(ours), seconds(theirs)) {
        (Some(ours), Some(theirs)) => (ours - theirs).abs() <= 2,
        _ => ours == theirs,
    }
}

fn compare(path: &str, info: &ResourceInfo, recorded: &Recorded) -> Vec<String> {
    let mut faults = Vec::new();
    let mut tabulator = Tabulator::new(info, IncludeObject::None);
    let table = tabulator.table(&recorded.table["metadata"], &recorded.items, recorded.now);
    if table["columnDefinitions"] != recorded.table["columnDefinitions"] {
        faults.push(format!("{path}: columns {:#}", table["columnDefinitions"]));
    }
    let rows = |table: &Value| table["rows"].as_array().cloned().unwrap_or_default();
    let (ours, theirs) = (rows(&table), rows(&recorded.table));
    assert_eq!(ours.len(), theirs.len(), "{path}");
    for (ours, theirs) in ours.iter().zip(&theirs) {
        let cells = |row: &Value| row["cells"].as_array().cloned().unwrap_or_default();
        let (ours, theirs) = (cells(ours), cells(theirs));
        if ours.len() != theirs.len() || !ours.iter().zip(&theirs).all(|(ours, theirs)| same(ours, theirs)) {
            faults.push(format!(
                "{path}\n  ours   {}\n  theirs {}",
                json!(ours),
                json!(theirs)
            ));
        }
    }
    faults
}

#[test]
fn api_60_built_in_tables_are_the_recorded_ones() {
    let recorded = recorded();
    let mut faults = Vec::new();
    for info in builtin::resources() {
        let path = format!(
            "/{}/{}",
            path_of(&info.gvr.group, &info.gvr.version),
            info.gvr.resource
        );
        let recorded = recorded
            .get(&path)
            .unwrap_or_else(|| panic!("{path} is recorded"));
        assert!(!recorded.items.is_empty(), "{path} has samples");
        faults.extend(compare(&path, info, recorded));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn api_60_custom_columns_are_the_recorded_ones() {
    let samples: Value =
        serde_json::from_str(include_str!("../../tests/it/data/samples.json")).expect("JSON");
    let text = |column: &Value, key: &str| column[key].as_str().unwrap_or_default().to_owned();
    let columns = samples["crd"]["spec"]["versions"][0]["additionalPrinterColumns"]
        .as_array()
        .expect("columns")
        .iter()
        .map(|column| Column {
            name: text(column, "name"),
            type_: text(column, "type"),
            format: text(column, "format"),
            description: text(column, "description"),
            priority: column["priority"].as_i64().unwrap_or(0) as i32,
            json_path: text(column, "jsonPath"),
        })
        .collect();
    let path = "/apis/tables.example/v1/widgets";
    let faults = compare(path, &widgets(columns), &recorded()[path]);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn api_60_default_columns_and_objects() {
    let now: Timestamp = "2026-01-01T00:01:00Z".parse().expect("a time");
    let object = json!({
        "kind": "Widget",
        "metadata": {"name": "a", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"x": 1},
    });
    let mut tabulator = Tabulator::new(&widgets(Vec::new()), IncludeObject::Metadata);
    let first = tabulator.table(&json!({"resourceVersion": "7", "selfLink": "no"}), [&object], now);
    insta::assert_json_snapshot!("default_table", first);
    let second = tabulator.table(&json!({}), [&object], now);
    assert_eq!(second["columnDefinitions"], json!([]), "columns come once");
    let mut whole = Tabulator::new(&widgets(Vec::new()), IncludeObject::Object).without_columns();
    let table = whole.table(&json!({}), [&object], now);
    assert_eq!(
        (&table["rows"][0]["object"], &table["columnDefinitions"]),
        (&object, &json!([]))
    );
    assert!(IncludeObject::parse(Some("All")).is_err());
}
