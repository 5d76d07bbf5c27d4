//! The recorded answers of a real server (kube-apiserver 1.36.3), case by case.
//!
//! Those of `data/` come with the crate. More stand outside of the repository; without them the tests say so and pass.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests are tests"
)]

#[path = "common/comparison.rs"]
mod comparison;
#[path = "common/generate.rs"]
mod generate;
#[path = "common/hostile.rs"]
mod hostile;
#[path = "common/hostile_rules.rs"]
mod hostile_rules;

use std::fs;
use std::path::{Path, PathBuf};

use kubewright_schema::apply::{ApplyError, FieldManager, ObjectType, OnConflict, SameVersion};
use kubewright_schema::{
    FieldError, Severity, Structural, crd, lint, message_of, prepare, undecodable, validate,
    validate_status_update, validate_update,
};
use serde_json::{Value, json};

/// Folder of the records.
fn goldens(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

fn yaml(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap();
    // A plain `n` is text, as in Kubernetes' YAML.
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(&text, options)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What was sent and is not stored, as the records list it.
fn dropped(sent: &Value, stored: &Value, path: &str, found: &mut Vec<String>) {
    match (sent, stored) {
        (Value::Object(sent), Value::Object(stored)) => {
            for (key, value) in sent {
                let path = format!("{path}.{key}");
                match stored.get(key) {
                    Some(stored) => dropped(value, stored, &path, found),
                    None => found.push(path),
                }
            }
        }
        (Value::Array(sent), Value::Array(stored)) if sent.len() == stored.len() => {
            for (index, (sent, stored)) in sent.iter().zip(stored).enumerate() {
                dropped(sent, stored, &format!("{path}[{index}]"), found);
            }
        }
        (Value::Number(sent), Value::Number(stored)) if sent.as_f64() == stored.as_f64() => {}
        (sent, stored) if sent != stored => found.push(path.to_owned()),
        _ => {}
    }
}

fn causes(errors: &[FieldError]) -> Value {
    let mut causes: Vec<Value> = errors
        .iter()
        .map(|error| json!({"field": error.field, "message": error.message(), "reason": error.reason()}))
        .collect();
    causes.dedup();
    Value::Array(causes)
}

/// How the cases of a record went.
#[derive(Default)]
struct Tally {
    passed: usize,
    skipped: Vec<String>,
    differences: Vec<String>,
}

impl Tally {
    /// Notes a case that is judged here: `difference` is none if the answer is the recorded one.
    fn case(&mut self, difference: Option<String>) {
        match difference {
            None => self.passed += 1,
            Some(difference) => self.differences.push(difference),
        }
    }

    /// Notes a case that needs more than this crate, and therefore must differ: else it is no case to skip.
    fn skip(&mut self, name: &str, differs: bool) {
        self.skipped.push(name.to_owned());
        if !differs {
            self.differences
                .push(format!("{name}: is as recorded, and need not be skipped"));
        }
    }

    /// Fails on differences, and if the record holds fewer cases than it once did.
    #[track_caller]
    fn report(&self, at_least: usize, what: &str) {
        println!(
            "{what}: {} passed, {} failed, skipped: {}",
            self.passed,
            self.differences.len(),
            self.skipped.join(" ")
        );
        assert!(self.differences.is_empty(), "{}", self.differences.join("\n"));
        assert!(self.passed >= at_least, "{what}: only {} cases", self.passed);
    }
}

#[test]
fn crd_verdicts() {
    let folder = goldens("crd-verdicts");
    let verdicts: Value =
        serde_json::from_str(&fs::read_to_string(folder.join("verdicts.json")).unwrap()).unwrap();
    let mut tally = Tally::default();
    for (name, want) in verdicts.as_object().unwrap() {
        let sent = yaml(&folder.join(format!("{name}.yaml")));
        let found = crd_verdict(&sent);
        let mut wanted = json!({
            "verdict": want["verdict"],
            "code": want["code"],
            "strict": want["strict"]["code"],
            "message": want.get("message").cloned().unwrap_or("".into()),
            "causes": want.get("causes").cloned().unwrap_or(json!([])),
            "warnings": want["warnings"],
            "dropped": want.get("dropped").cloned().unwrap_or(json!([])),
        });
        // The records leave the message of an accepted CRD out, and show values behind the path.
        for path in wanted["dropped"].as_array_mut().unwrap() {
            *path = path.as_str().unwrap().split('=').next().unwrap().into();
        }
        let difference = format!("{name}:\n  found {found}\n  want  {wanted}");
        tally.case((found != wanted).then_some(difference));
    }
    tally.report(125, "crd-verdicts");
}

fn crd_verdict(sent: &Value) -> Value {
    let mut stored = sent.clone();
    let prefix =
        "CustomResourceDefinition in version \"v1\" cannot be handled as a CustomResourceDefinition: ";
    let unknown = match crd::decode(&mut stored) {
        Ok(unknown) => unknown,
        Err(text) => {
            return json!({"verdict": "reject", "code": 400, "strict": 400, "message": format!("{prefix}{text}"),
                "causes": [], "warnings": [], "dropped": []});
        }
    };
    crd::default(&mut stored);
    let errors = crd::validate(&stored);
    if !errors.is_empty() {
        let name = sent["metadata"]["name"].as_str().unwrap();
        let message = format!(
            "CustomResourceDefinition.apiextensions.k8s.io \"{name}\" is invalid: {}",
            message_of(&errors)
        );
        return json!({"verdict": "reject", "code": 422, "strict": 422, "message": message,
            "causes": causes(&errors), "warnings": [], "dropped": []});
    }
    let mut gone = Vec::new();
    dropped(&sent["spec"], &stored["spec"], "spec", &mut gone);
    gone.sort();
    let mut warnings: Vec<String> = unknown
        .iter()
        .map(|path| format!("unknown field \"{path}\""))
        .collect();
    warnings.extend(
        crd::unrecognized_formats(&stored, None)
            .iter()
            .map(|format| format!("unrecognized format \"{format}\"")),
    );
    for version in stored["spec"]["versions"].as_array().unwrap() {
        Structural::from_json(&version["schema"]["openAPIV3Schema"])
            .expect("an accepted CRD has a structural schema");
    }
    json!({
        "verdict": if gone.is_empty() { "accept" } else { "altered" },
        "code": 201,
        "strict": if unknown.is_empty() { 201 } else { 400 },
        "message": "",
        "causes": [],
        "warnings": warnings,
        "dropped": gone,
    })
}

/// SCH-130: what a server refuses or drops is an error to the linter, and what it accepts is none, but for what it
/// accepts although it cannot work.
#[test]
fn lints_agree_with_crd_verdicts() {
    /// Accepted, and wrong: formats that nobody checks, limits that contradict, names that break clients, paths that
    /// lead nowhere.
    const LINT_ONLY: [&str; 14] = [
        "enum-dup",
        "format-double-int",
        "format-on-object",
        "format-uint32",
        "format-unknown-string",
        "ios-type",
        "kind-dash",
        "minlength-neg",
        "minmax-inverted",
        "nullable-enum-nonull",
        "pattern-on-int",
        "required-undeclared",
        "sub-scale-missing-field",
        "sub-status-noschema",
    ];
    let folder = goldens("crd-verdicts");
    let verdicts: Value =
        serde_json::from_str(&fs::read_to_string(folder.join("verdicts.json")).unwrap()).unwrap();
    let mut tally = Tally::default();
    for (name, want) in verdicts.as_object().unwrap() {
        let lints = lint(&yaml(&folder.join(format!("{name}.yaml"))));
        let errors: Vec<String> = lints
            .iter()
            .filter(|lint| lint.severity == Severity::Error)
            .map(ToString::to_string)
            .collect();
        let lint_only = LINT_ONLY.contains(&name.as_str());
        let differs = (want["verdict"] != "accept" || lint_only) == errors.is_empty();
        if lint_only && want["verdict"] != "accept" {
            tally.case(Some(format!("{name} is refused, and not only by the linter")));
        } else {
            let difference = format!("{name} ({}): {errors:?}", want["verdict"]);
            tally.case(differs.then_some(difference));
        }
    }
    tally.report(125, "lints of crd-verdicts");
}

/// A case whose answer comes from the rules for the metadata of every kind.
const OF_EVERY_KIND: &str = "metadata-badlabel";

/// Cases that are not about one write of one object: subresources.
fn is_elsewhere(case: &Value) -> bool {
    let steps = case["steps"].as_array().unwrap();
    steps.iter().any(|step| step.get("sub").is_some())
}

#[test]
fn cr_verdicts() {
    let folder = goldens("cr-verdicts");
    let mut names: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .filter_map(|entry| {
            Some(
                entry
                    .unwrap()
                    .file_name()
                    .to_str()?
                    .strip_suffix(".json")?
                    .to_owned(),
            )
        })
        .collect();
    names.sort();
    let mut tally = Tally::default();
    let mut elsewhere = 0;
    for name in names {
        let text = fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
        let case: Value = serde_json::from_str(&text).unwrap();
        if is_elsewhere(&case) {
            elsewhere += 1;
            continue;
        }
        let crd = yaml(&folder.join(format!("schemas/{}.yaml", case["schema"].as_str().unwrap())));
        let result = Server::new(crd).run(&case);
        if name == OF_EVERY_KIND {
            tally.skip(&name, result.is_err());
        } else {
            tally.case(result.err().map(|difference| format!("{name}: {difference}")));
        }
    }
    println!("cr-verdicts: {elsewhere} about other things");
    tally.report(56, "cr-verdicts");
    assert_eq!(tally.skipped, [OF_EVERY_KIND]);
}

/// As much of a server as the cases need: one object, of one version.
struct Server {
    crd: Value,
    object: Option<Value>,
}

impl Server {
    fn new(mut crd: Value) -> Self {
        crd::decode(&mut crd).unwrap();
        crd::default(&mut crd);
        let errors = crd::validate(&crd);
        assert!(errors.is_empty(), "{}", message_of(&errors));
        Self { crd, object: None }
    }

    fn version(&self) -> &Value {
        &self.crd["spec"]["versions"][0]
    }

    fn run(&mut self, case: &Value) -> Result<(), String> {
        for (index, step) in case["steps"].as_array().unwrap().iter().enumerate() {
            let found = match step["op"].as_str().unwrap() {
                "crd-patch" => {
                    let patch = &step["body"][0];
                    let (parent, key) = patch["path"].as_str().unwrap().rsplit_once('/').unwrap();
                    self.crd.pointer_mut(parent).unwrap()[key] = patch["value"].clone();
                    continue;
                }
                _ => self.write(step),
            };
            let expect = &step["expect"];
            let want = json!({
                "code": expect["code"],
                "warnings": expect["warnings"],
                "message": expect["status"]["message"],
                "causes": expect["status"]["details"].get("causes").cloned().unwrap_or(json!([])),
                "object": expect["object"],
            });
            if found != want {
                return Err(format!("step {index}:\n  found {found}\n  want  {want}"));
            }
        }
        Ok(())
    }

    /// What an apply makes of the object, with its owners; `Err` is the answer where it is refused.
    fn apply(&self, step: &Value) -> Result<Value, Value> {
        let kind = self.crd["spec"]["names"]["kind"].as_str().unwrap();
        let api_version = format!("{}/v1", self.crd["spec"]["group"].as_str().unwrap());
        let nothing = json!({"apiVersion": api_version, "kind": kind});
        let fields = FieldManager {
            converter: &SameVersion {
                api_version: api_version.clone(),
                object_type: ObjectType::custom(&self.version()["schema"]["openAPIV3Schema"]),
            },
            api_version: &api_version,
            kind,
            subresource: "",
            nothing: nothing.clone(),
            reset: Default::default(),
        };
        let manager = step["manager"].as_str().unwrap();
        let on_conflict = match step["force"].as_bool().unwrap() {
            true => OnConflict::Take,
            false => OnConflict::Refuse,
        };
        let live = self.object.as_ref().unwrap_or(&nothing);
        let applied = fields.apply(live, &step["body"], manager, "2026-01-02T03:04:05Z", on_conflict);
        applied.map_err(|error| {
            let (code, causes) = match &error {
                ApplyError::BadRequest(_) => (400, Vec::new()),
                ApplyError::Conflicts(conflicts) => {
                    let causes = conflicts.0.iter().map(|conflict| {
                        json!({"reason": "FieldManagerConflict", "message": conflict.message(), "field": conflict.field()})
                    });
                    (409, causes.collect())
                }
                _ => (500, Vec::new()),
            };
            let message = error.to_string();
            json!({"code": code, "warnings": [], "message": message, "causes": causes, "object": null})
        })
    }

    fn write(&mut self, step: &Value) -> Value {
        let mut object: Value = match step.get("raw") {
            Some(raw) => serde_json::from_str(raw.as_str().unwrap()).unwrap(),
            None => step["body"].clone(),
        };
        let schema = Structural::from_json(&self.version()["schema"]["openAPIV3Schema"]).unwrap();
        let kind = self.crd["spec"]["names"]["kind"].as_str().unwrap();
        let group = self.crd["spec"]["group"].as_str().unwrap();
        let mut owners = Value::Null;
        if step["op"] == "apply" {
            match self.apply(step) {
                Ok(applied) => object = applied,
                Err(refused) => return refused,
            }
            owners = object["metadata"]["managedFields"].take();
        }
        let unknown = prepare(&mut object, &schema);
        let names: Vec<String> = unknown
            .iter()
            .map(|path| format!("unknown field \"{path}\""))
            .collect();
        let (strict, warn) = (
            step["fieldValidation"] == "Strict",
            step["fieldValidation"] == "Warn",
        );
        if strict && !names.is_empty() {
            let message = format!(
                "{kind} in version \"v1\" cannot be handled as a {kind}: strict decoding error: {}",
                names.join(", ")
            );
            return json!({"code": 400, "warnings": [], "message": message, "causes": [], "object": null});
        }
        let warnings = if warn { names } else { Vec::new() };
        let old = self.object.clone();
        if let Some(map) = object.as_object_mut()
            && !self.version()["subresources"]["status"].is_null()
        {
            map.remove("status");
            map.extend(
                old.iter()
                    .filter_map(|old| Some(("status".to_owned(), old.get("status")?.clone()))),
            );
        }
        let generation = old.as_ref().map_or(1, |old| {
            let before = old["metadata"]["generation"].as_i64().unwrap();
            before + i64::from(old["spec"] != object["spec"])
        });
        object["metadata"] = json!({"name": "t", "namespace": "default", "generation": generation});
        let errors = validate(&object, old.as_ref(), &schema);
        if !errors.is_empty() {
            let message = format!("{kind}.{group} \"t\" is invalid: {}", message_of(&errors));
            return json!({"code": 422, "warnings": warnings, "message": message, "causes": causes(&errors), "object": null});
        }
        let mut stored = object.clone();
        if !owners.is_null() {
            stored["metadata"]["managedFields"] = owners;
        }
        self.object = Some(stored);
        let code = if old.is_some() { 200 } else { 201 };
        json!({"code": code, "warnings": warnings, "message": null, "causes": [], "object": object})
    }
}

/// Equal, with numbers compared by value: 18446744073709552000 is how Go writes what Rust writes in exponent form.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

/// Sorted pairs of field and message, each once.
fn pairs(errors: &[FieldError]) -> Value {
    let mut pairs: Vec<[String; 2]> = errors.iter().map(|e| [e.field.clone(), e.message()]).collect();
    pairs.sort();
    pairs.dedup();
    json!(pairs)
}

/// The ordinary CRD around the schema of one field.
fn around(name: &str, field: &Value) -> Value {
    let singular = format!("w{}", name.replace('-', "0"));
    let kind = format!("W{}", &singular[1..]);
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{singular}s.lab.example.com")},
        "spec": {
            "group": "lab.example.com",
            "scope": "Namespaced",
            "names": {"plural": format!("{singular}s"), "singular": singular, "kind": kind, "listKind": format!("{kind}List")},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object",
                "properties": {"spec": {"type": "object", "properties": {"x": {"type": "string"}, "f": field}}},
            }}}],
        },
    })
}

