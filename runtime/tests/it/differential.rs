//! The same attributes through kube-derive 5 and through ours: same definitions, same JSON, same reading.
//!
//! Differences that are meant, and taken out before comparing:
//! - a selectable path without its leading dot gets one (the server demands it);
//! - an optional enum is not nullable, with null among its values (the server refuses null there), and formats that no
//!   server knows (`uint32`) are left out;
//! - a decoding error says `a custom resource` where kube-derive's names the root.

use kube::CustomResourceExt;
use serde_json::{Value, json};

/// Compiles the items twice, in modules `ours` and `theirs`.
macro_rules! both {
    ($name:ident: $($items:tt)*) => {
        mod $name {
            pub mod ours {
                #[allow(unused_imports)]
                use kube::KubeSchema;
                use kubewright::CustomResource;
                #[allow(unused_imports)]
                use schemars::JsonSchema;
                use serde::{Deserialize, Serialize};
                $($items)*
            }
            pub mod theirs {
                #[allow(unused_imports)]
                use kube::{CustomResource, KubeSchema};
                #[allow(unused_imports)]
                use schemars::JsonSchema;
                use serde::{Deserialize, Serialize};
                $($items)*
            }
        }
    };
}

fn definition<K: CustomResourceExt>() -> Value {
    let mut value = serde_json::to_value(K::crd()).unwrap();
    leave_out(&mut value);
    for version in value["spec"]["versions"].as_array_mut().unwrap() {
        for field in version["selectableFields"].as_array_mut().into_iter().flatten() {
            let path = field["jsonPath"]
                .as_str()
                .unwrap()
                .trim_start_matches('.')
                .to_owned();
            field["jsonPath"] = path.into();
        }
    }
    value
}

fn leave_out(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(leave_out);
            if let Some(Value::Array(values)) = map.get_mut("enum") {
                values.retain(|value| !value.is_null());
                map.remove("nullable");
            }
            if map
                .get("format")
                .and_then(Value::as_str)
                .is_some_and(|format| format.starts_with("uint"))
            {
                map.remove("format");
            }
        }
        Value::Array(items) => items.iter_mut().for_each(leave_out),
        _ => {}
    }
}

fn same_definition<Ours: CustomResourceExt, Theirs: CustomResourceExt>() {
    let (ours, theirs) = (definition::<Ours>(), definition::<Theirs>());
    assert_eq!(
        serde_json::to_string_pretty(&ours).unwrap(),
        serde_json::to_string_pretty(&theirs).unwrap()
    );
    assert_eq!(Ours::crd_name(), Theirs::crd_name());
    assert_eq!(Ours::shortnames(), Theirs::shortnames());
    assert_eq!(Ours::api_resource(), Theirs::api_resource());
}

/// Reads and writes again; an error becomes its text, without the type's name.
fn round<T: serde::de::DeserializeOwned + serde::Serialize>(value: &Value) -> Result<String, String> {
    let object: T = serde_json::from_value(value.clone()).map_err(|error| {
        let text = error.to_string();
        text.split(", expected").next().unwrap_or_default().to_owned()
    })?;
    Ok(serde_json::to_string(&object).unwrap())
}

fn same_json<Ours, Theirs>(values: &[Value])
where
    Ours: serde::de::DeserializeOwned + serde::Serialize,
    Theirs: serde::de::DeserializeOwned + serde::Serialize,
{
    for value in values {
        assert_eq!(round::<Ours>(value), round::<Theirs>(value), "{value}");
    }
}

both! { minimal:
    #[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
    #[kube(group = "clux.dev", version = "v1", kind = "Foo", namespaced)]
    pub struct FooSpec {
        pub info: String,
    }
}

