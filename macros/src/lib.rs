//! Derive macros of kubewright: attributes as written, a validated model, emitted tokens.
//!
//! Three rooms: `attrs` holds attributes as written, `model` what they mean, `emit` prints. Every path
//! that emitted code names is built in `paths`.

mod attrs;
mod emit;
mod errors;
mod model;
mod paths;

use errors::Errors;
use proc_macro2::TokenStream;
use syn::DeriveInput;

/// Makes a custom resource of a spec.
///
/// The keys are kube-derive 5's, with their meaning, so a project changes `use kube::CustomResource` to
/// `use kubewright::CustomResource` and nothing else, but for what stands under
/// [Differences from kube-derive](#differences-from-kube-derive). What kubewright adds is marked with a plus.
///
/// ```
/// use kubewright::{CustomResource, CustomResourceExt};
/// use schemars::JsonSchema;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
/// #[kube(group = "example.com", version = "v1", kind = "Foo", namespaced, status = "FooStatus", shortname = "fo")]
/// pub struct FooSpec {
///     #[schemars(range(min = 1, max = 10))]
///     pub replicas: Option<i32>,
/// }
///
/// #[derive(Serialize, Deserialize, Clone, Debug, JsonSchema)]
/// pub struct FooStatus {
///     pub ready: i32,
/// }
///
/// let foo = Foo::new("a", FooSpec { replicas: Some(3) });
/// assert_eq!(foo.metadata.name.as_deref(), Some("a"));
/// assert_eq!(Foo::crd_name(), "foos.example.com");
/// ```
///
/// The root type, here `Foo`, has the fields `metadata`, `spec` and, with `status`, `status: Option<_>`; the constructor
/// `new(name, spec)`; and the traits `Clone`, `Debug`, `Serialize`, `Deserialize`, `JsonSchema`, `kube::Resource`,
/// `kube::core::object::{HasSpec, HasStatus}`, `CustomResourceExt` and `kubewright::kind::CustomKind`, whose `INFO` is the
/// description as data.
///
/// # What the kind is
///
/// | key | meaning | default |
/// |---|---|---|
/// | `group = "example.com"` | API group | required |
/// | `version = "v1"` | version | required |
/// | `kind = "Foo"` | kind, and name of the root type | required |
/// | `root = "FooRoot"` | another name for the root type | the kind |
/// | `singular = ""`, `plural = ""` | names in lower case | the kind in lower case; its plural |
/// | `namespaced` | objects live in a namespace | cluster-scoped |
/// | + `scope = "Cluster"` | says the scope aloud; contradicting `namespaced` is an error | |
/// | `status = "FooStatus"` | type of the status; turns the status subresource on | none |
/// | `scale(spec_replicas_path = "", status_replicas_path = "", label_selector_path = "")` | scale subresource; needs `status` | none |
/// | `no_spec` | the spec's fields stand at the root of the object | under `spec` |
///
/// # How it is shown and found
///
/// | key | meaning |
/// |---|---|
/// | `shortname = "fo"`, + `shortnames("fo", "f")` | names that kubectl takes too; repeats |
/// | `category = "all"`, + `categories("all", "apps")` | groups of kinds; repeats |
/// | `printcolumn(name = "", type_ = "", json_path = "", description = "", format = "", priority = 1)` | a column of `kubectl get`; repeats |
/// | `selectable = ".spec.colour"` | a field for field selectors; a missing leading dot is added; repeats |
/// | `doc = ""` | description of the root |
/// | `annotation("k", "v")`, `label("k", "v")` | metadata of the definition, and of objects made by `new`; repeats |
///
/// `scale` and `printcolumn` are also read in kube-derive's older form, one JSON object in a string.
///
/// # Versions
///
/// | key | meaning | default |
/// |---|---|---|
/// | `storage`, `storage = false` | objects are stored in this version, or in another | stored, unless another version of the chain says `storage` |
/// | + `previous = old::Foo` | the type of the version before; the spec converts from its spec, by [`Convert`](macro@Convert) | this is the oldest |
/// | + `conversion(overflow = "fail")` | what a version cannot show and is too large to be kept in an annotation: the object can be read and not written (`"refuse_write"`), or neither | `"refuse_write"` |
/// | `served = false` | the server does not serve this version | `true` |
/// | `deprecated`, `deprecated = "use v2"` | marks the version, with the server's warning or this one | not deprecated |
///
/// # The root type and its schema
///
/// | key | meaning |
/// |---|---|
/// | `derive = "PartialEq"` | a further derive; repeats. `Default` needs it of the spec alone |
/// | `attr = "allow(dead_code)"` | a further attribute, except `derive`, `serde` and `schemars`; repeats |
/// | `schema = "derived"` | `derived` (default): `JsonSchema` is written; `manual`: you write it; `disabled`: the definition has none |
/// | `validation = "self.spec.a > 0"` | a CEL rule at the root, a string or `Rule::new("").message("")`; repeats |
/// | `cel` | `validate_cel` and `validate_cel_update`; needs kubewright's feature `cel` |
/// | + `apply` | `FooApply` and `FooSpecApply`, configurations for server-side apply; see [`Apply`](macro@Apply) |
/// | `crates(kube = "", kube_core = "", k8s_openapi = "", schemars = "", serde = "", serde_json = "", std = "")` | paths for emitted code |
/// | + `crates(kubewright = "")` | the path of kubewright, where it is renamed or re-exported |
///
/// # Mistakes
///
/// All of a type's mistakes are reported at once, each where it stands, and the type is made all the same. What the API
/// server would refuse in a definition is a mistake too: names that are no DNS labels, a group without a dot, columns of
/// unknown types, paths outside of `.spec` and `.status`. With `schema = "disabled"`, for kinds that somebody else
/// installs, the rules for names do not hold.
///
/// `#[kube(...)]` on fields and variants is [`KubeSchema`](macro@KubeSchema)'s, and so are its keys of types; without that
/// derive they are an error, not ignored.
///
/// A line of kubebuilder or code-generator that was left in a doc comment of the spec, as `+optional` or
/// `+kubebuilder:validation:Minimum=1`, is an error that names what to write instead: nothing reads it, and it would
/// stand in the schema's description.
///
/// # Differences from kube-derive
///
/// What kube-derive takes and then drops, or what the server refuses, does not compile:
///
/// - `scale(...)` without `status`, for which kube-derive writes no subresource, and `scale(...)` with `no_spec`, whose
///   path the server does not take;
/// - keys that it does not know in the JSON forms of `scale` and `printcolumn`;
/// - a name, annotation or label, a selectable field or a `derive` that is given twice, and a `derive` of what the root
///   has in any case;
/// - names, groups without a dot, column types, paths and warnings that the server refuses in a definition;
/// - `#[kube(...)]` on a field or variant without `KubeSchema`, and markers in doc comments.
///
/// Two spellings are not read: `schema(disabled)`, which is `schema = "disabled"`, and `attr = "x_kube(validation = ...)"`
/// beside a derived schema, which is `validation = ...`.
///
/// And four results differ: a path in `selectable` gets its leading dot; `no_spec` compares fields with the object's
/// own by their written names; an object that cannot be read is called `a custom resource` in the error, not by the
/// root's name; a schema that the server would refuse is written in the form that it takes, where there is one.
#[proc_macro_derive(CustomResource, attributes(kube, apply))]
pub fn derive_custom_resource(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    run(input.into(), custom_resource).into()
}

