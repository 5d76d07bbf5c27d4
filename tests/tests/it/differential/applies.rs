//! Several managers apply, update and patch one object, and both servers agree on the fields of each.

use serde_json::{Value, json};

use super::{Both, Place, Tally, whole_numbers};
use crate::generate::{self, Draw};

const STEPS: usize = 10;
const MANAGERS: [&str; 3] = ["one", "two", "kubectl"];

/// Removes nulls where the schema allows none. A server drops them so late after an apply that it counts another
/// generation of an object that stays as it was.
fn drop_nulls(value: &mut Value, schema: &Value) {
    let nullable = |schema: &Value| schema["nullable"] == true;
    match value {
        Value::Object(map) => {
            let below = |key: &str| {
                let property = schema["properties"].get(key);
                property.unwrap_or(&schema["additionalProperties"])
            };
            map.retain(|key, value| !value.is_null() || nullable(below(key)));
            map.iter_mut()
                .for_each(|(key, value)| drop_nulls(value, below(key)));
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| drop_nulls(item, &schema["items"])),
        _ => {}
    }
}

impl Both {
    /// A sequence of writes to one object. The first that is accepted creates it.
    pub(super) async fn applies(
        &self,
        tally: &mut Tally,
        draw: &mut Draw<'_>,
        place: &Place<'_>,
        schema: &Value,
    ) {
        // What each manager applied last; mostly a little of it changes.
        let mut applied: [Option<Value>; MANAGERS.len()] = Default::default();
        let mut exists = false;
        for _ in 0..STEPS {
            let who = draw.below(MANAGERS.len());
            let mut object = match &applied[who] {
                Some(before) if !draw.one_in(3) => {
                    let mut object = before.clone();
                    if object["spec"].is_object() {
                        generate::mutate(draw, &mut object["spec"]);
                    }
                    object
                }
                _ => place.whole(generate::instance(draw, schema, 0), "a"),
            };
            if draw.one_in(4) {
                let key = *draw.pick(&["x", "y"]);
                let part = *draw.pick(&["labels", "annotations"]);
                object["metadata"][part][key] = (*draw.pick(&["1", "2"])).into();
            }
            whole_numbers(&mut object);
            drop_nulls(&mut object, schema);
            let (method, body) = match draw.below(10) {
                7 if exists => ("PUT", object.clone()),
                8 if exists => (
                    "MERGE",
                    json!({"spec": object["spec"], "metadata": {"labels": {"x": "3"}}}),
                ),
                9 if exists => (
                    "JSON",
                    json!([{"op": "add", "path": "/spec", "value": object["spec"]}]),
                ),
                _ => ("APPLY", object.clone()),
            };
            let door = if exists && place.has_status && draw.one_in(5) {
                "/status"
            } else {
                ""
            };
            let force = match method {
                "APPLY" if draw.one_in(2) => "&force=true",
                _ => "",
            };
            let validation = *draw.pick(&["Warn", "Strict", "Ignore"]);
            let uri = format!(
                "{}/a{door}?fieldManager={}{force}&fieldValidation={validation}",
                place.uri, MANAGERS[who]
            );
            let answer = self.ask(tally, place.seed, (method, &uri), &body, schema).await;
            tally.applies += usize::from(method == "APPLY");
            tally.conflicts += usize::from(answer.as_ref().is_some_and(|answer| answer.code == 409));
            if tally.object(answer.as_ref()) {
                exists = true;
                if method == "APPLY" {
                    applied[who] = Some(object);
                }
            }
        }
    }
}