both! { full:
    use std::collections::BTreeMap;

    #[derive(CustomResource, Serialize, Deserialize, Clone, Debug, PartialEq, Default, JsonSchema)]
    #[kube(
        group = "clux.dev",
        version = "v1beta1",
        kind = "Foo",
        root = "FooCrd",
        namespaced,
        doc = "Custom resource representing a Foo",
        status = "FooStatus",
        derive = "PartialEq",
        derive = "Default",
        attr = "allow(dead_code)",
        singular = "foot",
        plural = "feetz",
        shortname = "f",
        shortname = "ft",
        category = "all",
        category = "feet",
        scale(
            spec_replicas_path = ".spec.replicas",
            status_replicas_path = ".status.replicas",
            label_selector_path = ".status.selector"
        ),
        printcolumn(
            name = "Spec",
            type_ = "string",
            description = "name of foo",
            json_path = ".spec.name",
            format = "date",
            priority = 1
        ),
        printcolumn = r#"{"name":"Old", "type":"integer", "jsonPath":".spec.replicas"}"#,
        selectable = "spec.replicasCount",
        selectable = ".spec.data",
        annotation("a.example.com/b", "C d"),
        label("l", "v"),
        storage = false,
        served = false,
        deprecated = "use something else"
    )]
    #[serde(rename_all = "camelCase")]
    pub struct FooSpec {
        #[schemars(length(min = 3))]
        /// Some data.
        pub data: String,
        pub replicas_count: i32,
        pub mode: Option<Mode>,
        #[serde(default)]
        pub labels: BTreeMap<String, String>,
        pub inner: Vec<Inner>,
    }

    #[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
    pub enum Mode {
        Fast,
        Slow,
    }

    #[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
    #[serde(rename_all = "camelCase")]
    pub struct Inner {
        pub some_port: u16,
    }

    #[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
    pub struct FooStatus {
        pub replicas: i32,
    }
}

both! { cluster_deprecated:
    #[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
    #[kube(group = "clux.dev", version = "v2", kind = "Policy", deprecated)]
    #[kube(status = "String", scale = r#"{"specReplicasPath":".spec.replicas", "statusReplicasPath":".status.replicas"}"#)]
    pub struct PolicySpec {
        pub replicas: i32,
    }
}

both! { no_spec:
    #[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
    #[kube(group = "clux.dev", version = "v1", kind = "Bucket", namespaced, no_spec)]
    pub struct BucketFields {
        pub name: String,
        #[serde(flatten)]
        pub rest: std::collections::BTreeMap<String, serde_json::Value>,
    }
}

both! { no_spec_with_status:
    #[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
    #[kube(group = "clux.dev", version = "v1", kind = "Bucket", namespaced, no_spec, status = "BucketStatus")]
    pub struct BucketFields {
        pub name: String,
        pub size: Option<u32>,
    }

    #[derive(Serialize, Deserialize, Clone, Debug, JsonSchema)]
    pub struct BucketStatus {
        pub ready: bool,
    }
}

both! { disabled:
    #[derive(CustomResource, Serialize, Deserialize, Clone, Debug)]
    #[kube(group = "apps", version = "v1", kind = "Deployment", namespaced, schema = "disabled")]
    pub struct DeploymentSpec {
        pub replicas: Option<i32>,
    }
}

both! { manual:
    #[derive(CustomResource, Serialize, Deserialize, Clone, Debug)]
    #[kube(group = "clux.dev", version = "v1", kind = "Foo", schema = "manual")]
    pub struct FooSpec {
        pub anything: String,
    }

    impl JsonSchema for Foo {
        fn schema_name() -> std::borrow::Cow<'static, str> {
            "Foo".into()
        }
        fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
            schemars::json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
        }
    }
}

both! { manual_no_spec:
    #[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
    #[kube(group = "clux.dev", version = "v1", kind = "Foo", no_spec, schema = "manual", derive = "JsonSchema")]
    #[kube(status = "String")]
    pub struct FooSpec {
        /// Some text.
        pub anything: String,
    }
}

both! { manual_nested:
    #[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
    #[kube(group = "clux.dev", version = "v1", kind = "Foo", schema = "manual", derive = "JsonSchema")]
    #[kube(status = "String")]
    pub struct FooSpec {
        pub anything: String,
    }
}