/// Makes a clientset of a struct whose fields are `Client<K>` or other clientsets.
///
/// It gets `new(connection)`, `try_default().await`, an accessor named after each field, and `AsClient`. A field may
/// not have the name of one of these.
/// `#[kube(crates(kubewright = "path"))]` says where kubewright is.
///
/// ```no_run
/// use kubewright::k8s_openapi::api::{apps::v1::Deployment, core::v1::Node};
/// use kubewright::{Client, Clientset};
///
/// #[derive(Clientset, Clone)]
/// struct Clients {
///     deployments: Client<Deployment>,
///     nodes: Client<Node>,
/// }
///
/// # async fn f() -> Result<(), kubewright::client::ClientError> {
/// let clients = Clients::try_default().await?;
/// let deployment = clients.deployments().namespace("default").get("web").await?;
/// let node = clients.nodes().get("n1").await?;
/// # Ok(()) }
/// ```
#[proc_macro_derive(Clientset, attributes(kube))]
pub fn derive_clientset(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    run(input.into(), clientset).into()
}

/// Makes the apply configuration of a type that stands in a spec or status: `InnerApply` for `Inner`, with the same
/// fields, all optional.
///
/// `#[kube(apply)]` beside `CustomResource` does this for the spec, and makes `FooApply` for the whole object. Types
/// inside need this derive. Lists and maps hold configurations of what they hold; enums, newtypes, unit structs and
/// k8s-openapi's types are their own configuration and are set as a whole.
///
/// On a field, `#[apply(value)]` takes a type without a configuration as a whole, and `#[apply(skip)]` leaves the field
/// out. serde's `rename`, `rename_all`, `flatten` and `skip` are kept. Fields and setters are as visible as the fields
/// of the type; the setters of fields `default` and `clone` are `set_default` and `set_clone`, since
/// `InnerApply::default()` and `.clone()` are the traits' own.
///
/// ```
/// use kubewright::{Apply, CustomResource};
/// use schemars::JsonSchema;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
/// #[kube(group = "example.com", version = "v1", kind = "Foo", namespaced, apply)]
/// pub struct FooSpec {
///     pub size: u32,
///     pub port: Option<Port>,
/// }
///
/// #[derive(Apply, Serialize, Deserialize, Clone, Debug, JsonSchema)]
/// pub struct Port {
///     pub number: u16,
///     pub name: String,
/// }
///
/// let wanted = FooApply::new("a").spec(FooSpecApply::default().port(PortApply::default().name("http")));
/// assert_eq!(serde_json::to_value(&wanted)?["spec"], serde_json::json!({"port": {"name": "http"}}));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[proc_macro_derive(Apply, attributes(apply))]
pub fn derive_apply(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    run(input.into(), apply).into()
}

