//! Each mistake that the macro itself sees, with its words, and what serde's attributes make of a type.
#![allow(clippy::needless_pass_by_value, reason = "`quote!` makes values")]

use proc_macro2::TokenStream;
use quote::quote;
use syn::DeriveInput;

use super::{Action, Body, Convert, Tagging, Wire};
use crate::errors::Errors;

fn model(input: TokenStream) -> (Option<Convert>, Vec<String>) {
    let input: DeriveInput = syn::parse2(input).unwrap();
    let mut errors = Errors::default();
    let attrs = crate::attrs::convert::read(&input, &mut errors);
    let model = super::build(&input, &attrs, &mut errors);
    (model, errors.messages())
}

fn good(input: TokenStream) -> Convert {
    let (model, messages) = model(input);
    assert_eq!(messages, Vec::<String>::new());
    model.unwrap()
}

/// Messages for one field.
fn field(field: TokenStream) -> Vec<String> {
    model(quote!(#[convert(from = old::S)] struct S { #field })).1
}

/// Messages for what the type says, which has the fields `a` and `list`.
fn of_type(attrs: TokenStream) -> Vec<String> {
    model(quote!(
        #[convert(from = old::S, #attrs)]
        struct S {
            a: A,
            list: Vec<A>,
        }
    ))
    .1
}

/// Messages for one variant.
fn variant(variant: TokenStream) -> Vec<String> {
    model(quote!(#[convert(from = old::E)] enum E { A, #variant })).1
}

fn table(cases: Vec<(Vec<String>, &str)>) {
    for (found, wanted) in cases {
        assert_eq!(found, [wanted], "{wanted}");
    }
}

#[test]
fn ver_e05_required_fields_need_a_value() {
    let wanted = "required field `a` needs a value for older objects: `added(value = ...)`, `added(with = ...)`, or make it \
                  Option";
    table(vec![
        (field(quote!(#[convert(added)] a: i32)), wanted),
        (field(quote!(#[convert(added)] a: Vec<i32>)), wanted),
        // serde does not read an absent one without `default`.
        (
            field(quote!(#[convert(added)] #[serde(with = "m")] a: Option<i32>)),
            wanted,
        ),
    ]);
    for fine in [
        quote!(#[convert(added)] a: Option<i32>),
        quote!(#[convert(added)] a: Box<Option<i32>>),
        quote!(#[convert(added)] #[serde(default)] a: i32),
        quote!(#[convert(added(value = 1))] a: i32),
        quote!(#[convert(added(value = []))] a: [i32; 0]),
        quote!(#[convert(added(with = f))] a: i32),
    ] {
        assert_eq!(field(fine.clone()), Vec::<String>::new(), "{fine}");
    }
    let whole = model(quote!(
        #[convert(from = old::S)]
        #[serde(default)]
        struct S {
            #[convert(added)]
            a: i32,
        }
    ));
    assert_eq!(whole.1, Vec::<String>::new());
    let inside = model(quote!(
        #[convert(from = old::E)]
        enum E {
            A {
                #[convert(added)]
                a: i32,
            },
        }
    ));
    assert_eq!(inside.1, [wanted]);
}

#[test]
fn ver_e06_actions_exclude_one_another() {
    table(vec![
        (
            field(quote!(#[convert(added, rename = "b")] a: Option<i32>)),
            "`added` and `rename` exclude each other",
        ),
        (
            field(quote!(#[convert(rename = "b", added)] a: Option<i32>)),
            "`added` and `rename` exclude each other",
        ),
        (
            field(quote!(#[convert(nested, with(up = f, down = g))] a: A)),
            "`nested` and `with` exclude each other",
        ),
        (
            field(quote!(#[convert(moved)] #[convert(nested)] a: Option<A>)),
            "`moved` and `nested` exclude each other",
        ),
        (
            field(quote!(#[convert(nested, nested)] a: A)),
            "`nested` is given twice; keep one",
        ),
        (
            variant(quote!(
                #[convert(rename = "B", added(refuse))]
                C
            )),
            "`rename` and `added` exclude each other",
        ),
    ]);
    let grouped = quote! {
        #[convert(from = old::S, group(old(b), new(a), up = f, down = g))]
        struct S { #[convert(rename = "c")] a: A }
    };
    assert_eq!(
        model(grouped).1,
        ["`a` is one of a group's, which excludes `rename`"]
    );
    for fine in [
        quote!(rename = "b", nested),
        quote!(with(up = f, down = g), rename = "b"),
    ] {
        assert_eq!(
            field(quote!(#[convert(#fine)] a: A)),
            Vec::<String>::new(),
            "{fine}"
        );
    }
}

#[test]
fn ver_e07_a_way_up_and_a_way_down() {
    let wanted = "`with` needs a way up and a way down";
    table(vec![
        (field(quote!(#[convert(with(up = f))] a: A)), wanted),
        (field(quote!(#[convert(with(try_down = f))] a: A)), wanted),
        (
            of_type(quote!(group(old(x), new(a), up = f))),
            "`group` needs a way up and a way down",
        ),
        (
            field(quote!(#[convert(with(up = f, down = g, or = 1))] a: A)),
            "`or` stands in place of an error, and none of the functions has one; write `try_up` or `try_down`",
        ),
        (
            field(quote!(#[convert(with(try_up = f, try_down = g, or = 1))] a: A)),
            "`or` could stand for `try_up` or `try_down`; let one of the functions itself return a fallback",
        ),
        (
            field(quote!(#[convert(with(try_up = f, down = g, or = 1, exact))] a: A)),
            "with a fallback, up and down are no inverses; remove `exact` or `or`",
        ),
        (
            field(quote!(#[convert(with(up = f, dwon = g, down = h))] a: A)),
            "unknown key `dwon` in `with(...)`; did you mean `down`?",
        ),
        (
            field(quote!(#[convert(with(up = f, try_up = g, down = h))] a: A)),
            "`try_up` is given twice; keep one",
        ),
    ]);
}

#[test]
fn ver_e11_added_variants_say_what_old_clients_see() {
    let wanted = "older clients cannot read variant `C`; say `added(down = ...)`, `added(down_with = ...)` or \
                  `added(refuse)`";
    table(vec![
        (
            variant(quote!(
                #[convert(added)]
                C
            )),
            wanted,
        ),
        (
            variant(quote!(
                #[convert(added(value = 1))]
                C
            )),
            "unknown key `value` in `added(...)`; the keys are `down`, `down_with`, `refuse`",
        ),
        (
            variant(quote!(
                #[convert(nested)]
                C(A)
            )),
            "`nested` stands on a field, not on a variant",
        ),
        (
            variant(quote!(
                #[convert(added(refuse))]
                C {
                    #[convert(added)]
                    a: A
                }
            )),
            "the whole variant `C` is added; remove this",
        ),
        (
            model(quote!(
                #[convert(from = old::E, old_only(B))]
                enum E {
                    A,
                }
            ))
            .1,
            "say which variant `B` becomes: `old_only(B(up = ...))`",
        ),
        (
            model(quote!(
                #[convert(from = old::E, old_only(B(up = X)))]
                enum E {
                    A,
                }
            ))
            .1,
            "no variant `X` in this type",
        ),
        (
            model(quote!(
                #[convert(from = old::E)]
                enum E {
                    A,
                    #[convert(rename = "A")]
                    B,
                }
            ))
            .1,
            "variant `A` of the older type is taken twice",
        ),
    ]);
}

#[test]
fn ver_e12_what_the_table_cannot_see_through() {
    let seen = |key: &str| {
        format!("the conversion table cannot see through `serde({key})`; use `with(...)` or `manual`")
    };
    let cases = [
        (
            quote!(
                #[convert(from = old::E)]
                #[serde(untagged)]
                enum E {
                    A(i32),
                }
            ),
            "untagged",
        ),
        (
            quote!(
                #[convert(from = old::S)]
                #[serde(from = "X")]
                struct S {
                    a: A,
                }
            ),
            "from",
        ),
        (
            quote!(
                #[convert(from = old::S)]
                #[serde(try_from = "X", into = "X")]
                struct S {
                    a: A,
                }
            ),
            "try_from",
        ),
        (
            quote!(
                #[convert(from = old::E)]
                enum E {
                    A,
                    #[serde(other)]
                    B,
                }
            ),
            "other",
        ),
        (
            quote!(
                #[convert(from = old::E)]
                enum E {
                    A,
                    #[serde(untagged)]
                    B(A),
                }
            ),
            "untagged",
        ),
        (
            quote!(
                #[convert(from = old::S)]
                struct S {
                    #[convert(nested)]
                    #[serde(with = "m")]
                    a: A,
                }
            ),
            "with",
        ),
        (
            quote!(
                #[convert(from = old::S)]
                struct S(#[serde(with = "m")] A);
            ),
            "with",
        ),
    ];
    for (input, key) in cases {
        assert_eq!(model(input).1, [seen(key)], "{key}");
    }
    // By hand, and where nothing converts to the type, it may be written in any way.
    let manual = good(quote!(
        #[convert(from = old::E, manual)]
        #[serde(untagged)]
        enum E {
            A(i32),
        }
    ));
    assert!(manual.wire.is_none());
    assert!(matches!(manual.edge.unwrap().body, Body::Manual));
}

#[test]
fn ver_e13_no_way_leads_through_a_list() {
    table(vec![
        (
            of_type(quote!(moved("x.y" => "list.z"))),
            "`moved` cannot pass through a list",
        ),
        (
            of_type(quote!(moved("list.z" => "a.y"))),
            "`moved` cannot pass through a list",
        ),
        (
            of_type(quote!(moved("x.y" => "b.z"))),
            "no field `b` in this type",
        ),
        (
            of_type(quote!(moved("x" => "a"))),
            "both ends are fields of this type: write `#[convert(rename = \"x\")]` on `a`",
        ),
        (
            of_type(quote!(moved("x.y" => "a"))),
            "say so at the field too: `#[convert(moved)] a`",
        ),
        (
            of_type(quote!(moved("x..y" => "a.b"))),
            "`x..y` is no path of Rust fields, as `\"tls.secret_name\"`",
        ),
    ]);
}

#[test]
fn what_no_type_has_and_what_is_said_twice() {
    table(vec![
        (
            of_type(quote!(old_only(a))),
            "`a` of the older type is taken twice: by field `a` and by `old_only`",
        ),
        (
            of_type(quote!(old_only(b, b))),
            "`b` of the older type is taken twice: by `old_only` and by `old_only`",
        ),
        (
            of_type(quote!(old_only(B(up = C)))),
            "`up` names a variant, and this is a struct; write `B` or `B = value`",
        ),
        (
            of_type(quote!(group(old(b), new(c), up = f, down = g))),
            "no field `c` in this type",
        ),
        (
            of_type(quote!(renamed)),
            "unknown key `renamed` in `convert(...)`; the keys are `from`, `manual`, `old_only`, `group`, `moved`, `crates`",
        ),
        (
            of_type(quote!(old_onyl(b))),
            "unknown key `old_onyl` in `convert(...)`; did you mean `old_only`?",
        ),
        (of_type(quote!(added)), "`added` stands on a field, not on a type"),
        (
            field(quote!(#[convert(old_only(b))] a: A)),
            "`old_only` stands on a type, not on a field",
        ),
        (
            field(quote!(#[convert(rename = "a-b")] a: A)),
            "`a-b` is no Rust name; serde's names are read of the types",
        ),
        (
            field(quote!(#[convert(nested(name = "x"))] a: Vec<A>)),
            "unknown key `name` in `nested(...)`; write `nested(key = \"name\")`",
        ),
        (
            field(quote!(#[convert(nested)] #[serde(skip)] a: A)),
            "serde neither reads nor writes `a`, so there is nothing to convert; write `added` alone where the older type \
             does not have it",
        ),
        (
            model(quote!(
                struct S {
                    #[convert(added)]
                    a: Option<A>,
                }
            ))
            .1,
            "without the older type there is nothing to convert: add `#[convert(from = old::Type)]` to the type",
        ),
        (
            model(quote!(
                #[convert(from = old::S)]
                struct S<T> {
                    a: T,
                }
            ))
            .1,
            "the conversion of a generic type would need one table for each of its uses; write the types out",
        ),
        (
            model(quote!(#[convert(from = old::S)] union S { a: u8 })).1,
            "a union has no written form, and so no conversion",
        ),
        (
            model(quote!(
                #[convert(from = old::S)]
                struct S(A, B);
            ))
            .1,
            "a tuple has no fields to convert one by one; name them, or convert it by `manual`",
        ),
        (
            model(quote!(
                #[convert(from = old::S)]
                struct S(#[convert(added)] Option<A>);
            ))
            .1,
            "a newtype is what it holds: `nested` or nothing, not `added`",
        ),
    ]);
    let manual = model(quote!(
        #[convert(from = old::S, manual)]
        struct S {
            #[convert(added)]
            a: A,
        }
    ))
    .1;
    assert_eq!(
        manual,
        [
            "`manual` converts the whole type by `ManualConvert`; this would not be read",
            "remove `manual`, or what else is said of the conversion"
        ]
    );
}

#[test]
fn ver_6_written_names_are_serdes() {
    let model = good(quote! {
        #[convert(from = old::S)]
        #[serde(rename_all = "camelCase")]
        struct S {
            plain_name: A,
            #[serde(rename = "x")]
            #[schemars(rename = "y")]
            named: Option<A>,
            #[serde(rename(serialize = "w", deserialize = "r"), alias = "s", default)]
            both: A,
            #[serde(skip)]
            gone: A,
            #[serde(flatten)]
            flat: Flat,
            #[serde(flatten)]
            rest: BTreeMap<String, Value>,
            r#type: A,
        }
    });
    let Some(Wire::Fields(fields)) = &model.wire else {
        panic!("an object")
    };
    let names: Vec<_> = fields
        .iter()
        .map(|field| (field.rust(), field.written.as_deref().unwrap_or("-")))
        .collect();
    let names: Vec<_> = names.iter().map(|(rust, name)| (rust.as_str(), *name)).collect();
    assert_eq!(
        names,
        [
            ("plain_name", "plainName"),
            ("named", "x"),
            ("both", "w"),
            ("gone", "-"),
            ("flat", "flat"),
            ("rest", "rest"),
            ("type", "type")
        ]
    );
    assert_eq!(fields[2].aliases, ["r", "s"]);
    let states: Vec<_> = fields
        .iter()
        .map(|field| (field.required, field.option, field.open))
        .collect();
    assert_eq!(
        states,
        [
            (true, false, false),
            (false, true, false),
            (false, false, false),
            (false, false, false),
            (false, false, false),
            (false, false, true),
            (true, false, false)
        ]
    );
    let Some(super::Edge {
        body: Body::Struct(found),
        ..
    }) = model.edge
    else {
        panic!("a struct")
    };
    assert!(matches!(found.fields[3].action, Action::Skipped(Some(_))));

    let tagging = |attrs: TokenStream| match good(quote!(
        #[serde(#attrs)]
        enum E {
            A,
        }
    ))
    .wire
    {
        Some(Wire::Variants(tagging, _)) => tagging,
        _ => panic!("variants"),
    };
    assert!(matches!(tagging(quote!()), Tagging::External));
    assert!(matches!(tagging(quote!(tag = "t")), Tagging::Internal(tag) if tag == "t"));
    assert!(
        matches!(tagging(quote!(tag = "t", content = "c")), Tagging::Adjacent(_, content) if content == "c")
    );
    assert!(matches!(
        good(quote!(
            struct S(A);
        ))
        .wire,
        Some(Wire::Inner)
    ));
    assert!(matches!(
        good(quote!(
            #[serde(transparent)]
            struct S {
                a: A,
            }
        ))
        .wire,
        Some(Wire::Inner)
    ));
}

#[test]
fn ver_41_keys_of_lists_come_from_either_attribute() {
    let keys = |field: TokenStream| {
        let model = good(quote!(#[convert(from = old::S)] struct S { #field }));
        model.keys.iter().map(|key| key.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        keys(quote!(#[convert(nested)] #[kube(list_map_keys("a", "b"))] p: Vec<P>)),
        ["a", "b"]
    );
    assert_eq!(
        keys(quote!(#[convert(nested(key = "a", "b"))] p: Vec<P>)),
        ["a", "b"]
    );
    assert_eq!(
        keys(quote!(#[convert(nested(key = "c"))] #[kube(list_map_keys("a"))] p: Option<Vec<P>>)),
        ["c"]
    );
    assert_eq!(
        keys(quote!(#[convert(nested)] #[schemars(extend("x-kubernetes-list-map-keys" = ["a"]))] p: Vec<P>)),
        ["a"]
    );
    assert!(keys(quote!(#[convert(nested)] p: Vec<P>)).is_empty());
}