both! { documented:
    #[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
    #[kube(group = "clux.dev", version = "v1", kind = "Titled", doc = " # A title\nText,\n\n and more. ")]
    #[kube(status = "String")]
    pub struct TitledSpec {}

    #[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
    #[kube(group = "clux.dev", version = "v1", kind = "Joined", doc = "Text.", attr = "doc = \" More.\"")]
    pub struct JoinedSpec {}

    #[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
    #[kube(group = "clux.dev", version = "v1", kind = "Plain", attr = "doc = \"## Not a title\"", no_spec, status = "String")]
    pub struct PlainSpec {
        pub a: u8,
    }

    #[derive(JsonSchema)]
    #[allow(dead_code)]
    pub struct Everything {
        pub titled: Titled,
        pub joined: Joined,
        pub plain: Plain,
    }
}

both! { defaulted_parameter:
    #[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
    #[kube(group = "clux.dev", version = "v1", kind = "Foo")]
    pub struct FooSpec<T = String> {
        pub anything: T,
    }
}

both! { from_macro:
    macro_rules! kind {
        ($name:literal, $column:literal, $scale:literal) => {
            #[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug)]
            #[kube(
                group = "clux.dev", version = "v1", kind = "Foo", status = "String", printcolumn = $column, scale = $scale,
                validation = rule::<&str, u8>("true", 1), printcolumn(name = $name, type_ = "date", json_path = ".a"),
                shortname = $name
            )]
            pub struct FooSpec {
                pub replicas: u32,
            }
        };
    }
    kind!(
        "n",
        r#"{"name":"A", "type":"integer", "jsonPath":".spec.a"}"#,
        r#"{"specReplicasPath":".spec.replicas", "statusReplicasPath":".status.replicas"}"#
    );

    fn rule<A: Into<String>, B>(rule: A, _: B) -> kube::core::Rule {
        kube::core::Rule::new(rule)
    }
}

both! { validated:
    #[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug)]
    #[kube(
        group = "kube.rs",
        version = "v1",
        kind = "Struct",
        validation = "self.metadata.name == 'singleton'",
        validation = Rule::new("self.spec == oldSelf.spec")
            .message(Message::Expression("'no ' + self.metadata.name".into()))
            .reason(Reason::FieldValueForbidden),
        validation = ("true", "always"),
    )]
    #[x_kube(validation = "self == oldSelf")]
    pub struct MyStruct {
        #[serde(default)]
        #[x_kube(validation = Rule::new("self != 'no'").message("failure message"))]
        pub field: String,
    }
}

both! { data_enum:
    #[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
    #[kube(group = "clux.dev", version = "v1", kind = "Shape")]
    #[serde(rename_all = "camelCase")]
    pub enum ShapeSpec {
        /// Round.
        Circle { radius: u32 },
        /// Not round.
        Square { side: u32 },
    }
}

#[test]
fn definitions_are_the_same() {
    same_definition::<minimal::ours::Foo, minimal::theirs::Foo>();
    same_definition::<full::ours::FooCrd, full::theirs::FooCrd>();
    same_definition::<cluster_deprecated::ours::Policy, cluster_deprecated::theirs::Policy>();
    same_definition::<no_spec::ours::Bucket, no_spec::theirs::Bucket>();
    same_definition::<no_spec_with_status::ours::Bucket, no_spec_with_status::theirs::Bucket>();
    same_definition::<disabled::ours::Deployment, disabled::theirs::Deployment>();
    same_definition::<manual::ours::Foo, manual::theirs::Foo>();
    same_definition::<manual_no_spec::ours::Foo, manual_no_spec::theirs::Foo>();
    same_definition::<manual_nested::ours::Foo, manual_nested::theirs::Foo>();
    same_definition::<documented::ours::Titled, documented::theirs::Titled>();
    same_definition::<documented::ours::Joined, documented::theirs::Joined>();
    same_definition::<documented::ours::Plain, documented::theirs::Plain>();
    same_definition::<defaulted_parameter::ours::Foo, defaulted_parameter::theirs::Foo>();
    same_definition::<from_macro::ours::Foo, from_macro::theirs::Foo>();
    same_definition::<validated::ours::Struct, validated::theirs::Struct>();
    same_definition::<data_enum::ours::Shape, data_enum::theirs::Shape>();
}