/// Makes the schema of a type: what controller-gen would write for the same type in Go.
///
/// It implements schemars' `JsonSchema`, so that the type stands wherever schemars' own derive may stand, and fields may
/// have any type with a `JsonSchema`. Remove `JsonSchema` from the derives: a derive does not see which others stand beside
/// it, and rustc says of the two that they conflict (E0119). Unlike schemars' derive it adds nothing that
/// only Rust knows: no null for `Option`, no formats or bounds that a server does not know, no references.
///
/// ```
/// use std::collections::BTreeMap;
///
/// use kubewright::{CustomResource, KubeSchema};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug)]
/// #[kube(group = "example.com", version = "v1", kind = "Foo", namespaced)]
/// #[serde(rename_all = "camelCase")]
/// pub struct FooSpec {
///     /// How many to run.
///     #[kube(minimum = 1, maximum = 10, default = 1)]
///     pub replicas: Option<i32>,
///     #[kube(immutable, max_length = 63)]
///     pub class_name: String,
///     #[kube(list_map_keys("name"))]
///     pub ports: Vec<Port>,
///     #[kube(values(pattern = "^[a-z]*$"), max_properties = 16)]
///     pub labels: BTreeMap<String, String>,
///     pub phase: Phase,
/// }
///
/// #[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
/// pub struct Port {
///     pub name: String,
///     #[kube(minimum = 1, maximum = 65535)]
///     pub number: u16,
/// }
///
/// #[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
/// pub enum Phase {
///     Pending,
///     Running,
/// }
///
/// let definition = serde_json::to_value(kubewright::crd::of::<Foo>()?)?;
/// let spec = "/spec/versions/0/schema/openAPIV3Schema/properties/spec";
/// let replicas = definition.pointer(&format!("{spec}/properties/replicas"));
/// assert_eq!(
///     replicas,
///     Some(&serde_json::json!({
///         "type": "integer", "format": "int32", "minimum": 1.0, "maximum": 10.0, "default": 1,
///         "description": "How many to run.",
///     }))
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A field is required unless it is an `Option` or has a default of serde's. Descriptions are doc comments, without
/// lines that begin with `TODO` and what follows a line `---`. serde's attributes are followed: names, `default`, `skip`,
/// `flatten`, `transparent`, `from`, `into`, and the four forms of enums; so are schemars' `range`, `length`, `regex`,
/// `inner`, `with`, `schema_with`, `extend`, `transform` and, on a type, `rename`. serde's own keys are believed where serde
/// reads them, and are an error in schemars' attribute alone. `#[x_kube(...)]` is the same as `#[kube(...)]`, as
/// projects on kube-derive's `KubeSchema` have it.
///
/// On a spec, `CustomResource` reads the same attribute: `validation` there is a rule at the root of the object, and
/// `schema` says whether there is one. A rule of the spec itself is written `#[x_kube(validation = ...)]`.
///
/// # Limits
///
/// They stand on fields, on newtypes and enums, and in `items(...)` and `values(...)`. Where a type and a field both
/// limit, the narrower holds. A limit on a value of another kind does not compile.
///
/// | key | keyword | for |
/// |---|---|---|
/// | `minimum = 1`, `maximum = 10` | the same | numbers, int-or-string |
/// | `exclusive_minimum = 0`, `exclusive_maximum = 10` | bound and flag | numbers |
/// | `multiple_of = 5` | `multipleOf` | numbers |
/// | `min_length = 1`, `max_length = 63` | `minLength`, `maxLength` | strings |
/// | `max_bytes = 1024` | a rule, and `maxLength` | strings |
/// | `pattern = "^[a-z]+$"` | `pattern`, in RE2's syntax | strings |
/// | `format = "date-time"` | `format`, if the server knows it; `k8s-label-value`, `k8s-label-key`, `k8s-uuid` and `k8s-ip` become rules | strings, numbers |
/// | `min_items = 1`, `max_items = 16` | `minItems`, `maxItems` | lists |
/// | `unique`, `unique("name")` | a rule: no two items are the same, or have the same keys | lists |
/// | `min_properties = 1`, `max_properties = 8` | `minProperties`, `maxProperties` | maps, structs |
/// | `enum_values("a", "b")` | `enum`; beside a Rust enum some of its names | strings, numbers |
/// | `not_equal = "x"` | a rule | any |
/// | `items(...)`, `values(...)` | what holds for each item or map value; they nest | lists; maps |
/// | `keys(...)` | rules, since the server has no keyword for keys | maps |
/// | `item(name = "x", ...)` | rules for the item of a list that has this key; nests with `subfield` | lists |
/// | `subfield(name, ...)` | rules for a field of this field's value, where its type cannot be changed; nests with `item` | structs |
///
/// Numbers and texts may be constants: `max_length = LIMIT`.
///
/// # Presence, defaults, changes
///
/// | key | meaning |
/// |---|---|
/// | `nullable` | null is a value of its own, besides being absent |
/// | `required` | must be there although it is an `Option` (with `nullable`) or has a default |
/// | `default = 3`, `default = {"a": [1]}`, `default = make()` | the server fills it in; a literal, JSON, or an expression |
/// | `schema_default` | the same, with the value of `#[serde(default)]` or `#[serde(default = "f")]` |
/// | `default_with = f` | not in the schema: what [`Defaults`](macro@Defaults) fills in |
/// | `immutable` | rules "field is immutable" and, on an optional field, "field f is immutable once set" |
/// | `update("no-set", "no-unset", "no-modify")` | may not be set, unset, changed by an update |
/// | `monotonic` | may not decrease |
/// | `forbidden` | may not be set |
/// | `requires("b")`, `conflicts_with("b")` | with this field `b` must, or may not, be set |
/// | `exactly_one_of("a", "b")`, `at_most_one_of(...)`, `at_least_one_of(...)` | on a struct: how many of these fields are set |
/// | `optional_by_default` | on a struct: no field is required unless it says `required` |
/// | `validation = "self > 0"`, `validation = Rule::new("").message("")` | a rule in CEL, whose syntax is checked here; repeats |
///
/// # Merging, unknown fields, forms
///
/// | key | meaning |
/// |---|---|
/// | `list_type = "atomic"`, `"set"`, `"map"` | how server-side apply merges a list |
/// | `list_map_keys("name")` | the fields that tell items apart; implies `list_type = "map"` |
/// | `map_key` | on fields of the item's type: every list of it has these keys |
/// | `map_type = "atomic"`, `"granular"` | how it merges a map or struct |
/// | `merge_strategy = ListMerge::Set` | kube-derive's spelling of these |
/// | `preserve_unknown_fields` | what is not declared is kept; cuts a type that contains itself |
/// | `max_depth = 3` | a type that contains itself is written so many times |
/// | `embedded_resource` (or `embedded`) | an object with `apiVersion`, `kind` and `metadata` |
/// | `embedded_object_meta` | an `ObjectMeta` keeps name, namespace, labels, annotations, finalizers |
/// | `full_schema` | a pod template's whole schema instead of an object that keeps what it is given |
/// | `int_or_string` | an integer or a string, on a type that reads both |
/// | `int_keys` | a map's keys are integers, which the server cannot check |
/// | `strict_ints` | `i8`, `u8`, `i16`, `u16` with their bounds |
/// | `schema = "string"`, `schema_type = "string"` | this JSON type, whatever the Rust type is |
/// | `schema = "OtherType"` | the schema of another Rust type |
/// | `schema = "none"` | no type; with `preserve_unknown_fields` or `int_or_string` |
/// | `open_enum` | on an enum of names: any other string too |
/// | `skip` | it is not in the schema: a variant, or a field that serde does not write |
/// | `compat = "kube-derive"`, `compat = "controller-gen"` | on a type: kube-derive's nulls and formats; `int32` for `u32` |
///
/// # What is shown
///
/// | key | meaning |
/// |---|---|
/// | `title = ""`, `example = 3`, `external_docs(url = "", description = "")` | the same keywords |
/// | `description = "none"`, `"short"`, `100`; `max_desc_len = 100` | shortens descriptions, from here downwards |
/// | `printcolumn = "Name"`, `printcolumn(name = "", description = "", format = "", priority = 1)` | a column of `kubectl get` with this field's path and type |
/// | `selectable` | a field for field selectors |
/// | `sensitive` | the value is a secret, of which [`Convert`](macro@Convert) warns where it would be seen in an annotation |
/// | `allow("float")`, `allow_float`, `empty_ok` | passes over findings of [`kubewright::crd::check`](https://docs.rs/kubewright) here and below |
/// | `crates(kubewright = "", schemars = "", kube_core = "")` | paths for emitted code |
///
/// # Enums
///
/// | serde's form | schema |
/// |---|---|
/// | names alone | a string, `enum` in the order of declaration |
/// | data in every variant | an object with a property per variant, exactly one of them |
/// | `tag = "type"` | an object with the tag and the fields of all variants; which are required follows the tag |
/// | `tag = "type", content = "c"` | an object with the tag and the content |
/// | `untagged` | an object with the fields of all variants; an integer and a string make an int-or-string |
///
/// Rules of a variant are told by the tag; an untagged one can have none. What is no one JSON type, or has fields of one
/// name and two types, has no structural schema.
///
/// # Mistakes
///
/// All of a type's mistakes are reported at once, and the type stays. What needs a second type is asked of constants
/// while the crate is compiled: limits on another type's values, keys of lists, keys of maps, sets, flattened types,
/// defaults and values that an enum does not have, types that contain each other. What only the whole schema shows is an error of
/// `kubewright::crd::of`, which the build script and tests call.
#[proc_macro_derive(KubeSchema, attributes(kube, x_kube, schemars, serde))]
pub fn derive_kube_schema(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    run(input.into(), kube_schema).into()
}

