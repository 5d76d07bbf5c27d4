//! What a difference needs to show: the document without all that can be left out.

use serde_json::Value;

/// Documents that are tried for one difference.
const TRIES: usize = 400;

/// Leaves out fields and items, the outer first, as long as what is left still `shows` the difference.
pub(super) async fn reduced(mut document: Value, mut shows: impl AsyncFnMut(&Value) -> bool) -> Value {
    let (mut index, mut tries) = (0, 0);
    while tries < TRIES {
        let places = places(&document);
        let Some(place) = places.get(index) else { break };
        let mut smaller = document.clone();
        remove(&mut smaller, place);
        tries += 1;
        if shows(&smaller).await {
            document = smaller;
        } else {
            index += 1;
        }
    }
    document
}

/// Pointers to all that may go, level by level: what says which object it is stays.
fn places(document: &Value) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut at = 0;
    while at < found.len() {
        let around = found[at].clone();
        let keys: Vec<String> = match document.pointer(&around) {
            Some(Value::Object(map)) => map
                .keys()
                .filter(|key| {
                    !around.is_empty() || !["apiVersion", "kind", "metadata"].contains(&key.as_str())
                })
                .map(|key| key.replace('~', "~0").replace('/', "~1"))
                .collect(),
            Some(Value::Array(items)) => (0..items.len()).map(|index| index.to_string()).collect(),
            _ => Vec::new(),
        };
        found.extend(keys.iter().map(|key| format!("{around}/{key}")));
        at += 1;
    }
    found.remove(0);
    found
}

fn remove(document: &mut Value, place: &str) {
    let (around, key) = place.rsplit_once('/').expect("a pointer below the root");
    let key = key.replace("~1", "/").replace("~0", "~");
    match document.pointer_mut(around) {
        Some(Value::Object(map)) => {
            map.remove(&key);
        }
        Some(Value::Array(items)) => {
            items.remove(key.parse().expect("an index"));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn what_shows_the_difference_is_all_that_is_left() {
        let document = json!({"kind": "A", "metadata": {"name": "a"}, "x": [1], "spec": {
            "a/b": [{"c": 1, "d": 2}, {"c": 3, "~": {}}], "e": {"f": [[], {}]},
        }});
        let shows = async |value: &Value| value.to_string().contains("\"c\":3");
        assert_eq!(
            reduced(document, shows).await,
            json!({"kind": "A", "metadata": {"name": "a"}, "spec": {"a/b": [{"c": 3}]}})
        );
    }
}
