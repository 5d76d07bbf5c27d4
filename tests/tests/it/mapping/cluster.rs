//! Types of Kubernetes: SCH-114 and SCH-116 to SCH-124.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{
    Container, EnvVar, LocalObjectReference, ObjectReference, PodSpec, PodTemplateSpec, ResourceRequirements,
    SecretKeySelector,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSON;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{
    Condition, FieldsV1, LabelSelector, LabelSelectorRequirement, MicroTime, ObjectMeta, Time,
};
use k8s_openapi::apimachinery::pkg::runtime::RawExtension;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use k8s_openapi::jiff::Timestamp;
use kubewright::CustomResource;
use kubewright::kube::core::Duration;
use serde_json::{Value, json};

use super::values::{Draw, Source, mapped};

mapped! {
    struct Template {
        #[kube(embedded_object_meta)]
        metadata: Option<ObjectMeta>,
        size: Quantity,
    }

    /// Of Kubernetes' types.
    #[derive(CustomResource)]
    #[kube(group = "mapping.kubewright.dev", version = "v1", kind = "Known")]
    #[kube(derive = "PartialEq")]
    #[serde(rename_all = "camelCase")]
    struct KnownSpec {
        /// SCH-114.
        secret: ByteString,
        maybe_secret: Option<ByteString>,
        secrets: BTreeMap<String, ByteString>,
        /// SCH-116.
        time: Time,
        maybe_time: Option<Time>,
        micro: MicroTime,
        timeout: Option<Duration>,
        #[schemars(with = "String")]
        #[kube(format = "date-time")]
        stamp: Timestamp => stamp,
        /// SCH-117.
        quantity: Quantity,
        limits: BTreeMap<String, Quantity>,
        /// SCH-118.
        port: IntOrString,
        maybe_ports: Option<Vec<IntOrString>>,
        /// SCH-119.
        raw: RawExtension => object,
        #[kube(embedded)]
        whole: Option<RawExtension> => embedded,
        /// SCH-120.
        any: JSON,
        fields: Option<FieldsV1> => fields,
        /// SCH-121.
        template: Template,
        /// SCH-122.
        pod: PodTemplateSpec,
        #[kube(full_schema, description = "none")]
        full_pod: Option<PodTemplateSpec>,
        containers: Vec<Container>,
        resources: ResourceRequirements,
        /// SCH-123.
        selector: LabelSelector,
        maybe_selector: Option<LabelSelector>,
        local: LocalObjectReference,
        key: SecretKeySelector,
        object: Option<ObjectReference>,
        /// SCH-124.
        conditions: Vec<Condition> => conditions,
    }
}

/// To the microsecond, which is what MicroTime keeps.
fn stamp(from: &mut Source) -> Timestamp {
    from.one_of(&[
        0,
        1_700_000_000_123_456,
        -62_135_596_800_000_000,
        253_402_207_200_000_000,
    ])
    .pipe(Timestamp::from_microsecond)
    .unwrap()
}

/// Calls in the order of reading.
trait Pipe: Sized {
    fn pipe<T>(self, call: impl FnOnce(Self) -> T) -> T {
        call(self)
    }
}
impl Pipe for i64 {}

impl Draw for Time {
    fn draw(from: &mut Source) -> Self {
        let seconds = stamp(from).as_second();
        Self(Timestamp::from_second(seconds).unwrap())
    }
}

impl Draw for MicroTime {
    fn draw(from: &mut Source) -> Self {
        Self(stamp(from))
    }
}

impl Draw for Duration {
    fn draw(from: &mut Source) -> Self {
        from.one_of(&["0s", "1h30m0s", "-5s", "1.5s"]).parse().unwrap()
    }
}

impl Draw for ByteString {
    fn draw(from: &mut Source) -> Self {
        // An empty one is no base64 to a server.
        let mut bytes = Vec::draw(from);
        bytes.push(0);
        Self(bytes)
    }
}

impl Draw for Quantity {
    fn draw(from: &mut Source) -> Self {
        Self(
            from.one_of(&["0", "500m", "1Gi", "-1.5e3", "+7", "9223372036854775807"])
                .to_owned(),
        )
    }
}