/// Says how a type of one version follows from that of the version before, and how old clients see it.
///
/// The newer type names the older one, and each field says what became of it. A field without a word is the older field
/// of that name and type. From this the runtime converts objects both ways, in the webhook and between values, and keeps
/// what the older version cannot show in an annotation, so that nothing is lost when an old client writes an object back.
///
/// ```
/// pub mod v1alpha1 {
///     # use kubewright::{Convert, CustomResource, schemars::JsonSchema};
///     # use serde::{Deserialize, Serialize};
///     #[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
///     #[kube(group = "web.example.com", version = "v1alpha1", kind = "Site", namespaced, deprecated = "use v1")]
///     #[serde(rename_all = "camelCase")]
///     pub struct SiteSpec {
///         pub image_name: String,
///         pub timeout_seconds: i64,
///         pub legacy_mode: bool,
///         pub tls: Option<Tls>,
///     }
///
///     // Its written names are all that is asked of the oldest version.
///     #[derive(Convert, Serialize, Deserialize, Clone, Debug, JsonSchema)]
///     pub struct Tls {
///         pub min: String,
///     }
/// }
/// pub mod v1 {
///     # use kubewright::{Convert, CustomResource, schemars::JsonSchema};
///     # use serde::{Deserialize, Serialize};
///     use super::v1alpha1 as old;
///
///     #[derive(CustomResource, Convert, Serialize, Deserialize, Clone, Debug, JsonSchema)]
///     #[kube(group = "web.example.com", version = "v1", kind = "Site", namespaced, storage, previous = old::Site)]
///     #[convert(from = old::SiteSpec, old_only(legacy_mode = false))]
///     #[serde(rename_all = "camelCase")]
///     pub struct SiteSpec {
///         #[convert(rename = "image_name")]
///         pub image: String,
///         #[convert(rename = "timeout_seconds", with(up = to_millis, down = to_seconds))]
///         pub timeout_millis: i64,
///         #[convert(added(value = 1))]
///         pub retries: i32,
///         #[convert(nested)]
///         pub tls: Option<Tls>,
///     }
///
///     #[derive(Convert, Serialize, Deserialize, Clone, Debug, JsonSchema)]
///     #[convert(from = old::Tls)]
///     pub struct Tls {
///         #[convert(rename = "min")]
///         pub minimum: String,
///     }
///
///     fn to_millis(seconds: i64) -> i64 {
///         seconds * 1000
///     }
///
///     fn to_seconds(millis: i64) -> i64 {
///         millis / 1000
///     }
/// }
/// # fn main() {}
/// ```
///
/// Values convert by `v1::Site::try_from(old)` and `v1alpha1::Site::try_from(new)`, and so do specs.
///
/// A third version has `previous = super::v1::Site` and `from = super::v1::SiteSpec`; nothing else changes.
///
/// # On a type
///
/// `#[convert(...)]`:
///
/// | key | meaning |
/// |---|---|
/// | `from = old::Type` | the older type. Without it nothing is converted: so the oldest version's nested types and status make their written names known |
/// | `old_only(a, b = false)` | fields that are gone. `=` is what old clients see where nothing was saved; without it an `Option` is absent, and so is what serde has a default for |
/// | `old_only(Blue(up = Rolling))` | on an enum: a variant that is gone, and what it became |
/// | `group(old(a), new(b, c), up = f, down = g)` | fields that are converted together; functions of several take and return a tuple |
/// | `moved("tls.secret" => "ingress.secret")` | a field that changed its struct, in Rust names from this type on; repeats. The structs on the way say `old_only(secret(moved))` and `#[convert(moved)]`, and are `Default` |
/// | `manual` | the whole type by hand: `impl ManualConvert<old::Type> for Type` |
/// | `crates(kubewright = "path")` | paths for emitted code; those of `#[kube(crates(...))]` hold too |
///
/// # On a field
///
/// | key | meaning |
/// |---|---|
/// | (none) | the older field of the same Rust name and type |
/// | `rename = "old_field"` | the older field of this Rust name; together with `nested` or `with` too |
/// | `added` | the older type does not have it; older objects stay without. For `Option` and what serde has a default for |
/// | `added(value = 1)` | older objects have this value |
/// | `added(with = f)` | `fn f(old: &old::Spec) -> T` |
/// | `nested` | the type converts by its own derive; through `Option`, `Box`, lists and maps |
/// | `nested(key = "name")` | items of a list are told apart by these written fields, which `list_map_keys` says too; without keys a list is restored as a whole or not at all |
/// | `with(up = f, down = g)` | functions from the older field's value to this one's, and back. Of an `Option` the functions take what it holds, or the whole |
/// | `with(try_up = f, down = g)` | the same for functions that return a `Result<_, E: Display>`; an error is the object's |
/// | `with(try_up = f, down = g, or = 256)` | a value in place of an error; the original is saved |
/// | `with(up = f, down = g, exact)` | the functions are inverses, so nothing needs to be saved |
/// | `moved` | some `moved(...)` of a struct around this one fills it |
///
/// # On a variant
///
/// | key | meaning |
/// |---|---|
/// | (none), `rename = "Old"` | the older variant of this name; its fields say what became of them, as those of a struct |
/// | `added(down = Rolling)` | old clients see this variant of theirs, one without data |
/// | `added(down_with = f)` | `fn f(new: &Enum) -> old::Enum` |
/// | `added(refuse)` | objects that hold it cannot be shown to old clients: an error |
///
/// # What serde says
///
/// Written names, `rename_all`, `alias`, `default`, `skip`, `flatten` and the tagged forms of enums are read of both types.
/// A value is moved as it is written; only functions have it parsed. What a table cannot see through, as `untagged`,
/// `from` and `into`, needs `manual`, and a `nested` field may have no `serde(with)`. A copied field that has one must
/// have one of the same name in both versions.
///
/// # Mistakes
///
/// Each older field is spoken of: rustc names one that is forgotten, at `from`, and one that does not exist, at the word
/// that names it. It compares the types of copied fields, and those of functions with the fields' own. What only both
/// written forms show, such as a key that the items of a list do not have, constants find.
///
/// A field with `#[kube(sensitive)]` which the older version cannot show gives a warning: old clients get it in an
/// annotation. Allow `deprecated` around the type where that is meant.
#[proc_macro_derive(Convert, attributes(convert, kube, x_kube))]
pub fn derive_convert(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    run(input.into(), convert).into()
}

