//! AdmissionReviews: how they are read, asked and answered.
//!
//! **Invariant:** a review that could be read is answered by a review with its uid, whatever the handler does.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::StatusCode;
use k8s_openapi::ByteString;
use k8s_openapi::api::authentication::v1::UserInfo;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::body::Refusal;
use super::super::metrics::WebhookMetrics;
use super::{Admission, Allowed, Cause, Denied, Mutator, Operation, Resource, Validator};
use crate::guard;
use crate::kind::Kind;

const API_VERSION: &str = "admission.k8s.io/v1";
const KIND: &str = "AdmissionReview";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Incoming<'a> {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    #[serde(borrow)]
    request: Option<&'a RawValue>,
}

/// `admission.k8s.io/v1` AdmissionRequest.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct Request<'a> {
    uid: String,
    kind: Resource,
    #[serde(default)]
    sub_resource: String,
    request_kind: Option<Resource>,
    request_resource: Option<Resource>,
    #[serde(default)]
    name: String,
    #[serde(default)]
    namespace: String,
    operation: Operation,
    #[serde(default)]
    user_info: UserInfo,
    #[serde(borrow)]
    object: Option<&'a RawValue>,
    #[serde(borrow)]
    old_object: Option<&'a RawValue>,
    dry_run: Option<bool>,
    options: Option<Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outgoing<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: Response<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<ByteString>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct Status<'a> {
    status: &'static str,
    message: String,
    reason: String,
    code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details<'a>>,
}

#[derive(Serialize)]
struct Details<'a> {
    name: &'a str,
    group: &'a str,
    kind: &'a str,
    causes: Vec<Cause>,
}

/// What a handler says, and the object that it changed.
pub(in super::super) type Outcome = Result<(Allowed, Option<json_patch::Patch>), Denied>;

/// A handler whose type is forgotten.
pub(in super::super) trait Admit: Send + Sync + 'static {
    fn admit<'a>(&'a self, request: &'a Request<'a>) -> BoxFuture<'a, Outcome>;
    fn timeout(&self) -> Duration;
}