#[test]
fn recorded_answers() {
    let mut tally = Tally::default();
    let (mut crds, mut objects) = (0, 0);
    for line in include_str!("data/recorded.jsonl").lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let name = case["name"].as_str().unwrap();
        let mut difference = |what: &str, found: &Value, want: &Value| {
            let text = format!("{name} {what}:\n  found {found}\n  want  {want}");
            tally.case((!same(found, want)).then_some(text));
        };
        crds += 1;
        let sent = case
            .get("crd")
            .cloned()
            .unwrap_or_else(|| around(name, &case["f"]));
        let mut stored = sent;
        let unknown = match crd::decode(&mut stored) {
            Ok(unknown) => unknown,
            Err(text) => {
                difference(
                    "message",
                    &json!([400, text.to_string()]),
                    &json!([case["code"], case["message"]]),
                );
                continue;
            }
        };
        crd::default(&mut stored);
        let errors = crd::validate(&stored);
        if !errors.is_empty() {
            difference(
                "causes",
                &json!([422, pairs(&errors)]),
                &json!([case["code"], case["causes"]]),
            );
            continue;
        }
        difference("code", &json!(201), &case["code"]);
        let mut warnings: Vec<String> = unknown
            .iter()
            .map(|path| format!("unknown field \"{path}\""))
            .collect();
        warnings.extend(
            crd::unrecognized_formats(&stored, None)
                .iter()
                .map(|format| format!("unrecognized format \"{format}\"")),
        );
        warnings.sort();
        difference(
            "warnings",
            &json!(warnings),
            case.get("warnings").unwrap_or(&json!([])),
        );
        match case.get("spec") {
            Some(spec) => difference("stored", &stored["spec"], spec),
            None => {
                let field = &stored["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
                    ["properties"]["f"];
                difference("stored", field, case.get("stored").unwrap_or(&case["f"]));
            }
        }
        let schema =
            Structural::from_json(&stored["spec"]["versions"][0]["schema"]["openAPIV3Schema"]).unwrap();
        for object in case["objects"].as_array().into_iter().flatten() {
            objects += 1;
            let what = object["value"].to_string();
            let (found, want) = object_verdict(object, &schema, &stored["spec"]["names"]["kind"]);
            difference(&what, &found, &want);
        }
    }
    tally.report(crds + objects, "recorded CRDs and objects");
    assert!(
        crds >= 268 && objects >= 414,
        "the record is whole: {crds} CRDs, {objects} objects"
    );
}