/// Makes `set_defaults` of a type: what Go's `SetDefaults` functions do.
///
/// A field's default is that of its schema, `#[kube(default = ...)]`, so that an object which no server has seen gets the
/// same value from [`Defaults::set_defaults`](https://docs.rs/kubewright) as from a server. What no schema can say is a
/// function.
///
/// ```
/// use kubewright::{CustomResource, Defaults, KubeSchema};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(CustomResource, KubeSchema, Defaults, Serialize, Deserialize, Clone, Debug)]
/// #[kube(group = "example.com", version = "v1", kind = "Site", namespaced)]
/// #[defaults(with = default_host)]
/// pub struct SiteSpec {
///     #[kube(default = 3)]
///     pub replicas: Option<i32>,
///     #[kube(default_with = today)]
///     pub since: Option<String>,
///     pub host: Option<String>,
///     #[kube(list_map_keys("number"))]
///     pub ports: Vec<Port>,
/// }
///
/// #[derive(KubeSchema, Defaults, Serialize, Deserialize, Clone, Debug)]
/// pub struct Port {
///     pub number: u16,
///     #[kube(default = "TCP")]
///     pub protocol: Option<String>,
/// }
///
/// fn today() -> String {
///     "2026-01-01".to_owned()
/// }
///
/// fn default_host(spec: &mut SiteSpec) {
///     let replicas = spec.replicas.unwrap_or_default();
///     spec.host.get_or_insert_with(|| format!("{replicas}.example.com"));
/// }
///
/// let mut spec = SiteSpec {
///     replicas: None,
///     since: None,
///     host: None,
///     ports: vec![Port { number: 80, protocol: None }],
/// };
/// spec.set_defaults();
/// assert_eq!(spec.replicas, Some(3));
/// assert_eq!(spec.since.as_deref(), Some("2026-01-01"));
/// assert_eq!(spec.host.as_deref(), Some("3.example.com"));
/// assert_eq!(spec.ports[0].protocol.as_deref(), Some("TCP"));
/// ```
///
/// | key | where | meaning |
/// |---|---|---|
/// | `#[kube(default = 3)]`, JSON, or an expression | field, type | in the schema, and for `None`; needs [`KubeSchema`](macro@KubeSchema) |
/// | `#[kube(schema_default)]` | field | the same, with the function of `#[serde(default = "f")]` |
/// | `#[kube(default_with = path)]` | field | `fn() -> T` for `None`; not in the schema. Beside `default` it says what is filled in here |
/// | `#[defaults(with = path)]` | type | `fn(&mut T)`, after the fields' own defaults |
/// | `#[defaults(with = path, covers)]` | type | the same, and nothing further is done inside |
/// | `#[defaults(crates(kubewright = "path"))]` | type | paths for emitted code; those of `#[kube(crates(...))]` hold too |
///
/// # What is filled
///
/// Nothing but `None`: a zero, an empty list and false are values. So a default on a field that is no `Option` is for the
/// schema alone, and `default_with` there does not compile. Of `Option<Option<T>>`, where `Some(None)` is a null that
/// somebody wrote, only the outer is filled. An `Option` is recognised by its name.
///
/// First the type's own fields, then its function, then what stands inside: values in `Option`, `Box`, lists and maps whose
/// types implement `Defaults`, those that the function has made among them. Types that do not are passed over. A parent
/// is not created for the sake of a default inside; the server does not do so either. A type's own default, `#[kube(default
/// = ...)]` on it, holds for every field of that type in an `Option`.
///
/// Conversion and reading never call it; controllers and mutating webhooks do.
#[proc_macro_derive(Defaults, attributes(defaults, kube, x_kube))]
pub fn derive_defaults(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    run(input.into(), defaults).into()
}

