//! Attributes to model, and each mistake with its words.
#![allow(clippy::needless_pass_by_value, reason = "`quote!` makes values")]

use proc_macro2::TokenStream;
use quote::quote;
use serde_json::{Value as Json, json};
use syn::DeriveInput;

use super::{Form, Schema};
use crate::errors::Errors;

fn model(input: TokenStream) -> (Schema, Vec<String>) {
    let input: DeriveInput = syn::parse2(input).unwrap();
    let mut errors = Errors::default();
    let attrs = crate::attrs::schema::of_type(&input.attrs, &mut errors);
    let model = super::build(&input, attrs, &mut errors).unwrap();
    (model, errors.messages())
}

fn good(input: TokenStream) -> Schema {
    let (model, messages) = model(input);
    assert_eq!(messages, Vec::<String>::new());
    model
}

/// Keywords of the only field.
fn words(field: TokenStream) -> Json {
    let model = good(quote!(struct S { #field }));
    let Form::Object(fields) = model.form else {
        panic!("a struct")
    };
    if fields[0].extra.keywords.is_empty() {
        return json!({});
    }
    serde_json::from_str(&fields[0].extra.keywords).unwrap()
}

/// Messages for the only field.
fn wrong(field: TokenStream) -> Vec<String> {
    model(quote!(struct S { #field })).1
}

fn wrong_type(input: TokenStream) -> Vec<String> {
    model(input).1
}

/// Each key becomes its keyword (markers of the sections 3 and 4).
#[test]
fn keys_become_keywords() {
    let table: Vec<(TokenStream, Json)> = vec![
        (
            quote!(#[kube(minimum = 1, maximum = 10)] a: i32),
            json!({"minimum": 1, "maximum": 10}),
        ),
        (quote!(#[kube(minimum = -1.5)] a: f64), json!({"minimum": -1.5})),
        (
            quote!(#[kube(exclusive_minimum = 0)] a: i32),
            json!({"minimum": 0, "exclusiveMinimum": true}),
        ),
        (
            quote!(#[kube(exclusive_maximum = 9)] a: i32),
            json!({"maximum": 9, "exclusiveMaximum": true}),
        ),
        (quote!(#[kube(multiple_of = 5)] a: i32), json!({"multipleOf": 5})),
        (
            quote!(#[kube(min_length = 1, max_length = 2)] a: String),
            json!({"minLength": 1, "maxLength": 2}),
        ),
        (
            quote!(#[kube(pattern = "^a$")] a: String),
            json!({"pattern": "^a$"}),
        ),
        (
            quote!(#[kube(format = "date-time")] a: String),
            json!({"format": "date-time"}),
        ),
        (
            quote!(#[kube(min_items = 1, max_items = 2)] a: Vec<i32>),
            json!({"minItems": 1, "maxItems": 2}),
        ),
        (
            quote!(#[kube(min_properties = 1, max_properties = 2)] a: BTreeMap<String, i32>),
            json!({"minProperties": 1, "maxProperties": 2}),
        ),
        (
            quote!(#[kube(enum_values("a", "b"))] a: String),
            json!({"enum": ["a", "b"]}),
        ),
        (
            quote!(#[kube(enum_values(1, -2))] a: i32),
            json!({"enum": [1, -2]}),
        ),
        (
            quote!(#[kube(list_type = "set")] a: Vec<String>),
            json!({"x-kubernetes-list-type": "set"}),
        ),
        (
            quote!(#[kube(list_map_keys("a", "b"))] a: Vec<X>),
            json!({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a", "b"]}),
        ),
        (
            quote!(#[kube(map_type = "atomic")] a: BTreeMap<String, String>),
            json!({"x-kubernetes-map-type": "atomic"}),
        ),
        (
            quote!(#[kube(nullable)] a: Option<i32>),
            json!({"nullable": true}),
        ),
        (quote!(#[kube(default = "x")] a: String), json!({"default": "x"})),
        (
            quote!(#[kube(default = [1, 2])] a: Vec<i32>),
            json!({"default": [1, 2]}),
        ),
        (
            quote!(#[kube(default = {"a": {"b": [true, null]}})] a: X),
            json!({"default": {"a": {"b": [true, null]}}}),
        ),
        (
            quote!(#[kube(title = "T", example = 3)] a: i32),
            json!({"title": "T", "example": 3}),
        ),
        (
            quote!(#[kube(external_docs(url = "u", description = "d"))] a: i32),
            json!({"externalDocs": {"url": "u", "description": "d"}}),
        ),
        (
            quote!(#[kube(items(min_length = 1))] a: Vec<String>),
            json!({"items": {"minLength": 1}}),
        ),
        (
            quote!(#[kube(items(items(minimum = 1)))] a: Vec<Vec<i32>>),
            json!({"items": {"items": {"minimum": 1}}}),
        ),
        (
            quote!(#[kube(values(values(items(max_length = 3))))] a: BTreeMap<String, BTreeMap<String, Vec<String>>>),
            json!({"additionalProperties": {"additionalProperties": {"items": {"maxLength": 3}}}}),
        ),
        (
            quote!(#[kube(int_or_string)] a: X),
            json!({"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]}),
        ),
        (
            quote!(#[kube(embedded_resource, preserve_unknown_fields)] a: X),
            json!({
                "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true,
                "x-kubewright": {"preserve": true},
            }),
        ),
        (
            quote!(#[kube(schema = "string", max_length = 3)] a: X),
            json!({"type": "string", "maxLength": 3}),
        ),
        (
            quote!(#[kube(embedded_object_meta, full_schema, max_depth = 3, int_keys)] a: X),
            json!({"x-kubewright": {"embeddedMeta": true, "full": true, "maxDepth": 3, "intKeys": true}}),
        ),
        (
            quote!(#[kube(description = "none")] a: X),
            json!({"x-kubewright": {"description": "none"}}),
        ),
        (
            quote!(#[kube(max_desc_len = 80)] a: X),
            json!({"x-kubewright": {"description": 80}}),
        ),
        (
            quote!(#[kube(allow("float", "x"), allow_float)] a: f64),
            json!({"x-kubewright": {"allow": ["float", "x", "float"]}}),
        ),
        (
            quote!(#[x_kube(merge_strategy = ListMerge::Set)] a: Vec<String>),
            json!({"x-kubernetes-list-type": "set"}),
        ),
        (
            quote!(#[x_kube(merge_strategy = StructMerge::Atomic)] a: X),
            json!({"x-kubernetes-map-type": "atomic"}),
        ),
        (
            quote!(#[schemars(range(min = 1, max = 3), extend("x-a" = [1]))] a: i32),
            json!({"minimum": 1, "maximum": 3, "x-a": [1]}),
        ),
        (
            quote!(#[schemars(length(min = 1), regex(pattern = "a"), inner(length(max = 2)))] a: Vec<String>),
            json!({"minItems": 1, "pattern": "a", "items": {"maxLength": 2}}),
        ),
    ];
    for (field, wanted) in table {
        let text = field.to_string();
        assert_eq!(words(field), wanted, "{text}");
    }
}

/// Attributes that stand for rules, with controller-gen's and validation-gen's texts where they have one.
#[test]
fn keys_become_rules() {
    let rules = |field: TokenStream, at: &str| -> Vec<String> {
        let words = words(field);
        let rules = words[at].as_array().cloned().unwrap_or_default();
        let text = |rule: &Json| {
            format!(
                "{} | {}",
                rule["rule"].as_str().unwrap(),
                rule["message"].as_str().unwrap_or_default()
            )
        };
        rules.iter().map(text).collect()
    };
    let own = "x-kubernetes-validations";
    assert_eq!(
        rules(quote!(#[kube(immutable)] a: i32), own),
        ["self == oldSelf | field is immutable"]
    );
    assert!(rules(quote!(#[kube(immutable)] a: i32), "parent").is_empty());
    assert_eq!(
        rules(quote!(#[kube(immutable)] a: Option<i32>), "parent"),
        ["!has(oldSelf.a) || has(self.a) | field a is immutable once set"]
    );
    assert_eq!(
        rules(quote!(#[kube(immutable)] r#namespace: Option<i32>), "parent"),
        ["!has(oldSelf.__namespace__) || has(self.__namespace__) | field namespace is immutable once set"]
    );
    assert_eq!(
        rules(
            quote!(#[kube(update("no-set", "no-unset", "no-modify"))] a: Option<i32>),
            "parent"
        ),
        [
            "has(oldSelf.a) || !has(self.a) | field a cannot be set once created",
            "!has(oldSelf.a) || has(self.a) | field a cannot be cleared once set",
        ]
    );
    assert_eq!(
        rules(quote!(#[kube(monotonic)] a: i32), own),
        ["self >= oldSelf | must not decrease"]
    );
    assert_eq!(
        rules(quote!(#[kube(not_equal = "x'")] a: String), own),
        [r"self != 'x\'' | must not be equal to 'x\''"]
    );
    assert_eq!(
        rules(quote!(#[kube(max_bytes = 9)] a: String), own),
        ["bytes(self).size() <= 9 | must be no more than 9 bytes"]
    );
    assert_eq!(
        rules(quote!(#[kube(forbidden)] a: Option<i32>), "parent"),
        ["!has(self.a) | field a is forbidden"]
    );
    assert_eq!(
        rules(quote!(#[kube(unique("n"))] a: Vec<X>), own),
        ["self.all(x, self.exists_one(y, x.n == y.n)) | items must be unique by n"]
    );
    assert_eq!(
        rules(
            quote!(#[kube(keys(max_length = 3))] a: BTreeMap<String, i32>),
            own
        ),
        ["self.all(k, size(k) <= 3) | each key must be of size 3 or less"]
    );
    assert_eq!(
        rules(
            quote!(#[kube(item(name = "x", validation = "self.self > 0 && self.b != 'self'", immutable))] a: Vec<X>),
            own
        ),
        [
            "self.all(x, !(x.name == 'x') || (x.self > 0 && x.b != 'self')) | ",
            "self.filter(x, x.name == 'x') == oldSelf.filter(x, x.name == 'x') | the item with name: \"x\" is immutable",
        ]
    );
    assert_eq!(
        rules(
            quote!(#[kube(subfield(host, min_length = 1, required))] a: X),
            own
        ),
        [
            "!has(self.host) || (size(self.host) >= 1) | field host must be of size 1 or more",
            "has(self.host) | field host is required",
        ]
    );
    assert_eq!(
        rules(
            quote!(
                #[kube(item(name = "x", subfield(host, forbidden, subfield(port, minimum = 1)), item(n = 1, required)))]
                a: Vec<X>
            ),
            own
        ),
        [
            "self.all(x, !(x.name == 'x') || (!has(x.host))) | field host of the item with name: \"x\" is forbidden",
            "self.all(x, !(x.name == 'x') || (!has(x.host) || (!has(x.host.port) || (x.host.port >= 1)))) | field port \
             of field host of the item with name: \"x\" must be at least 1",
            "self.all(x, !(x.name == 'x') || (x.exists(x1, x1.n == 1))) | an item with n: 1 of the item with name: \
             \"x\" is required",
        ]
    );
    assert_eq!(
        rules(
            quote!(#[kube(subfield(list, item(n = 1, validation = "self.b"), subfield(c, max_length = 2)))] a: X),
            own
        ),
        [
            "!has(self.list) || (self.list.all(x1, !(x1.n == 1) || (x1.b))) | ",
            "!has(self.list) || (!has(self.list.c) || (size(self.list.c) <= 2)) | field c of field list must be of size 2 \
             or less",
        ]
    );
    assert_eq!(
        wrong(quote!(#[kube(subfield(a, subfield(b, immutable), validation = "self == oldSelf"))] a: X)),
        [
            "`immutable` is for a part of the field itself, and this is one of field a; make all of that immutable, or \
             write `immutable` on the field of its type",
            "a part of a field has no `oldSelf`; write the rule on the field, or on that of its type",
        ]
    );
    assert_eq!(
        words(quote!(
            #[kube(validation = Rule::new("a").message("m").reason(Reason::FieldValueForbidden).field_path(".x"))]
            a: X
        )),
        json!({own: [{"rule": "a", "message": "m", "reason": "FieldValueForbidden", "fieldPath": ".x"}]})
    );
    assert_eq!(
        words(quote!(#[x_kube(validation = ("a", "m"), validation = "b")] a: X)),
        json!({own: [{"rule": "a", "message": "m"}, {"rule": "b"}]})
    );
    assert_eq!(
        words(quote!(#[kube(validation = Rule::new("a").message(Message::Expression("b".into())))] a: X)),
        json!({own: [{"rule": "a", "messageExpression": "b"}]})
    );
    assert_eq!(
        words(quote!(#[kube(validation = rule(1))] a: X)),
        json!({}),
        "what is no literal is computed"
    );
    assert_eq!(
        wrong(quote!(#[kube(validation = "self >")] a: i32)),
        [
            "CEL at column 7: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', \
          'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}"
        ]
    );
}

#[test]
fn groups_of_fields() {
    let model = good(quote! {
        #[kube(at_most_one_of("a", "b"), at_least_one_of("b", "the_c"), exactly_one_of("a", "theC"))]
        #[serde(rename_all = "camelCase")]
        struct S { a: Option<i32>, #[kube(requires("a"), conflicts_with("the_c"))] b: Option<i32>, the_c: Option<i32> }
    });
    let words: Json = serde_json::from_str(&model.extra.keywords).unwrap();
    assert_eq!(
        words["x-kubernetes-validations"],
        json!([
            {
                "rule": "(has(self.a)?1:0)+(has(self.b)?1:0) <= 1",
                "message": "at most one of the fields in [a b] may be set",
            },
            {
                "rule": "has(self.b)||has(self.theC)",
                "message": "at least one of the fields in [b theC] must be set",
            },
            {
                "rule": "(has(self.a)?1:0)+(has(self.theC)?1:0) == 1",
                "message": "exactly one of the fields in [a theC] must be set",
            },
        ])
    );
    let Form::Object(fields) = model.form else {
        panic!("a struct")
    };
    let words: Json = serde_json::from_str(&fields[1].extra.keywords).unwrap();
    assert_eq!(
        words["parent"],
        json!([
            {"rule": "!has(self.b) || has(self.a)", "message": "field a is required when b is set"},
            {"rule": "!(has(self.b) && has(self.theC))", "message": "fields b and theC may not be set together"},
        ])
    );
}

/// Which fields are required (`Opt` in the rules), and their names (SCH-101).
#[test]
fn names_and_what_is_required() {
    let model = good(quote! {
        #[serde(rename_all = "camelCase")]
        struct S {
            plain_one: i32,
            an_option: Option<i32>,
            #[serde(default)]
            with_default: i32,
            #[serde(rename = "other")]
            renamed: i32,
            #[serde(skip)]
            skipped: i32,
            #[serde(flatten)]
            flat: X,
            #[kube(required, nullable)]
            asked: Option<i32>,
            #[schemars(rename = "mine")]
            #[serde(rename = "mine")]
            r#type: i32,
        }
    });
    let Form::Object(fields) = model.form else {
        panic!("a struct")
    };
    let found: Vec<(&str, bool, bool)> = fields
        .iter()
        .map(|f| (f.name.as_str(), f.optional, f.flat))
        .collect();
    assert_eq!(
        found,
        [
            ("plainOne", false, false),
            ("anOption", true, false),
            ("withDefault", true, false),
            ("other", false, false),
            ("flat", false, true),
            ("asked", false, false),
            ("mine", false, false),
        ]
    );
    let model = good(quote!(
        #[serde(default)]
        struct S {
            a: i32,
        }
    ));
    let Form::Object(fields) = model.form else {
        panic!("a struct")
    };
    assert!(fields[0].optional);
}

/// Descriptions as controller-gen reads comments.
#[test]
fn descriptions() {
    let model = good(quote! {
        /// First line.
        ///
        ///
        /// Second paragraph,
        ///   indented.
        /// TODO: not this.
        ///
        /// ---
        /// Nor this.
        struct S {}
    });
    assert_eq!(model.extra.doc, "First line.\n\nSecond paragraph,\nindented.");
}

/// Mistakes in limits, told at the key.
#[test]
fn limits_of_the_wrong_kind_or_without_sense() {
    for (field, message) in [
        (
            quote!(#[kube(minimum = 1)] a: String),
            "`minimum` is for numbers, and `String` is a string",
        ),
        (
            quote!(#[kube(max_length = 1)] a: Option<i32>),
            "`max_length` is for strings, and `Option<i32>` is an integer",
        ),
        (
            quote!(#[kube(max_items = 1)] a: bool),
            "`max_items` is for lists, and `bool` is a boolean",
        ),
        (
            quote!(#[kube(items(minimum = 1))] a: Vec<String>),
            "`minimum` is for numbers, and `String` is a string",
        ),
        (
            quote!(#[kube(values(minimum = 1))] a: Vec<i32>),
            "`values` is for maps, and `Vec<i32>` is a list",
        ),
        (
            quote!(#[kube(minimum = 1.5)] a: i32),
            "limits of an integer are integers",
        ),
        (
            quote!(#[kube(minimum = 3, maximum = 2)] a: i32),
            "`minimum` and `maximum` leave no value",
        ),
        (
            quote!(#[kube(minimum = 3, exclusive_maximum = 3)] a: i32),
            "`minimum` and `maximum` leave no value",
        ),
        (
            quote!(#[kube(minimum = 5, exclusive_minimum = 3)] a: i32),
            "`minimum` is one bound and `exclusive_minimum` another; keep the narrower",
        ),
        (
            quote!(#[kube(min_items = 3, max_items = 2)] a: Vec<i32>),
            "`min_items` and `max_items` leave no value",
        ),
        (
            quote!(#[kube(maximum = 18446744073709551615)] a: u64),
            "the server keeps no bound beyond 2^53 exactly; leave it out",
        ),
        (
            quote!(#[kube(multiple_of = 0)] a: i32),
            "`multiple_of` takes a number above zero",
        ),
        (
            quote!(#[kube(minimum = "1")] a: i32),
            "`minimum` takes a number: write `minimum = 1`",
        ),
        (
            quote!(#[kube(min_length = -1)] a: String),
            "`min_length` takes a number that is not negative: write `min_length = 1`",
        ),
        (
            quote!(#[kube(default = "x")] a: i32),
            "the default `\"x\"` is not an integer",
        ),
        (
            quote!(#[kube(default = 11, maximum = 10)] a: i32),
            "the default `11` is outside of the limits",
        ),
        (
            quote!(#[kube(default = "abc", max_length = 2)] a: String),
            "the default `\"abc\"` has a size that `minLength` and `maxLength` refuse",
        ),
        (
            quote!(#[kube(default = "c", enum_values("a", "b"))] a: String),
            "the default `\"c\"` is none of the `enum_values`",
        ),
        (
            quote!(#[kube(default = null)] a: Option<i32>),
            "a default of null is not stored by the server; leave it out",
        ),
        (
            quote!(#[kube(enum_values("a", "a"))] a: String),
            "`\"a\"` is given twice; keep one",
        ),
        (quote!(#[kube(enum_values(1))] a: String), "`1` is not a string"),
        (
            quote!(#[kube(format = "datetime2")] a: String),
            "the server does not know the format `datetime2` for a string; did you mean `date-time`?",
        ),
        (
            quote!(#[kube(format = "uint32")] a: i32),
            "the server does not know the format `uint32` for an integer; did you mean `int32`?",
        ),
        (
            quote!(#[kube(pattern = "(?=a)")] a: String),
            "the server's patterns are RE2, which has no look-ahead (`(?=...)`); write a rule: `validation = \"...\"`",
        ),
        (
            quote!(#[kube(list_type = "bag")] a: Vec<i32>),
            "`bag` is no list type; the types are `atomic`, `set`, `map`",
        ),
        (
            quote!(#[kube(list_type = "map")] a: Vec<X>),
            "`list_type = \"map\"` needs the fields that tell items apart: add `list_map_keys(\"name\")`",
        ),
        (
            quote!(#[kube(list_type = "set", list_map_keys("a"))] a: Vec<X>),
            "`list_map_keys` needs `list_type = \"map\"`, not `set`",
        ),
        (
            quote!(#[kube(list_map_keys("a"))] a: Vec<String>),
            "items of a list of type map are structs, and `String` is a string",
        ),
        (
            quote!(#[kube(map_type = "loose")] a: X),
            "`loose` is no map type; the types are `atomic`, `granular`",
        ),
        (
            quote!(#[kube(description = "long")] a: X),
            "write `description = \"none\"`, `\"short\"` (the first sentence) or a number of characters; the text itself is the doc comment",
        ),
        (
            quote!(#[kube(requires("other"))] a: Option<i32>),
            "there is no field `other`; the fields are `a`",
        ),
        (
            quote!(#[kube(update("no-set"))] a: i32),
            "the field is required, so that it is always set",
        ),
        (
            quote!(#[kube(update("never"))] a: Option<i32>),
            "`never` is none of `no-set`, `no-unset` and `no-modify`",
        ),
    ] {
        let text = field.to_string();
        assert_eq!(wrong(field), [message], "{text}");
    }
}

/// Keys: unknown ones, those of other places, markers.
#[test]
fn keys_that_do_not_stand_there() {
    for (field, message) in [
        (
            quote!(#[kube(minmum = 1)] a: i32),
            "unknown key `minmum`; did you mean `minimum`?",
        ),
        (
            quote!(#[kube(Minimum = 1)] a: i32),
            "unknown key `Minimum`; write `minimum = 1`",
        ),
        (
            quote!(#[kube(listType = "set")] a: Vec<i32>),
            "unknown key `listType`; write `list_type = \"set\"`",
        ),
        (
            quote!(#[kube(minimum = 1, minimum = 2)] a: i32),
            "`minimum` is given twice; keep one",
        ),
        (
            quote!(#[kube(open_enum)] a: i32),
            "`open_enum` stands on a type, not on a field",
        ),
        (
            quote!(#[kube(kind = "Foo")] a: i32),
            "`kind` stands on the spec of a kind, not on a field",
        ),
        (
            quote!(#[kube(items(default = 1))] a: Vec<i32>),
            "`default` stands on a field or a type, not on items or values",
        ),
    ] {
        let text = field.to_string();
        assert_eq!(wrong(field), [message], "{text}");
    }
    let found = wrong(quote!(
        /// +kubebuilder:validation:Minimum=1
        a: i32
    ));
    assert!(found[0].contains("+kubebuilder:validation:Minimum"), "{found:?}");
}

/// What a structural schema cannot say (SCH-81 to SCH-126).
#[test]
fn types_without_a_schema() {
    for (field, part) in [
        (quote!(a: ()), "`()` serializes as null, which is always dropped"),
        (
            quote!(a: (i32, String)),
            "a structural schema cannot describe a tuple",
        ),
        (
            quote!(a: Vec<(i32, i32)>),
            "a structural schema cannot describe a tuple",
        ),
        (quote!(a: u128), "larger than 64 bits: use a string"),
        (
            quote!(a: BTreeMap<i32, String>),
            "integer map keys cannot be validated by the server",
        ),
        (
            quote!(a: BTreeMap<Vec<i32>, String>),
            "keys of a map are strings in JSON",
        ),
        (
            quote!(a: BTreeSet<Vec<i32>>),
            "only scalars (or atomic objects) can form a set",
        ),
        (
            quote!(a: Vec<Option<i32>>),
            "make items nullable (`items(nullable)`) or drop the Option",
        ),
        (
            quote!(a: Option<Option<i32>>),
            "null and absent are told apart only with `#[kube(nullable)]`",
        ),
        (
            quote!(a: std::time::Duration),
            "serde writes std's `Duration` as an object",
        ),
        (
            quote!(a: PhantomData<X>),
            "a `PhantomData` cannot be represented in JSON",
        ),
        (quote!(a: fn(i32)), "a function cannot be represented in JSON"),
        (
            quote!(a: Vec<Box<S>>),
            "`S` contains itself here; structural schemas have no references",
        ),
        (
            quote!(#[serde(with = "x")] a: X),
            "the schema of `a` is unknown because serde(with) changes its form",
        ),
        (
            quote!(#[serde(rename(serialize = "b", deserialize = "c"))] a: X),
            "read as `c` and written as `b`: the stored name must be the read name",
        ),
        (quote!(#[kube(required)] a: Option<i32>), "add `nullable`"),
        (
            quote!(#[kube(skip)] a: i32),
            "the server drops what is not in the schema",
        ),
        (quote!(#[kube(schema_default)] a: i32), "add `#[serde(default)]`"),
        (quote!(#[kube(schema = "text")] a: X), "`text` is no type in JSON"),
        (
            quote!(#[kube(schema = "none")] a: X),
            "add `preserve_unknown_fields`",
        ),
        (
            quote!(#[schemars(contains = "x")] a: X),
            "`schemars(contains)` is not known here",
        ),
    ] {
        let text = field.to_string();
        let found = wrong(field);
        assert!(found.len() == 1 && found[0].contains(part), "{text}: {found:?}");
    }
    for accepted in [
        quote!(#[kube(int_keys)] a: BTreeMap<i32, String>),
        quote!(#[kube(skip)] #[serde(skip_serializing)] a: i32),
        quote!(#[kube(items(nullable))] a: Vec<Option<i32>>),
        quote!(#[kube(nullable)] a: Option<Option<i32>>),
        quote!(#[kube(preserve_unknown_fields)] a: Vec<S>),
        quote!(#[kube(max_depth = 2)] a: Option<Box<S>>),
        quote!(#[serde(with = "x")] #[schemars(with = "String")] a: X),
        quote!(#[serde(with = "x")] #[kube(schema = "string")] a: X),
        quote!(#[serde(skip)] a: (i32, String)),
        quote!(#[serde(skip)] a: PhantomData<X>),
    ] {
        let text = accepted.to_string();
        assert_eq!(wrong(accepted), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn enums_and_structs_without_a_schema() {
    for (input, part) in [
        (
            quote!(
                struct S;
            ),
            "a unit struct serializes as null",
        ),
        (
            quote!(
                struct S(i32, i32);
            ),
            "cannot describe a tuple",
        ),
        (
            quote!(
                struct S {
                    #[serde(rename = "b")]
                    a: i32,
                    b: i32,
                }
            ),
            "another field is written `b` too",
        ),
        (
            quote!(
                enum E {}
            ),
            "an enum without variants has no values",
        ),
        (
            quote!(
                enum E {
                    A,
                    #[serde(rename = "A")]
                    B,
                }
            ),
            "another variant is written `A` too",
        ),
        (
            quote!(
                enum E {
                    A,
                    B { x: i32 },
                }
            ),
            "write `A {}` for unit variants or tag the enum",
        ),
        (
            quote!(
                enum E {
                    A,
                    #[serde(other)]
                    B,
                }
            ),
            "drop `enum` with #[kube(open_enum)]",
        ),
        (
            quote!(
                #[serde(untagged)]
                enum E {
                    A(String),
                    B { x: i32 },
                }
            ),
            "untagged enums of different JSON types",
        ),
        (
            quote!(
                #[serde(untagged)]
                enum E {
                    A { x: i32 },
                    B,
                }
            ),
            "a unit variant of an untagged enum is null",
        ),
        (
            quote!(
                enum E {
                    A(i32, i32),
                }
            ),
            "give the variant named fields",
        ),
        (
            quote!(
                #[serde(tag = "t")]
                enum E {
                    A { t: i32 },
                }
            ),
            "which is the tag; rename one",
        ),
        (
            quote!(
                #[serde(tag = "t")]
                enum E {
                    A(String),
                }
            ),
            "beside the tag stand the fields of a struct",
        ),
        (
            quote!(
                #[serde(tag = "t", deny_unknown_fields)]
                enum E {
                    A { x: i32 },
                }
            ),
            "`deny_unknown_fields` refuses to read them",
        ),
        (
            quote!(
                enum E {
                    A,
                    #[serde(skip_deserializing)]
                    B,
                }
            ),
            "serde writes this variant",
        ),
        (
            quote!(
                #[kube(open_enum)]
                struct S {
                    a: i32,
                }
            ),
            "`open_enum` is for enums",
        ),
        (
            quote!(
                #[kube(exactly_one_of("a"))]
                struct S {
                    a: Option<i32>,
                }
            ),
            "names two fields or more",
        ),
        (
            quote!(
                #[kube(compat = "go")]
                struct S {
                    a: i32,
                }
            ),
            "`go` is none of `kube-derive`",
        ),
        (
            quote!(
                #[kube(shortname = "s")]
                struct S {
                    a: i32,
                }
            ),
            "`shortname` is a key of `CustomResource`",
        ),
        (
            quote!(
                #[serde(rename_all(serialize = "camelCase", deserialize = "snake_case"))]
                struct S {
                    a: i32,
                }
            ),
            "the stored name must be the read name",
        ),
        (
            quote!(
                #[serde(from = "A", into = "B")]
                struct S {
                    a: i32,
                }
            ),
            "the stored form must be the read form",
        ),
    ] {
        let text = input.to_string();
        let found = wrong_type(input);
        assert!(found.len() == 1 && found[0].contains(part), "{text}: {found:?}");
    }
    for accepted in [
        quote!(
            struct S(String);
        ),
        quote!(
            struct S {}
        ),
        quote!(
            #[serde(transparent)]
            struct S {
                a: String,
                #[serde(skip)]
                b: i32,
            }
        ),
        quote!(
            #[kube(open_enum)]
            enum E {
                A,
                #[serde(other)]
                B,
            }
        ),
        quote!(
            #[serde(untagged)]
            enum E {
                A(i32),
                B(String),
            }
        ),
        quote!(
            #[serde(from = "String", into = "String")]
            struct S {
                a: i32,
            }
        ),
        quote!(
            #[kube(group = "a.b", version = "v1", kind = "Foo", validation = "self.spec.a > 0")]
            struct S {
                a: i32,
            }
        ),
    ] {
        let text = accepted.to_string();
        assert_eq!(wrong_type(accepted), Vec::<String>::new(), "{text}");
    }
}

/// All at once, and the model is there all the same.
#[test]
fn mistakes_do_not_hide_one_another() {
    let (model, messages) = model(quote! {
        #[kube(listType = "x")]
        struct S {
            #[kube(minimum = 1)]
            a: String,
            b: (i32, i32),
            #[kube(pattern = "(")]
            c: String,
        }
    });
    assert_eq!(messages.len(), 4, "{messages:?}");
    let Form::Object(fields) = model.form else {
        panic!("a struct")
    };
    assert_eq!(fields.len(), 3);
}

/// SCH-80, and keys that are another derive's.
#[test]
fn specs_are_objects() {
    let kind = quote!(group = "a.b", version = "v1", kind = "Foo");
    for input in [
        quote!(
            #[kube(#kind)]
            enum E {
                A,
            }
        ),
        quote!(
            #[kube(#kind)]
            struct S(String);
        ),
    ] {
        assert_eq!(
            wrong_type(input),
            ["spec must be an object: wrap the value in a struct"]
        );
    }
    let found = wrong_type(quote!(
        #[kube(cel)]
        struct S {
            a: i32,
        }
    ));
    assert_eq!(
        found,
        ["`cel` is a key of `CustomResource`; it belongs on the spec of a kind"]
    );
}

/// What is doubtful reaches the builder (SCH-99, SCH-102, SCH-103, SCH-111).
#[test]
fn doubts_are_noted() {
    let noted = |field: TokenStream| words(field)["x-kubewright"].clone();
    assert_eq!(
        noted(quote!(#[serde(alias = "b")] a: i32)),
        json!({"alias": true})
    );
    assert_eq!(
        noted(quote!(#[serde(skip_serializing)] a: i32)),
        json!({"skipSerializing": true})
    );
    assert_eq!(noted(quote!(a: Option<PathBuf>)), json!({"path": true}));
    let model = good(quote!(
        #[serde(deny_unknown_fields)]
        struct S {
            a: i32,
        }
    ));
    assert!(model.extra.keywords.contains(r#""denyUnknownFields":true"#));
}

/// SCH-101, 104: a server gives back what was written, and that has to be what is read.
#[test]
fn what_is_written_is_what_is_read() {
    let table: Vec<(TokenStream, &str)> = vec![
        (
            quote!(
                #[serde(rename_all(serialize = "camelCase"))]
                struct S {
                    a_b: i32,
                }
            ),
            "read by no rule and written by `camelCase`: the stored name must be the read name",
        ),
        (
            quote!(
                #[serde(rename_all(deserialize = "camelCase"))]
                enum E {
                    AB,
                    C,
                }
            ),
            "read by `camelCase` and written by no rule: the stored name must be the read name",
        ),
        (
            quote!(
                #[serde(from = "String")]
                struct S {
                    a: i32,
                }
            ),
            "read from `String` and not the other way round: the stored form must be the read form; add \
             `#[serde(into = \"String\")]`, or `#[schemars(with = \"String\")]` where `Serialize` is written by hand",
        ),
        (
            quote!(
                #[serde(into = "String")]
                struct S {
                    a: i32,
                }
            ),
            "written as `String` and not the other way round: the stored form must be the read form; add \
             `#[serde(from = \"String\")]`, or `#[schemars(with = \"String\")]` where `Deserialize` is written by hand",
        ),
        (
            quote!(
                struct S {
                    #[serde(skip_serializing_if = "Vec::is_empty")]
                    a: Vec<i32>,
                }
            ),
            "where this leaves the field out, the server refuses the object, in which it is required; add \
             `#[serde(default)]`, or write it always",
        ),
        (
            quote!(
                struct S(i32, #[serde(skip)] String);
            ),
            "a structural schema cannot describe a tuple; use a struct with named fields (or `Vec<T>` if all members \
             have one type)",
        ),
        (
            quote!(
                struct S<T>(i32, std::marker::PhantomData<T>);
            ),
            "a structural schema cannot describe a tuple; use a struct with named fields (or `Vec<T>` if all members \
             have one type)",
        ),
    ];
    for (input, message) in table {
        assert_eq!(wrong_type(input.clone()), [message], "{input}");
    }
    for right in [
        quote!(
            #[serde(rename_all(serialize = "camelCase", deserialize = "camelCase"))]
            struct S {
                a_b: i32,
            }
        ),
        quote!(
            #[serde(from = "String")]
            #[schemars(with = "String")]
            struct S {
                a: i32,
            }
        ),
        quote!(
            #[serde(try_from = "String", into = "String")]
            struct S {
                a: i32,
            }
        ),
        quote!(
            struct S {
                #[serde(default, skip_serializing_if = "Vec::is_empty")]
                a: Vec<i32>,
            }
        ),
        quote!(
            struct S {
                #[serde(skip_serializing_if = "Vec::is_empty")]
                #[kube(default = [1])]
                a: Vec<i32>,
            }
        ),
        quote!(
            struct S {
                #[serde(skip_serializing_if = "Option::is_none")]
                a: Option<i32>,
            }
        ),
        quote!(
            #[serde(transparent)]
            struct S<T>(i32, std::marker::PhantomData<T>);
        ),
    ] {
        assert_eq!(wrong_type(right.clone()), Vec::<String>::new(), "{right}");
    }
}

/// serde writes a struct's own name under its tag.
#[test]
fn the_tag_of_a_struct_is_its_name_in_json() {
    let model = good(quote!(
        #[serde(tag = "kind", rename = "Bar")]
        struct Foo {
            a: i32,
        }
    ));
    let Form::Object(fields) = model.form else {
        panic!("a struct")
    };
    assert_eq!(fields[0].extra.keywords, r#"{"enum":["Bar"],"type":"string"}"#);
}

/// SCH-107, 108: the limits of a small integer are left out, unless they are written down.
#[test]
fn limits_of_small_integers() {
    let strict = json!({"strictInts": true});
    for (field, keywords) in [
        (quote!(#[kube(maximum = 200)] a: u8), json!({"maximum": 200})),
        (
            quote!(#[kube(maximum = 255)] a: u8),
            json!({"maximum": 255, "x-kubewright": strict}),
        ),
        (
            quote!(#[kube(minimum = -32768)] a: Option<i16>),
            json!({"minimum": -32768, "x-kubewright": strict}),
        ),
        (quote!(#[kube(maximum = 255)] a: i32), json!({"maximum": 255})),
    ] {
        assert_eq!(words(field.clone()), keywords, "{field}");
    }
    assert_eq!(
        wrong(quote!(#[kube(maximum = 256)] a: u8)),
        ["`u8` holds 0 to 255, so that `maximum = 256` could not be read; correct one"]
    );
    assert_eq!(
        wrong(quote!(#[kube(items(minimum = -1))] a: Vec<u16>)),
        ["`u16` holds 0 to 65535, so that `minimum = -1` could not be read; correct one"]
    );
}

#[test]
fn what_is_always_or_never_there() {
    assert_eq!(
        wrong_type(quote!(
            #[kube(exactly_one_of("a", "b"))]
            struct S {
                a: i32,
                b: Option<i32>,
            }
        )),
        ["`a` is required, so that it is always set; make it an `Option`"]
    );
    // SCH-31.
    assert_eq!(
        wrong(quote!(#[kube(nullable, enum_values("a", "b"))] a: Option<String>)),
        [
            "the server refuses null where values are listed; remove `nullable`: then the null of a `None` is dropped"
        ]
    );
    for right in [
        quote!(#[kube(nullable, enum_values("a"), allow("nullable-enum"))] a: Option<String>),
        quote!(#[kube(nullable, enum_values("a"))] #[serde(skip_serializing_if = "Option::is_none")] a: Option<String>),
    ] {
        assert_eq!(wrong(right.clone()), Vec::<String>::new(), "{right}");
    }
}