fn object_verdict(case: &Value, schema: &Structural, kind: &Value) -> (Value, Value) {
    let mut object = json!({"apiVersion": "lab.example.com/v1", "kind": kind, "metadata": {"name": "t"},
        "spec": {"f": case["value"]}});
    if let Some(error) = undecodable(&object, schema) {
        let kind = kind.as_str().unwrap();
        let message = format!("{kind} in version \"v1\" cannot be handled as a {kind}: {error}");
        return (json!([400, message]), json!([case["code"], case["message"]]));
    }
    let unknown: Vec<String> = prepare(&mut object, schema)
        .iter()
        .map(|path| format!("unknown field \"{path}\""))
        .collect();
    let warned = case.get("unknown").cloned().unwrap_or(json!([]));
    let errors = validate(&object, None, schema);
    if !errors.is_empty() {
        return (
            json!([422, unknown, pairs(&errors)]),
            json!([case["code"], warned, case["causes"]]),
        );
    }
    let stored = object["spec"].get("f").cloned().unwrap_or("<absent>".into());
    let want = case.get("stored").unwrap_or(&case["value"]);
    (json!([201, unknown, stored]), json!([case["code"], warned, want]))
}

/// Definitions with rules in CEL, and objects that meet them, as the libraries of kube-apiserver judge them (SCH-50 to
/// SCH-58).
#[test]
fn rules_are_judged_as_recorded() {
    let text = fs::read_to_string(goldens("rules.jsonl")).unwrap();
    let mut tally = Tally::default();
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let (errors, warnings) = rules_case(&case);
        let mut found = json!({"errors": errors, "warnings": warnings});
        let mut wanted = json!({
            "errors": case["errors"],
            "warnings": case.get("warnings").cloned().unwrap_or(json!([])),
        });
        // Maps have no order in Go.
        for texts in [&mut found, &mut wanted] {
            for key in ["errors", "warnings"] {
                texts[key]
                    .as_array_mut()
                    .unwrap()
                    .sort_by_key(ToString::to_string);
            }
        }
        let difference = format!("{}:\n  found {found}\n  want  {wanted}", case["name"]);
        tally.case((found != wanted).then_some(difference));
    }
    tally.report(858, "rules");
}