/// The answer to a review.
pub(in super::super) async fn review(
    admit: &dyn Admit,
    body: &[u8],
    metrics: &WebhookMetrics,
) -> Result<Vec<u8>, Refusal> {
    let bad = |message: String| Refusal::new(StatusCode::BAD_REQUEST, message);
    let incoming: Incoming<'_> =
        serde_json::from_slice(body).map_err(|error| bad(format!("the body is not an {KIND}: {error}")))?;
    if incoming.kind != KIND || incoming.api_version != API_VERSION {
        return Err(bad(format!(
            "{:?} {:?} is not served; {API_VERSION} {KIND} is: set admissionReviewVersions to [\"v1\"]",
            incoming.api_version, incoming.kind
        )));
    }
    let Some(request) = incoming.request else {
        return Err(bad(format!("the {KIND} has no request")));
    };
    let request: Request<'_> = serde_json::from_str(request.get())
        .map_err(|error| bad(format!("the request of the {KIND} cannot be read: {error}")))?;

    let outcome = AssertUnwindSafe(admit.admit(&request)).catch_unwind();
    let outcome = match tokio::time::timeout(admit.timeout(), outcome).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(panic)) => {
            metrics.panicked();
            let panic = guard::message(&*panic);
            let (kind, name) = (&request.kind.kind, &request.name);
            tracing::error!(
                kind,
                namespace = request.namespace,
                name,
                panic,
                "an admission handler panicked"
            );
            Err(Denied::internal(format!("panicked: {panic}")))
        }
        Err(_) => {
            let text = format!("no verdict within {:?}", admit.timeout());
            Err(Denied::with(504, "Timeout", text))
        }
    };
    let response = request.response(outcome);
    let outgoing = Outgoing {
        api_version: API_VERSION,
        kind: KIND,
        response,
    };
    serde_json::to_vec(&outgoing)
        .map_err(|error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

impl Request<'_> {
    fn response(&self, outcome: Outcome) -> Response<'_> {
        let patch = |patch: json_patch::Patch| match serde_json::to_vec(&patch) {
            Ok(patch) => Ok(ByteString(patch)),
            Err(error) => Err(Denied::internal(error)),
        };
        let outcome = outcome.and_then(|(allowed, change)| Ok((allowed, change.map(patch).transpose()?)));
        let mut response = Response {
            uid: &self.uid,
            allowed: false,
            status: None,
            patch_type: None,
            patch: None,
            warnings: Vec::new(),
        };
        match outcome {
            Ok((allowed, patch)) => {
                response.allowed = true;
                response.patch_type = patch.is_some().then_some("JSONPatch");
                response.patch = patch;
                response.warnings = allowed.warnings;
            }
            Err(mut denied) => {
                response.warnings = std::mem::take(&mut denied.warnings);
                response.status = Some(self.status(denied));
            }
        }
        response
    }

    fn status(&self, denied: Denied) -> Status<'_> {
        let message = if denied.message.is_empty() && !denied.causes.is_empty() {
            self.invalid(&denied.causes)
        } else {
            denied.message
        };
        let details = (!denied.causes.is_empty()).then_some(Details {
            name: &self.name,
            group: &self.kind.group,
            kind: &self.kind.kind,
            causes: denied.causes,
        });
        Status {
            status: "Failure",
            message,
            reason: denied.reason,
            code: denied.code,
            details,
        }
    }

    /// As apimachinery's `NewInvalid` puts it.
    fn invalid(&self, causes: &[Cause]) -> String {
        let Resource { kind, group, .. } = &self.kind;
        let dot = if group.is_empty() { "" } else { "." };
        let causes: Vec<_> = causes
            .iter()
            .map(|cause| format!("{}: {}", cause.field, cause.message))
            .collect();
        let causes = match causes.as_slice() {
            [cause] => cause.clone(),
            causes => format!("[{}]", causes.join(", ")),
        };
        format!("{kind}{dot}{group} {:?} is invalid: {causes}", self.name)
    }

    fn admission<K: Kind>(&self) -> Result<Admission<K>, Denied> {
        let expected = (K::group(&()), K::version(&()), K::kind(&()));
        let Resource {
            group, version, kind, ..
        } = &self.kind;
        if (&**group, &**version, &**kind) != (&*expected.0, &*expected.1, &*expected.2) {
            let dot = if group.is_empty() { "" } else { "/" };
            return Err(Denied::bad_request(format!(
                "this webhook is about {} {}, not about {group}{dot}{version} {kind}; its rules select too much",
                K::api_version(&()),
                expected.2
            )));
        }
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Ok(Admission {
            uid: self.uid.clone(),
            operation: self.operation,
            object: read(self.object, "object")?,
            old_object: read(self.old_object, "old object")?,
            name: self.name.clone(),
            namespace: text(&self.namespace),
            subresource: text(&self.sub_resource),
            dry_run: self.dry_run.unwrap_or_default(),
            user: self.user_info.clone(),
            options: self.options.clone(),
            request_kind: self.request_kind.clone(),
            request_resource: self.request_resource.clone(),
        })
    }
}

fn read<K: Kind>(raw: Option<&RawValue>, which: &str) -> Result<Option<K>, Denied> {
    let read = raw.map(|raw| serde_json::from_str(raw.get())).transpose();
    read.map_err(|error| {
        Denied::bad_request(format!(
            "the {which} cannot be read as {} {}: {error}",
            K::api_version(&()),
            K::kind(&())
        ))
    })
}

pub(super) struct Validating<V>(pub(super) V, pub(super) Duration);

impl<V: Validator> Admit for Validating<V> {
    fn admit<'a>(&'a self, request: &'a Request<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let admission = request.admission::<V::Object>()?;
            Ok((self.0.validate(&admission).await?, None))
        })
    }

    fn timeout(&self) -> Duration {
        self.1
    }
}

pub(super) struct Mutating<M>(pub(super) M, pub(super) Duration);

impl<M: Mutator> Admit for Mutating<M> {
    fn admit<'a>(&'a self, request: &'a Request<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let admission = request.admission::<M::Object>()?;
            let (Some(object), Some(raw)) = (&admission.object, request.object) else {
                return Ok((Allowed::new(), None));
            };
            let mut changed = object.clone();
            let allowed = self.0.mutate(&mut changed, &admission).await?;
            let before = serde_json::to_value(object).map_err(Denied::internal)?;
            let after = serde_json::to_value(&changed).map_err(Denied::internal)?;
            if before == after {
                return Ok((allowed, None));
            }
            let original: Value = serde_json::from_str(raw.get()).map_err(Denied::internal)?;
            let result = super::merge::carry_over(&before, &after, &original);
            let patch = json_patch::diff(&original, &result);
            Ok((allowed, (!patch.0.is_empty()).then_some(patch)))
        })
    }

    fn timeout(&self) -> Duration {
        self.1
    }
}