/// Says when and where a handler of admission requests is asked: kubebuilder's `+kubebuilder:webhook`, on the handler.
///
/// It stands on the handler's `impl Validator` or `impl Mutator` and writes the constant `WEBHOOK` into it. The server
/// serves the handler by that, and the objects that tell a cluster are made of it, so that a path cannot be one thing
/// here and another there. Group, version, resource and scope are those of `type Object`.
///
/// ```
/// use kubewright::k8s_openapi::api::core::v1::Pod;
/// use kubewright::webhook;
/// use kubewright::webhook::{Admission, Allowed, Denied, Hook, Validator, Verdict};
///
/// struct Named;
///
/// #[webhook(validating, path = "/pods", verbs("create"), failure_policy = "Ignore", timeout_seconds = 5)]
/// impl Validator for Named {
///     type Object = Pod;
///
///     async fn validate(&self, request: &Admission<Pod>) -> Verdict {
///         match request.name.as_str() {
///             "root" => Err(Denied::forbidden("no pod is called root")),
///             _ => Ok(Allowed::new()),
///         }
///     }
/// }
///
/// assert_eq!(Hook::validator(Named).path(), "/pods");
/// ```
///
/// | key | meaning | default |
/// |---|---|---|
/// | `validating`, `mutating` | says aloud what the trait says; needed where the trait has another name here | the trait |
/// | `verbs("create", "update")` | when it is asked: also `delete` (validators), `connect`, `"*"` | create, update |
/// | `name = "rules.sites.example.com"` | name, of three parts or more | `validate.<plural>.<version>.<group>` |
/// | `path = "/rules"` | where it is served | `/validate-<group>-<version>-<kind>` |
/// | `url = "https://host:9443/rules"` | API servers reach it there; its path is where it is served | the server's endpoint |
/// | `service(name = "", namespace = "", port = 443)` | API servers reach it by this Service | the server's endpoint |
/// | `subresources("status")` | it is asked about these too | none |
/// | `only_subresources("status")` | it is asked about these and nothing else | |
/// | `failure_policy = "Fail"` | what happens where it cannot be asked; or `"Ignore"` | `"Fail"` |
/// | `match_policy = "Equivalent"` | other versions are converted and asked about; or `"Exact"` | `"Equivalent"` |
/// | `side_effects = "None"` | what it does besides answering; or `"NoneOnDryRun"` | `"None"` |
/// | `timeout_seconds = 10` | how long it may take, 1 to 30 | 10 |
/// | `object_label("key", "value")` | only objects with this label; repeated | all |
/// | `namespace_label("key", "value")` | only objects in namespaces with this label; repeated | all |
/// | `match_condition("name", "expression")` | only requests for which this CEL is true; repeated | all |
/// | `reinvocation_policy = "Never"` | of mutators: asked again after others changed the object; or `"IfNeeded"` | `"Never"` |
/// | `patch = "json"` | of mutators: said aloud; there is no other | |
/// | `crates(kubewright = path)` | another name of the crate | `::kubewright` |
///
/// What a server would refuse is an error at its token. Conditions are parsed; their types are the server's to check.
#[proc_macro_attribute]
pub fn webhook(attribute: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    on_handler(attribute.into(), &item.into()).into()
}