impl Draw for IntOrString {
    fn draw(from: &mut Source) -> Self {
        match from.below(2) {
            0 => Self::Int(Draw::draw(from)),
            _ => Self::String(Draw::draw(from)),
        }
    }
}

fn object(from: &mut Source) -> RawExtension {
    RawExtension(Value::Object(Draw::draw(from)))
}

fn embedded(from: &mut Source) -> Option<RawExtension> {
    (from.below(2) > 0).then(|| {
        let value = Value::draw(from);
        RawExtension(json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "a", "labels": {"a": "b"}},
            "data": {"value": value},
        }))
    })
}

impl Draw for JSON {
    fn draw(from: &mut Source) -> Self {
        Self(Draw::draw(from))
    }
}

fn fields(from: &mut Source) -> Option<FieldsV1> {
    (from.below(2) > 0).then(|| FieldsV1(Value::Object(Draw::draw(from))))
}

impl Draw for ObjectMeta {
    fn draw(from: &mut Source) -> Self {
        Self {
            name: Draw::draw(from),
            namespace: Draw::draw(from),
            labels: Draw::draw(from),
            annotations: Draw::draw(from),
            finalizers: Draw::draw(from),
            ..Self::default()
        }
    }
}

impl Draw for LabelSelector {
    fn draw(from: &mut Source) -> Self {
        Self {
            match_labels: Draw::draw(from),
            match_expressions: Draw::draw(from),
        }
    }
}

impl Draw for LabelSelectorRequirement {
    fn draw(from: &mut Source) -> Self {
        Self {
            key: Draw::draw(from),
            operator: from.one_of(&["In", "Exists"]).to_owned(),
            values: Draw::draw(from),
        }
    }
}

impl Draw for LocalObjectReference {
    fn draw(from: &mut Source) -> Self {
        Self {
            name: Draw::draw(from),
        }
    }
}

impl Draw for SecretKeySelector {
    fn draw(from: &mut Source) -> Self {
        Self {
            key: Draw::draw(from),
            name: Draw::draw(from),
            optional: Draw::draw(from),
        }
    }
}

impl Draw for ObjectReference {
    fn draw(from: &mut Source) -> Self {
        Self {
            name: Draw::draw(from),
            uid: Draw::draw(from),
            ..Self::default()
        }
    }
}

impl Draw for ResourceRequirements {
    fn draw(from: &mut Source) -> Self {
        Self {
            limits: Draw::draw(from),
            requests: Draw::draw(from),
            claims: None,
        }
    }
}

impl Draw for Container {
    fn draw(from: &mut Source) -> Self {
        let env = |from: &mut Source, name: &str| EnvVar {
            name: name.to_owned(),
            value: Draw::draw(from),
            ..EnvVar::default()
        };
        Self {
            name: Draw::draw(from),
            image: Draw::draw(from),
            args: Draw::draw(from),
            env: (from.below(2) > 0).then(|| vec![env(from, "A"), env(from, "B")]),
            resources: Draw::draw(from),
            ..Self::default()
        }
    }
}

impl Draw for PodTemplateSpec {
    fn draw(from: &mut Source) -> Self {
        let spec = |from: &mut Source| PodSpec {
            containers: vec![Draw::draw(from)],
            node_selector: Draw::draw(from),
            termination_grace_period_seconds: Draw::draw(from),
            image_pull_secrets: None,
            ..PodSpec::default()
        };
        Self {
            metadata: Draw::draw(from),
            spec: (from.below(3) > 0).then(|| spec(from)),
        }
    }
}

/// Each with a type of its own, as the list's key says.
fn conditions(from: &mut Source) -> Vec<Condition> {
    let condition = |from: &mut Source, at: usize| Condition {
        type_: format!("example.com/Kind{at}"),
        status: from.one_of(&["True", "False", "Unknown"]).to_owned(),
        reason: from.one_of(&["Ready", "R2,D2:x"]).to_owned(),
        message: Draw::draw(from),
        observed_generation: from.one_of(&[None, Some(0), Some(i64::MAX)]),
        last_transition_time: Draw::draw(from),
    };
    (0..from.below(3)).map(|at| condition(from, at)).collect()
}