fn rules_case(case: &Value) -> (Vec<String>, Vec<String>) {
    let definition = |schema: &Value| {
        let mut crd = json!({
            "metadata": {"name": "foos.example.com"},
            "spec": {
                "group": "example.com", "scope": "Namespaced", "names": {"plural": "foos", "kind": "Foo"},
                "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                    "schema": {"openAPIV3Schema": schema}}],
            },
        });
        crd::decode(&mut crd).unwrap();
        crd::default(&mut crd);
        crd
    };
    let object = |object: &Value| {
        let mut object = object.clone();
        let map = object.as_object_mut().unwrap();
        map.insert("apiVersion".into(), "example.com/v1".into());
        map.insert("kind".into(), "Foo".into());
        let metadata = json!({"name": "a", "namespace": "default", "resourceVersion": "1", "uid": "u"});
        map.insert("metadata".into(), metadata);
        object
    };
    let texts = |errors: &[FieldError]| errors.iter().map(ToString::to_string).collect();
    let Some(new) = case.get("new").map(object) else {
        let crd = definition(&case["schema"]);
        let errors = match case.get("before") {
            Some(before) => crd::validate_update(&crd, &definition(before)),
            None => crd::validate(&crd),
        };
        return (texts(&errors), Vec::new());
    };
    let schema = Structural::from_accepted(&case["schema"]);
    let verdict = match case.get("old").map(object) {
        Some(old) if case["status"] == true => validate_status_update(&new, &old, &schema),
        Some(old) => validate_update(&new, &old, &schema),
        None => return (texts(&validate(&new, None, &schema)), Vec::new()),
    };
    (texts(&verdict.errors), verdict.warnings)
}