/// Names a program's webhook configurations: kubebuilder's `+kubebuilder:webhookconfiguration`.
///
/// The value is a `kubewright::webhook::ConfigurationNames`, also in constants. A name that is left out is
/// controller-gen's, `mutating-webhook-configuration` and `validating-webhook-configuration`, which fits one program of
/// a cluster at most.
///
/// ```
/// use kubewright::webhook::ConfigurationNames;
/// use kubewright::webhook_configuration;
///
/// const HOOKS: ConfigurationNames =
///     webhook_configuration!(mutating = "sites.example.com", validating = "sites.example.com");
/// assert_eq!(HOOKS.mutating, "sites.example.com");
/// ```
#[proc_macro]
pub fn webhook_configuration(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    names_of(input.into()).into()
}

/// Says what rights a piece of code needs: kubebuilder's `+kubebuilder:rbac`, by types.
///
/// It stands on `impl Reconciler for ...`, on a function in it, or on any other `impl`, `fn`, struct or enum, and writes
/// the constant `RBAC` there, a `kubewright::rbac::RbacInfo`. Group and plural are those of the type's requests. What the
/// runtime does by itself (lists and watches of caches, Events, elections) is known to it and not written here:
/// `kubewright::Controller::rules` adds both up.
///
/// ```
/// use kubewright::k8s_openapi::api::apps::v1::Deployment;
/// use kubewright::k8s_openapi::api::core::v1::{Pod, Secret};
/// use kubewright::rbac;
///
/// struct Syncer;
///
/// #[rbac(
///     Deployment: create, patch;
///     status(Deployment): patch;
///     subresource(Pod, "eviction"): create;
///     Secret: get, names("registry"), namespace = "system";
///     groups("example.com"), resources("things", "things/status"), verbs("get");
///     urls("/metrics"), verbs("get");
/// )]
/// impl Syncer {}
///
/// assert_eq!(
///     Syncer::RBAC.rules().to_string(),
///     "get /metrics\n\
///      create pods/eviction in every namespace\n\
///      create, patch deployments.apps in every namespace\n\
///      patch deployments/status.apps in every namespace\n\
///      get things.example.com in every namespace\n\
///      get things/status.example.com in every namespace\n\
///      get secrets \"registry\" in namespace \"system\"\n"
/// );
/// ```
///
/// Entries are separated by semicolons. Before the colon stand types or parts of them, after it verbs and settings:
///
/// | before the colon | what it is about |
/// |---|---|
/// | `Foo`, `Foo, Bar` | objects of these kinds |
/// | `status(Foo)`, `scale(Foo)` | these subresources, which the kind must have |
/// | `finalizers(Foo)` | what `OwnerReferencesPermissionEnforcement` asks about owners that block their deletion |
/// | `subresource(Pod, "log")` | another subresource |
///
/// | setting | meaning | default |
/// |---|---|---|
/// | `names("a", "b")` | only these objects (`resourceNames`) | all |
/// | `namespace = "system"` | in this namespace | where the controller works |
/// | `cluster` | in the whole cluster, also where the controller works in one namespace | |
/// | `role = "other"` | in a role of this name (`roleName`) | the program's |
/// | `custom_verbs("teleport")` | a verb that only somebody's own server knows | |
/// | `wildcard` | says aloud that `*` is meant | `*` is an error |
/// | `crates(kubewright = path)` | another name of the crate | `::kubewright` |
///
/// Where there is no type, an entry has `groups(...)`, `resources(...)` and `verbs(...)`, or `urls(...)` and `verbs(...)`
/// for paths that are no resources, in strings, and the same settings.
///
/// Verbs that no server knows, empty lists and repetitions are errors at their token. Several attributes on an item add up.
#[proc_macro_attribute]
pub fn rbac(attribute: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    on_code(attribute.into(), &item.into()).into()
}

