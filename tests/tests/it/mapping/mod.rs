//! From Rust types to schemas: each rule of the mapping (SCH-80 to SCH-126), where it is shown to hold.
//!
//! **Invariant:** no type compiles whose definition a server refuses, or of which a server loses values.

mod cluster;
mod forms;
mod generate;
#[rustfmt::skip]
mod generated;
mod law;
mod plain;
mod refused;
mod values;

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kubewright::kind::CustomKind;
use kubewright_apiserver::DevServer;
use kubewright_schema::Structural;
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use self::law::{Case, case, definition, unseen};
use self::values::{Draw, Source};

/// How often a kind's values are drawn; enough for each variant and each extreme to be among them.
const DRAWS: u64 = 300;
/// Of these a server gets so many.
const SENT: usize = 24;
const DEADLINE: Duration = Duration::from_secs(30);

/// Where a rule is shown.
enum Shown {
    /// Values of this property of a kind's spec are stored as they are.
    Held(&'static str, &'static str),
    /// A case of the macros' `tests/ui/fail` with these words.
    NotCompiled(&'static str, &'static str),
    /// The builder's words about one of [`refused`]'s types.
    NotBuilt(&'static str),
    /// A finding about one of [`refused`]'s types.
    Doubtful(&'static str),
}
use Shown::{Doubtful, Held, NotBuilt, NotCompiled};

/// Each rule of the table in the mapping's specification, and where each of its columns is shown.
const RULES: &[(u16, &[Shown])] = &[
    (
        80,
        &[
            Held("Scalar", "text"),
            NotCompiled("mapping_spec_is_no_object", "spec must be an object"),
        ],
    ),
    (
        81,
        &[
            NotCompiled("mapping_null", "`()` serializes as null, which is always dropped"),
            NotCompiled("mapping_null", "a unit struct serializes as null"),
        ],
    ),
    (82, &[Held("Compound", "empty"), Doubtful("empty-object")]),
    (
        83,
        &[
            Held("Compound", "name"),
            Held("Compound", "alias"),
            Held("Compound", "transparent"),
            Held("Compound", "names"),
            Held("Compound", "wrappedMaybe"),
            Held("Scalar", "wrapped"),
        ],
    ),
    (
        84,
        &[
            Held("Compound", "three"),
            Held("Compound", "fences"),
            NotCompiled("mapping_tuples", "a structural schema cannot describe a tuple"),
        ],
    ),
    (
        85,
        &[
            Held("Compound", "maybe"),
            Held("Compound", "leftOut"),
            NotCompiled(
                "mapping_null",
                "null and absent are told apart only with `#[kube(nullable)]`",
            ),
            NotCompiled("mapping_null", "null in a list item is an error"),
            NotCompiled("mapping_null", "null in a map value is dropped"),
        ],
    ),
    (
        86,
        &[
            Held("Compound", "nullable"),
            Held("Compound", "requiredNullable"),
            NotCompiled(
                "mapping_null",
                "`None` is written as null, which the server drops, and then the value is missing",
            ),
            NotCompiled("mapping_nullable_enum", "the server refuses null for an enum"),
            Held("Compound", "nulls"),
            Held("Compound", "nullValues"),
        ],
    ),
    (
        87,
        &[
            Held("Compound", "list"),
            Held("Compound", "deque"),
            Held("Compound", "boxedSlice"),
        ],
    ),
    (
        88,
        &[
            Held("Compound", "set"),
            Held("Compound", "hashSet"),
            Held("Compound", "letterSet"),
            NotCompiled(
                "mapping_sets_and_keys",
                "only scalars (or atomic objects) can form a set",
            ),
        ],
    ),
    (
        89,
        &[
            Held("Compound", "map"),
            Held("Compound", "hashMap"),
            Held("Compound", "byLetter"),
            Held("Compound", "byTextAndLetter"),
            Held("Compound", "nullByLetter"),
            Held("Compound", "byKey"),
            Held("Compound", "byCow"),
            Doubtful("unchecked-keys"),
        ],
    ),
    (
        90,
        &[
            Held("Compound", "byNumber"),
            Held("Compound", "byByte"),
            NotCompiled(
                "mapping_sets_and_keys",
                "integer map keys cannot be validated by the server",
            ),
        ],
    ),
    (
        91,
        &[
            Held("Form", "phase"),
            Held("Form", "single"),
            Held("Form", "openPhase"),
            NotCompiled("mapping_variants", "another variant is written `A` too"),
            NotCompiled("mapping_variants", "unknown values never reach you"),
        ],
    ),
    (92, &[Held("Form", "external"), Held("Form", "one")]),
    (
        93,
        &[NotCompiled(
            "mapping_variants",
            "unit variants serialize as strings, data variants as objects",
        )],
    ),
    (
        94,
        &[
            Held("Form", "internal"),
            NotBuilt("field `size` has type integer in variant `A` and type string in `B`; rename one"),
            NotCompiled(
                "mapping_variants",
                "the server keeps the fields of other variants beside the tag",
            ),
        ],
    ),
    (
        95,
        &[
            Held("Form", "adjacent"),
            Held("Form", "amount"),
            Held("Form", "names"),
            NotBuilt("`c` must be an object in every variant"),
        ],
    ),
    (
        96,
        &[
            Held("Form", "untagged"),
            Held("Form", "port"),
            NotCompiled(
                "mapping_variants",
                "untagged enums of different JSON types are not structural",
            ),
            NotBuilt("untagged enums of different JSON types are not structural"),
        ],
    ),
    (
        97,
        &[
            Held("Compound", "owner"),
            Held("Compound", "extra_point"),
            Held("Form", "lifts"),
            Held("Form", "maybeLifts"),
            NotCompiled(
                "mapping_flatten",
                "is a field of `Common` too, which is flattened; rename one",
            ),
            NotBuilt("is declared twice, once by a flattened field; rename one"),
        ],
    ),
    (
        98,
        &[
            Held("Open", "kept"),
            NotBuilt("a flattened map, which turns off pruning of the whole object"),
        ],
    ),
    (99, &[Held("Compound", "closed"), Doubtful("closed-object")]),
    (
        100,
        &[
            Held("Compound", "defaulted"),
            Held("Compound", "toldHundred"),
            Held("Compound", "container"),
            Held("Form", "defaultPhase"),
            Held("Compound", "maybeHundred"),
            NotCompiled(
                "mapping_none_as_default",
                "a `None` is not stored, and read again as what",
            ),
            Doubtful("none-as-default"),
        ],
    ),
    (
        101,
        &[
            Held("Compound", "renamed"),
            NotCompiled("mapping_names", "the stored name must be the read name"),
        ],
    ),
    (102, &[Held("Compound", "skips"), Doubtful("lost-on-write")]),
    (103, &[Held("Compound", "renamed"), Doubtful("pruned-alias")]),
    (
        104,
        &[
            Held("Compound", "asText"),
            Held("Compound", "asTextToo"),
            Held("Compound", "version"),
            NotCompiled("mapping_names", "is unknown because serde(with) changes its form"),
        ],
    ),
    (
        105,
        &[
            Held("Compound", "any"),
            Held("Compound", "anything"),
            Held("Compound", "anyMap"),
        ],
    ),
    (
        106,
        &[
            Held("Compound", "tree"),
            Held("Compound", "chain"),
            NotCompiled(
                "mapping_recursion",
                "contains itself here; structural schemas have no references",
            ),
            NotCompiled(
                "mapping_recursion_through_others",
                "`Tree` contains itself here, through `Branch`",
            ),
            NotBuilt("contains itself through `branches[].tree`"),
        ],
    ),
    (
        107,
        &[
            Held("Scalar", "tiny"),
            Held("Scalar", "small"),
            Held("Scalar", "medium"),
            Held("Scalar", "large"),
            Held("Scalar", "pointerSized"),
            Held("Scalar", "strict"),
            NotCompiled(
                "mapping_unrepresentable",
                "the integer is larger than 64 bits: use a string",
            ),
        ],
    ),
    (
        108,
        &[
            Held("Scalar", "byte"),
            Held("Scalar", "port"),
            Held("Scalar", "word"),
        ],
    ),
    (
        109,
        &[
            Held("Scalar", "wide"),
            Held("Scalar", "length"),
            Held("Scalar", "notZero"),
            Held("Scalar", "notZeroWide"),
            Held("Scalar", "notZeroSigned"),
            Doubtful("wide-integer"),
        ],
    ),
    (
        110,
        &[
            Held("Scalar", "single"),
            Held("Scalar", "double"),
            Doubtful("float"),
        ],
    ),
    (
        111,
        &[
            Held("Scalar", "flag"),
            Held("Scalar", "text"),
            Held("Scalar", "borrowed"),
            Held("Scalar", "path"),
            Doubtful("os-path"),
        ],
    ),
    (112, &[Held("Scalar", "letter")]),
    (
        113,
        &[
            Held("Compound", "boxed"),
            Held("Compound", "shared"),
            Held("Compound", "maybeBoxed"),
        ],
    ),
    (
        114,
        &[
            Held("Compound", "bytes"),
            Held("Known", "secret"),
            Doubtful("byte-list"),
        ],
    ),
    (
        115,
        &[
            NotCompiled(
                "mapping_unrepresentable",
                "serde writes std's `Duration` as an object of two numbers",
            ),
            NotCompiled(
                "mapping_unrepresentable",
                "serde writes std's `SystemTime` as an object of two numbers",
            ),
            NotBuilt("a `std::time::Duration` is written as {secs, nanos}"),
        ],
    ),
    (
        116,
        &[
            Held("Known", "time"),
            Held("Known", "micro"),
            Held("Known", "timeout"),
            Held("Known", "stamp"),
        ],
    ),
    (117, &[Held("Known", "quantity"), Held("Known", "limits")]),
    (118, &[Held("Known", "port"), Held("Known", "maybePorts")]),
    (119, &[Held("Known", "raw"), Held("Known", "whole")]),
    (120, &[Held("Known", "any"), Held("Known", "fields")]),
    (
        121,
        &[
            Held("Known", "template"),
            NotBuilt("everything but name and namespace of the metadata is pruned"),
        ],
    ),
    (
        122,
        &[
            Held("Known", "pod"),
            Held("Known", "fullPod"),
            Held("Known", "containers"),
        ],
    ),
    (
        123,
        &[
            Held("Known", "selector"),
            Held("Known", "local"),
            Held("Known", "key"),
            Held("Known", "object"),
            Held("Known", "resources"),
        ],
    ),
    (124, &[Held("Known", "conditions")]),
    (125, &[Held("Compound", "pair")]),
    (
        126,
        &[
            Held("Compound", "skips"),
            NotCompiled(
                "mapping_unrepresentable",
                "a `PhantomData` cannot be represented in JSON",
            ),
            NotCompiled(
                "mapping_unrepresentable",
                "a function cannot be represented in JSON",
            ),
            NotCompiled(
                "mapping_unrepresentable",
                "a pointer cannot be represented in JSON",
            ),
        ],
    ),
];

/// Objects with these values, under names of their own.
fn objects<S: Draw, K>(make: fn(&str, S) -> K, specs: impl IntoIterator<Item = S>) -> Vec<K> {
    specs
        .into_iter()
        .enumerate()
        .map(|(at, spec)| make(&format!("v{at}"), spec))
        .collect()
}

/// The smallest value, and others.
fn drawn<S: Draw>() -> impl Iterator<Item = S> {
    let smallest = Source::given(Vec::new());
    let others = (1..DRAWS).map(Source::seeded);
    std::iter::once(smallest)
        .chain(others)
        .map(|mut from| S::draw(&mut from))
}

/// All kinds, with their values.
fn cases() -> Vec<Case> {
    fn of<S, K>(kind: &'static str, make: fn(&str, S) -> K) -> Case
    where
        S: Draw,
        K: CustomKind + Serialize + DeserializeOwned + PartialEq + Send + Sync + 'static,
    {
        case(kind, definition::<K>(), objects(make, drawn()))
    }
    vec![
        of("Scalar", plain::Scalar::new),
        of("Compound", plain::Compound::new),
        of("Open", plain::Open::new),
        of("Form", forms::Form::new),
        of("Known", cluster::Known::new),
        of("Generated", generated::Generated::new),
    ]
}

#[test]
fn each_rule_is_shown() {
    let rules: Vec<u16> = RULES.iter().map(|(rule, _)| *rule).collect();
    assert_eq!(rules, (80..=126).collect::<Vec<u16>>());
    let specs: Vec<(&str, Value)> = cases().iter().map(|case| (case.kind, case.spec())).collect();
    let problems = refused::problems();
    let doubts: BTreeSet<&str> = refused::doubts().into_iter().collect();
    let mut missing = Vec::new();
    for (rule, places) in RULES {
        for place in *places {
            let (is_there, what) = match place {
                Held(kind, property) => {
                    let spec = specs.iter().find(|(name, _)| name == kind);
                    let there = spec.is_some_and(|(_, spec)| spec["properties"][property].is_object());
                    (there, format!("{kind}.{property}"))
                }
                NotCompiled(file, words) => {
                    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../macros/tests/ui/fail");
                    let text = std::fs::read_to_string(format!("{folder}/{file}.stderr")).unwrap_or_default();
                    (text.contains(words), format!("{file}: {words}"))
                }
                NotBuilt(words) => (
                    problems.iter().any(|problem| problem.contains(words)),
                    (*words).to_owned(),
                ),
                Doubtful(id) => (doubts.contains(id), (*id).to_owned()),
            };
            if !is_there {
                missing.push(format!("SCH-{rule}: {what}"));
            }
        }
    }
    assert!(missing.is_empty(), "not shown:\n{}", missing.join("\n"));
}

/// No field is always or never there, no variant is left out, no list is always filled.
#[test]
fn values_show_all_that_a_type_can_hold() {
    let mut found = Vec::new();
    // Of types at random some part is seldom there.
    for case in cases().into_iter().filter(|case| case.kind != "Generated") {
        let mut spec = case.spec();
        if case.kind == "Known" {
            // What a type of Kubernetes holds is not the mapping's matter.
            for property in spec["properties"].as_object_mut().unwrap().values_mut() {
                *property = json!({"type": property["type"], "default": property["default"]});
            }
        }
        let values: Vec<&Value> = case.sent.iter().map(|object| &object["spec"]).collect();
        unseen(&spec, &values, case.kind, &mut found);
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// SCH-132, as far as a definition alone tells, and for values as far as the schema crate does.
#[test]
fn the_law_holds_without_a_server() {
    for case in cases() {
        let crd = serde_json::to_value(&case.crd).unwrap();
        let errors: Vec<String> = kubewright_schema::lint(&crd)
            .iter()
            .filter(|lint| lint.severity == kubewright_schema::Severity::Error)
            .map(ToString::to_string)
            .collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", case.kind);
        case.hold(&case.structural());
    }
}

/// Of the types at random; their schema is large.
static RANDOM: LazyLock<(CustomResourceDefinition, Structural)> = LazyLock::new(|| {
    let crd = definition::<generated::Generated>();
    let schema = case::<generated::Generated>("Generated", crd.clone(), Vec::new()).structural();
    (crd, schema)
});

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Types at random, with values at random.
    #[test]
    fn the_law_holds_for_types_at_random(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let spec = generated::GeneratedSpec::draw(&mut Source::given(bytes));
        let object = generated::Generated::new("v", spec);
        case("Generated", RANDOM.0.clone(), vec![object]).hold(&RANDOM.1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_law_holds_on_devserver() {
    let server = DevServer::start().await.unwrap();
    suite(&server.client()).await;
}

/// All kinds, on any server.
pub(crate) async fn suite(client: &kube::Client) {
    let cases = cases();
    for case in &cases {
        install(client, case).await;
    }
    let mut found = Vec::new();
    for case in &cases {
        for at in 0..SENT.min(case.sent.len()) {
            let problems = match keep(client, case, at).await {
                Ok(stored) => case.problems(at, &stored),
                Err(error) => vec![error],
            };
            found.extend(
                problems
                    .into_iter()
                    .map(|problem| format!("{}: {problem}", case.kind)),
            );
        }
    }
    found.sort();
    found.dedup();
    assert!(found.is_empty(), "{}", found.join("\n"));
    an_empty_byte_string_is_refused(client, &cases).await;
}

/// SCH-114: the one value of a type that a server does not take; the guide says so.
async fn an_empty_byte_string_is_refused(client: &kube::Client, cases: &[Case]) {
    let known = cases.iter().find(|case| case.kind == "Known").unwrap();
    let mut object = known.sent[0].clone();
    object["metadata"]["name"] = "empty-bytes".into();
    object["spec"]["secret"] = "".into();
    let answer = client.request::<Value>(post(&path(known), &object)).await;
    let error = answer.unwrap_err().to_string();
    assert!(
        error.contains("spec.secret in body must be of type byte"),
        "{error}"
    );
}

fn post(uri: &str, body: &Value) -> http::Request<Vec<u8>> {
    http::Request::post(format!("{uri}?fieldValidation=Strict"))
        .header("content-type", "application/json")
        .body(body.to_string().into_bytes())
        .unwrap()
}

fn get(uri: &str) -> http::Request<Vec<u8>> {
    http::Request::get(uri).body(Vec::new()).unwrap()
}

fn path(case: &Case) -> String {
    let spec = &case.crd.spec;
    format!(
        "/apis/{}/{}/{}",
        spec.group, spec.versions[0].name, spec.names.plural
    )
}

/// Makes the kind, and waits until it is served. What is stored is what was sent (SCH-132).
async fn install(client: &kube::Client, case: &Case) {
    let mut sent = serde_json::to_value(&case.crd).unwrap();
    // Limits are floating-point numbers in Rust, and whole ones on the server.
    kubewright_schema::normalize_numbers(&mut sent);
    let uri = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let stored: Value = client
        .request(post(uri, &sent))
        .await
        .unwrap_or_else(|error| panic!("{}: {error}", case.kind));
    assert_eq!(
        stored["spec"]["versions"][0]["schema"], sent["spec"]["versions"][0]["schema"],
        "{}",
        case.kind
    );
    let begun = Instant::now();
    while client.request::<Value>(get(&path(case))).await.is_err() {
        assert!(begun.elapsed() < DEADLINE, "{} is not served", case.kind);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Sends a value and reads it again.
async fn keep(client: &kube::Client, case: &Case, at: usize) -> Result<Value, String> {
    let begun = Instant::now();
    loop {
        match client.request::<Value>(post(&path(case), &case.sent[at])).await {
            Ok(_) => break,
            // A kind is listed a moment before it takes objects.
            Err(kube::Error::Api(status)) if status.code == 404 && begun.elapsed() < DEADLINE => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => return Err(error.to_string()),
        }
    }
    let name = case.sent[at]["metadata"]["name"].as_str().unwrap();
    let uri = format!("{}/{name}", path(case));
    client.request(get(&uri)).await.map_err(|error| error.to_string())
}

/// SCH-100: what a server fills in is what serde would.
#[test]
fn defaults_of_the_schema_are_those_of_the_type() {
    let form = objects(forms::Form::new, drawn().take(1));
    let case = case("Form", definition::<forms::Form>(), form);
    let schema = case.structural();
    let mut object = case.sent[0].clone();
    object["spec"].as_object_mut().unwrap().remove("defaultPhase");
    let read: forms::Form = serde_json::from_value(object.clone()).unwrap();
    assert_eq!(
        kubewright_schema::prepare(&mut object, &schema),
        Vec::<String>::new()
    );
    assert_eq!(
        serde_json::to_value(&read).unwrap()["spec"]["defaultPhase"],
        object["spec"]["defaultPhase"]
    );
}
