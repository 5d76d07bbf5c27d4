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
/// | `storage = false` | objects are stored in another version | `true` |
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
/// `#[kube(...)]` stands on the type. On a field it is an error, not ignored: rules of fields are written for schemars.
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
/// - `#[kube(...)]` on a field or variant, and markers in doc comments.
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

/// Makes the schema of a type, as controller-gen would.
#[proc_macro_derive(KubeSchema, attributes(kube, x_kube, schemars, serde))]
pub fn derive_kube_schema(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    run(input.into(), kube_schema).into()
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

#[cfg(test)]
mod tests;