fn on_code(attribute: TokenStream, item: &TokenStream) -> TokenStream {
    const PLACE: &str = "put `#[rbac(...)]` on `impl Reconciler for ...`, or on another impl, a function, a struct or an enum";
    let mut errors = Errors::default();
    // A method is read as a function: the constant stands beside either.
    let Ok(mut code) = syn::parse2::<syn::Item>(item.clone()) else {
        errors.at(first_of(item), PLACE);
        let errors = errors.finish();
        return quote::quote!(#item #errors);
    };
    let mut lists = vec![attribute];
    if let Some(attrs) = attributes_of(&mut code) {
        lists.extend(attrs::rbac::take(attrs, &mut errors));
    }
    let attrs = attrs::rbac::read(lists, &mut errors);
    let model = model::rbac::build(attrs, &mut errors);
    let Some(visibility) = model::rbac::visibility(&code, &mut errors) else {
        errors.at(first_of(item), PLACE);
        let errors = errors.finish();
        return quote::quote!(#code #errors);
    };
    let constant = emit::rbac(&model, &visibility);
    let beside = match &mut code {
        syn::Item::Impl(code) => {
            code.items.insert(0, syn::ImplItem::Verbatim(constant));
            TokenStream::new()
        }
        syn::Item::Struct(syn::ItemStruct { ident, generics, .. })
        | syn::Item::Enum(syn::ItemEnum { ident, generics, .. }) => {
            let (parameters, arguments, bounds) = generics.split_for_impl();
            quote::quote!(impl #parameters #ident #arguments #bounds { #constant })
        }
        _ => constant,
    };
    let errors = errors.finish();
    quote::quote!(#code #beside #errors)
}

fn attributes_of(code: &mut syn::Item) -> Option<&mut Vec<syn::Attribute>> {
    match code {
        syn::Item::Fn(code) => Some(&mut code.attrs),
        syn::Item::Impl(code) => Some(&mut code.attrs),
        syn::Item::Struct(code) => Some(&mut code.attrs),
        syn::Item::Enum(code) => Some(&mut code.attrs),
        _ => None,
    }
}

/// The first token of what an attribute stands on is the narrowest place.
fn first_of(item: &TokenStream) -> proc_macro2::Span {
    let first = item.clone().into_iter().next();
    first.map_or_else(proc_macro2::Span::call_site, |token| token.span())
}

fn on_handler(attribute: TokenStream, item: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let Ok(mut handler) = syn::parse2::<syn::ItemImpl>(item.clone()) else {
        errors.at(
            first_of(item),
            "put `#[webhook(...)]` on `impl Validator for ...` or `impl Mutator for ...`",
        );
        let errors = errors.finish();
        return quote::quote!(#item #errors);
    };
    let attrs = attrs::webhook::read(attribute, &mut errors);
    let model = model::webhook::build(&handler, attrs, &mut errors);
    if handler.trait_.is_some() {
        handler.items.push(emit::webhook(&model));
    }
    let errors = errors.finish();
    quote::quote!(#handler #errors)
}

fn names_of(input: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let attrs = attrs::webhook::names(input, &mut errors);
    let names = emit::names(&model::webhook::names(attrs, &mut errors));
    let errors = errors.finish();
    if errors.is_empty() {
        names
    } else {
        quote::quote!({ #errors #names })
    }
}

fn run(input: TokenStream, expand: fn(&DeriveInput, &mut Errors) -> TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.to_compile_error(),
    };
    let mut errors = Errors::default();
    let output = expand(&input, &mut errors);
    let errors = errors.finish();
    quote::quote!(#errors #output)
}

fn custom_resource(input: &DeriveInput, errors: &mut Errors) -> TokenStream {
    let attrs = attrs::custom_resource::read(input, errors);
    match model::custom_resource::build(input, &attrs, errors) {
        Some(model) => emit::custom_resource(&model),
        None => TokenStream::new(),
    }
}

fn clientset(input: &DeriveInput, errors: &mut Errors) -> TokenStream {
    let attrs = attrs::clientset::read(input, errors);
    emit::clientset(&model::clientset::build(input, &attrs, errors))
}

fn apply(input: &DeriveInput, errors: &mut Errors) -> TokenStream {
    let attrs = attrs::apply::read(input, errors);
    match model::apply::build(input, &attrs, errors) {
        Some(model) => emit::apply(&model),
        None => TokenStream::new(),
    }
}

fn kube_schema(input: &DeriveInput, errors: &mut Errors) -> TokenStream {
    let attrs = attrs::schema::of_type(&input.attrs, errors);
    match model::schema::build(input, attrs, errors) {
        Some(model) => emit::schema(&model),
        None => TokenStream::new(),
    }
}

fn convert(input: &DeriveInput, errors: &mut Errors) -> TokenStream {
    let attrs = attrs::convert::read(input, errors);
    match model::convert::build(input, &attrs, errors) {
        Some(model) => emit::convert(&model),
        None => TokenStream::new(),
    }
}

fn defaults(input: &DeriveInput, errors: &mut Errors) -> TokenStream {
    let attrs = attrs::defaults::read(input, errors);
    match model::defaults::build(input, attrs, errors) {
        Some(model) => emit::defaults(&model),
        None => TokenStream::new(),
    }
}

#[cfg(test)]
mod tests;