/// As types among others, for reading and for writing.
#[test]
fn schemas_outside_of_definitions_are_the_same() {
    use schemars::JsonSchema;
    use schemars::generate::SchemaSettings;

    fn schemas<T: JsonSchema>() -> [Value; 2] {
        let settings = [
            SchemaSettings::draft07(),
            SchemaSettings::draft07().for_serialize(),
        ];
        settings.map(|settings| settings.into_generator().into_root_schema_for::<T>().to_value())
    }
    assert_eq!(schemas::<full::ours::FooCrd>(), schemas::<full::theirs::FooCrd>());
    assert_eq!(
        schemas::<no_spec_with_status::ours::Bucket>(),
        schemas::<no_spec_with_status::theirs::Bucket>()
    );
    assert_eq!(
        schemas::<documented::ours::Everything>(),
        schemas::<documented::theirs::Everything>()
    );
    assert_eq!(
        minimal::ours::Foo::schema_id().replace("ours", "theirs"),
        minimal::theirs::Foo::schema_id()
    );
}

/// Two types of one name are two schemas, as with schemars' own derive.
#[test]
fn kinds_of_one_name_do_not_collide() {
    #[derive(schemars::JsonSchema)]
    #[allow(dead_code)]
    struct Both {
        minimal: minimal::ours::Foo,
        manual: defaulted_parameter::ours::Foo,
    }
    let schema = schemars::schema_for!(Both);
    let properties = &schema.as_value()["properties"];
    assert_ne!(properties["minimal"], properties["manual"]);
}

#[test]
fn a_decoding_error_names_no_type_of_the_runtime() {
    let error = serde_json::from_value::<full::ours::FooCrd>(json!("Foo")).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"invalid type: string "Foo", expected a custom resource"#
    );
    let error = serde_json::from_value::<no_spec::ours::Bucket>(json!([])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "invalid type: sequence, expected a custom resource"
    );
}

/// With the feature `cel`, an object is checked in the client as the server would check it.
#[cfg(feature = "cel")]
#[test]
fn objects_are_validated_by_cel() {
    use validated_in_the_client::ours::{Foo, FooSpec};

    same_definition::<Foo, validated_in_the_client::theirs::Foo>();
    let foo = |size| Foo::new("a", FooSpec { size });
    foo(1).validate_cel().unwrap();
    let error = foo(0).validate_cel().unwrap_err();
    assert!(error.to_string().contains("too small"), "{error}");
    foo(2).validate_cel_update(&foo(1)).unwrap();
    assert!(foo(1).validate_cel_update(&foo(2)).is_err());
}

#[cfg(feature = "cel")]
both! { validated_in_the_client:
    #[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug)]
    #[kube(group = "clux.dev", version = "v1", kind = "Foo", cel)]
    #[kube(validation = Rule::new("self.spec.size > 0").message("too small"))]
    #[kube(validation = "self.spec.size >= oldSelf.spec.size")]
    pub struct FooSpec {
        pub size: u32,
    }
}

