//! ConversionReview (v1, and v1beta1 where a webhook knows no better): a batch of objects there and back.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::client::Client;
use crate::conversion::{ConverterError, ObjectConverter, full_kind};

/// Upstream sets no limit, and gives up with the request; a watch has none.
const TIMEOUT: Duration = Duration::from_secs(60);

const GROUP: &str = "apiextensions.k8s.io";

/// A converter behind a URL or service.
pub(super) struct Webhook {
    pub(super) client: Arc<Client>,
    pub(super) review_versions: Vec<String>,
}

impl ObjectConverter for Webhook {
    fn convert<'a>(
        &'a self,
        objects: Vec<Value>,
        api_version: &'a str,
    ) -> BoxFuture<'a, Result<Vec<Value>, ConverterError>> {
        self.review(objects, api_version).boxed()
    }
}

impl Webhook {
    async fn review(&self, objects: Vec<Value>, api_version: &str) -> Result<Vec<Value>, ConverterError> {
        let known = ["v1", "v1beta1"];
        let version = self
            .review_versions
            .iter()
            .find(|version| known.contains(&version.as_str()));
        let version =
            version.ok_or_else(|| ConverterError::new("no supported conversion review versions"))?;
        let uid = uuid::Uuid::new_v4().to_string();
        let review = question(version, &uid, api_version, &objects);
        let answer = self.client.post(&review, TIMEOUT, None).await;
        let answer = answer.map_err(ConverterError::new)?;
        read_answer(answer, version, &uid)
    }
}

/// A ConversionReview that asks for objects at a version.
pub(crate) fn question(version: &str, uid: &str, api_version: &str, objects: &[Value]) -> Value {
    json!({
        "kind": "ConversionReview",
        "apiVersion": format!("{GROUP}/{version}"),
        "request": {"uid": uid, "desiredAPIVersion": api_version, "objects": objects},
    })
}

/// The objects in an answer, or why there are none.
pub(crate) fn read_answer(mut answer: Value, version: &str, uid: &str) -> Result<Vec<Value>, ConverterError> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (api_version, kind) = (text(&answer["apiVersion"]), text(&answer["kind"]));
    // Upstream checks neither type nor uid of v1beta1, for the sake of old webhooks.
    if version == "v1"
        && (api_version.as_str(), kind.as_str()) != ("apiextensions.k8s.io/v1", "ConversionReview")
    {
        return Err(ConverterError::new(format!(
            "expected webhook response of {GROUP}/v1, Kind=ConversionReview, got {}",
            full_kind(&api_version, &kind)
        )));
    }
    let response = &mut answer["response"];
    if !response.is_object() {
        return Err(ConverterError::new("no response provided"));
    }
    let received = text(&response["uid"]);
    if version == "v1" && received != uid {
        return Err(ConverterError::new(format!(
            "expected response.uid={uid:?}, got {received:?}"
        )));
    }
    let result = &response["result"];
    let status = text(&result["status"]);
    if status != "Success" {
        let message = text(&result["message"]);
        return Err(ConverterError::new(match message.is_empty() {
            false => message,
            true => format!("response.result.status was '{status}', not 'Success'"),
        }));
    }
    match response["convertedObjects"].take() {
        Value::Array(objects) => Ok(objects),
        _ => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_80_answers_that_are_none() {
        let review = |version: &str, response: Value| json!({"apiVersion": format!("{GROUP}/{version}"), "kind": "ConversionReview", "response": response});
        let success = json!({"uid": "u", "result": {"status": "Success"}, "convertedObjects": [{"a": 1}]});
        let why = |answer: Value, version: &str| match read_answer(answer, version, "u") {
            Ok(objects) => format!("{} objects", objects.len()),
            Err(why) => why.to_string(),
        };
        assert_eq!(why(review("v1", success.clone()), "v1"), "1 objects");
        assert_eq!(
            why(review("v1beta1", success.clone()), "v1"),
            "expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got \
             apiextensions.k8s.io/v1beta1, Kind=ConversionReview"
        );
        assert_eq!(why(review("v1", Value::Null), "v1"), "no response provided");
        let mut other = success.clone();
        other["uid"] = "w".into();
        assert_eq!(
            why(review("v1", other.clone()), "v1"),
            r#"expected response.uid="u", got "w""#
        );
        assert_eq!(why(review("v1", other), "v1beta1"), "1 objects", "old webhooks");
        let failed = |result: Value| review("v1", json!({"uid": "u", "result": result}));
        assert_eq!(
            why(failed(json!({"status": "Failure", "message": "no"})), "v1"),
            "no"
        );
        assert_eq!(
            why(failed(json!({"status": "Failure"})), "v1"),
            "response.result.status was 'Failure', not 'Success'"
        );
        assert_eq!(
            why(failed(json!({})), "v1"),
            "response.result.status was '', not 'Success'"
        );
        assert_eq!(why(failed(json!({"status": "Success"})), "v1"), "0 objects");
    }
}
