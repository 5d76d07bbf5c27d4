//! AdmissionReview (v1, and v1beta1 where a webhook knows no better): what is sent, and what an answer says.

use std::collections::BTreeMap;

use base64::Engine as _;
use serde_json::{Value, json};

use super::hook::Phase;
use super::{Attributes, Invocation, Resource};

const GROUP: &str = "admission.k8s.io";

impl Attributes<'_> {
    /// What webhooks and their conditions are told of the request, besides the objects.
    pub(super) fn request(&self, resource: &Resource) -> Value {
        let kind = |(group, version, kind): &(String, String, String)| json!({"group": group, "version": version, "kind": kind});
        let place = |gvr: &crate::registry::GroupVersionResource| json!({"group": gvr.group, "version": gvr.version, "resource": gvr.resource});
        let requested = self.requested();
        let mut request = json!({
            "kind": kind(&resource.kind),
            "resource": place(&resource.gvr),
            "requestKind": kind(&requested.kind),
            "requestResource": place(&requested.gvr),
            "operation": self.operation.as_str(),
            "userInfo": {"username": self.user.user, "groups": self.user.groups},
            "dryRun": self.dry_run,
            "options": self.options,
        });
        for (field, value) in [
            ("subResource", self.subresource),
            ("requestSubResource", self.subresource),
            ("name", self.name),
            ("namespace", self.namespace),
        ] {
            if !value.is_empty() {
                request[field] = value.into();
            }
        }
        request
    }

    /// The document that a webhook is sent.
    pub(super) fn review(
        &self,
        invocation: &Invocation,
        version: &str,
        uid: &str,
        object: Option<&Value>,
        old: Option<&Value>,
    ) -> Value {
        let mut request = self.request(&invocation.resource);
        request["uid"] = uid.into();
        request["object"] = object.cloned().unwrap_or_default();
        request["oldObject"] = old.cloned().unwrap_or_default();
        json!({"kind": "AdmissionReview", "apiVersion": format!("{GROUP}/{version}"), "request": request})
    }
}

/// What a webhook says.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Answer {
    pub(super) allowed: bool,
    /// Type and document.
    pub(super) patch: Option<(String, Vec<u8>)>,
    /// The Status of a denial.
    pub(super) result: Value,
    pub(super) warnings: Vec<String>,
    pub(super) annotations: BTreeMap<String, String>,
}

impl Answer {
    /// Reads an answer.
    ///
    /// # Errors
    /// Upstream's text for one that does not fit the question.
    pub(super) fn read(mut review: Value, version: &str, uid: &str, phase: Phase) -> Result<Self, String> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (api_version, kind) = (text(&review["apiVersion"]), text(&review["kind"]));
        let response = review["response"].take();
        if !response.is_object() {
            return Err("webhook response was absent".to_owned());
        }
        // Upstream checks neither type nor uid of v1beta1, for the sake of old webhooks.
        if version == "v1" {
            let received = text(&response["uid"]);
            if received != uid {
                return Err(format!("expected response.uid={uid:?}, got {received:?}"));
            }
            let expected = format!("{GROUP}/v1");
            if (api_version.as_str(), kind.as_str()) != (expected.as_str(), "AdmissionReview") {
                let received = crate::conversion::full_kind(&api_version, &kind);
                return Err(format!(
                    "expected webhook response of {expected}, Kind=AdmissionReview, got {received}"
                ));
            }
        }
        let encoded = text(&response["patch"]);
        let patch = base64::prelude::BASE64_STANDARD.decode(&encoded);
        let patch = patch.map_err(|why| format!("response.patch is no base64: {why}"))?;
        let type_ = response["patchType"].as_str();
        let patch = match (phase, patch.is_empty(), type_) {
            (Phase::Mutating, true, None) => None,
            (Phase::Mutating, true, Some(_)) if version != "v1" => None,
            (Phase::Mutating, false, _) if version != "v1" => Some(("JSONPatch".to_owned(), patch)),
            (Phase::Mutating, false, None) => {
                return Err("webhook returned response.patch but not response.patchType".to_owned());
            }
            (Phase::Mutating, true, Some(_)) => {
                return Err("webhook returned response.patchType but not response.patch".to_owned());
            }
            (Phase::Mutating, false, Some("")) => {
                return Err("webhook returned invalid response.patchType of \"\"".to_owned());
            }
            (Phase::Mutating, false, Some(type_)) => Some((type_.to_owned(), patch)),
            (Phase::Validating, false, _) if version == "v1" => {
                return Err("validating webhook may not return response.patch".to_owned());
            }
            (Phase::Validating, _, Some(_)) if version == "v1" => {
                return Err("validating webhook may not return response.patchType".to_owned());
            }
            (Phase::Validating, ..) => None,
        };
        let warnings = response["warnings"].as_array().into_iter().flatten();
        let annotations = response["auditAnnotations"].as_object().into_iter().flatten();
        Ok(Self {
            allowed: response["allowed"] == true,
            patch,
            warnings: warnings.map(text).collect(),
            annotations: annotations
                .map(|(key, value)| (key.clone(), text(value)))
                .collect(),
            result: response["status"].clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(review: Value, version: &str, phase: Phase) -> String {
        match Answer::read(review, version, "u", phase) {
            Ok(answer) => format!("allowed: {}", answer.allowed),
            Err(why) => why,
        }
    }

    #[test]
    fn api_73_answers_that_are_none() {
        use Phase::{Mutating, Validating};
        let review = |response: Value| json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response});
        assert_eq!(why(json!({}), "v1", Mutating), "webhook response was absent");
        assert_eq!(
            why(review(json!({"uid": "v"})), "v1", Mutating),
            r#"expected response.uid="u", got "v""#
        );
        assert_eq!(
            why(
                json!({"response": {"uid": "u", "allowed": true}}),
                "v1",
                Validating
            ),
            "expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got /, Kind="
        );
        for (response, phase, expected) in [
            (
                json!({"patch": "W10="}),
                Mutating,
                "webhook returned response.patch but not response.patchType",
            ),
            (
                json!({"patchType": "JSONPatch"}),
                Mutating,
                "webhook returned response.patchType but not response.patch",
            ),
            (
                json!({"patch": "W10=", "patchType": ""}),
                Mutating,
                "webhook returned invalid response.patchType of \"\"",
            ),
            (
                json!({"patch": "W10="}),
                Validating,
                "validating webhook may not return response.patch",
            ),
            (
                json!({"patchType": "JSONPatch"}),
                Validating,
                "validating webhook may not return response.patchType",
            ),
            (json!({"allowed": true}), Validating, "allowed: true"),
            (json!({}), Mutating, "allowed: false"),
        ] {
            let mut response = response;
            response["uid"] = "u".into();
            assert_eq!(why(review(response), "v1", phase), expected);
        }
        let old = json!({"response": {"allowed": true, "patch": "W10="}});
        let answer = Answer::read(old, "v1beta1", "u", Mutating).expect("an old webhook");
        assert_eq!(answer.patch, Some(("JSONPatch".to_owned(), b"[]".to_vec())));
    }
}