#[test]
fn objects_are_read_and_written_alike() {
    let meta = json!({"name": "a", "labels": {"x": "y"}});
    same_json::<minimal::ours::Foo, minimal::theirs::Foo>(&[
        json!({"apiVersion": "clux.dev/v1", "kind": "Foo", "metadata": meta, "spec": {"info": "i"}}),
        json!({"metadata": meta, "spec": {"info": "i"}}),
        json!({"apiVersion": "other/v9", "kind": "Bar", "metadata": {}, "spec": {"info": "i"}}),
        json!({"metadata": {}, "spec": {"info": "i"}, "status": {"x": 1}, "more": []}),
        json!({"metadata": {}, "spec": {"info": "i"}, "status": null}),
        json!({"metadata": {}}),
        json!({"spec": {"info": "i"}}),
        json!({"metadata": {}, "spec": null}),
        json!({"metadata": {}, "spec": {}}),
        json!({"metadata": null, "spec": {"info": "i"}}),
        json!({"metadata": {}, "spec": {"info": 3}}),
        json!([{}, {"info": "i"}]),
        json!("Foo"),
    ]);
    let spec = json!({"data": "abc", "replicasCount": 2, "mode": "Fast", "inner": [{"somePort": 80}]});
    same_json::<full::ours::FooCrd, full::theirs::FooCrd>(&[
        json!({"metadata": meta, "spec": spec}),
        json!({"metadata": meta, "spec": spec, "status": null}),
        json!({"metadata": meta, "spec": spec, "status": {"replicas": 3}}),
        json!({"metadata": meta, "spec": spec, "status": {}}),
        json!({"metadata": meta, "spec": spec, "status": []}),
        json!([meta, spec]),
        json!([meta, spec, {"replicas": 1}]),
    ]);
    same_json::<no_spec::ours::Bucket, no_spec::theirs::Bucket>(&[
        json!({"apiVersion": "clux.dev/v1", "kind": "Bucket", "metadata": {}, "name": "n"}),
        json!({"metadata": {}, "name": "n", "colour": "red", "status": "s"}),
        json!({"metadata": {}}),
        json!({"metadata": {}, "name": "n", "status": {}}),
    ]);
    same_json::<no_spec_with_status::ours::Bucket, no_spec_with_status::theirs::Bucket>(&[
        json!({"metadata": {}, "name": "n", "size": 3, "status": {"ready": true}, "apiVersion": "x"}),
        json!({"metadata": {}, "name": "n", "status": null}),
        json!({"metadata": {}, "name": "n", "status": {}}),
    ]);
    same_json::<data_enum::ours::Shape, data_enum::theirs::Shape>(&[
        json!({"metadata": {}, "spec": {"circle": {"radius": 1}}}),
        json!({"metadata": {}, "spec": "circle"}),
    ]);
}

#[test]
fn new_objects_and_defaults_are_the_same() {
    macro_rules! make {
        ($module:ident) => {{
            use full::$module::{FooCrd, FooSpec};
            let made = FooCrd::new("a", FooSpec::default());
            assert_eq!(made.clone(), made);
            let all = [made, FooCrd::default()];
            (serde_json::to_string(&all).unwrap(), format!("{all:?}"))
        }};
    }
    assert_eq!(make!(ours), make!(theirs));
}

/// What a project written for kube-derive says of its kinds keeps its meaning.
#[test]
fn traits_of_the_root_are_the_same() {
    use kube::core::object::{HasSpec, HasStatus};
    use kube::{Resource, ResourceExt};

    fn facts<K>(mut object: K) -> Vec<String>
    where
        K: Resource<DynamicType = ()> + HasSpec + HasStatus,
    {
        object.meta_mut().uid = Some("u".to_owned());
        object.labels_mut().insert("k".to_owned(), "v".to_owned());
        vec![
            K::group(&()).into_owned(),
            K::version(&()).into_owned(),
            K::kind(&()).into_owned(),
            K::api_version(&()).into_owned(),
            K::plural(&()).into_owned(),
            K::url_path(&(), Some("ns")),
            format!("{:?}", object.owner_ref(&())),
            format!("{:?}", object.object_ref(&())),
            format!("{:?}", object.status().is_some()),
            format!("{:?}", object.status_mut().take().is_some()),
        ]
    }
    let ours = full::ours::FooCrd::new("a", full::ours::FooSpec::default());
    let theirs = full::theirs::FooCrd::new("a", full::theirs::FooSpec::default());
    assert_eq!(facts(ours), facts(theirs));
}
