#![allow(unreachable_pub, reason = "types of a user stand in modules of theirs")]
#![allow(clippy::needless_pass_by_value, reason = "conversion functions take values")]

use super::draw::Reads;
use super::*;
use crate::convert::Converter;
use crate::convert::emitted::{VersionLink, Versioned};

mod prelude {
    pub(super) use crate::{Convert, CustomResource, Defaults, KubeSchema};
    pub(super) use schemars::JsonSchema;
    pub(super) use serde::{Deserialize, Serialize};
}

/// Conversions that keep all laws, and one edge whose functions do not.
mod api {
    pub mod v1alpha1 {
        use super::super::prelude::*;

        #[derive(CustomResource, Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
        #[kube(
            group = "web.example.com",
            version = "v1alpha1",
            kind = "Site",
            namespaced,
            deprecated,
            crates(kubewright = "crate")
        )]
        #[serde(rename_all = "camelCase")]
        pub struct SiteSpec {
            pub image_name: String,
            pub replicas: Option<i32>,
            pub note: Option<String>,
            pub timeout_seconds: i32,
            pub label: String,
            pub memory: String,
            #[serde(default)]
            pub ports: Vec<Port>,
        }

        #[derive(Convert, Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
        #[convert(crates(kubewright = "crate"))]
        pub struct Port {
            pub name: String,
            pub port: u16,
            pub comment: Option<String>,
        }
    }

    pub mod v1 {
        use super::super::prelude::*;
        use super::v1alpha1 as old;

        #[derive(
            CustomResource, Convert, Defaults, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq,
        )]
        #[kube(
            group = "web.example.com",
            version = "v1",
            kind = "Site",
            namespaced,
            storage,
            previous = old::Site,
            crates(kubewright = "crate")
        )]
        #[convert(from = old::SiteSpec, old_only(note))]
        #[serde(rename_all = "camelCase")]
        pub struct SiteSpec {
            #[convert(rename = "image_name")]
            pub image: String,
            pub replicas: Option<i32>,
            #[convert(added)]
            #[kube(default = "small")]
            pub class: Option<String>,
            #[convert(rename = "timeout_seconds", with(up = s_to_ms, down = ms_to_s))]
            pub timeout_millis: i64,
            /// The functions turn the text around, so they are inverses of one another.
            #[convert(with(up = around, down = around, exact))]
            pub label: String,
            #[convert(with(try_up = parse_mib, down = fmt_mib))]
            pub memory: i64,
            #[serde(default)]
            #[convert(nested)]
            #[kube(list_type = "map", list_map_keys("name"))]
            pub ports: Vec<Port>,
        }

        #[derive(Convert, Defaults, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
        #[convert(from = old::Port, old_only(comment), crates(kubewright = "crate"))]
        #[kube(crates(kubewright = "crate"))]
        #[serde(rename_all = "camelCase")]
        pub struct Port {
            pub name: String,
            #[convert(rename = "port")]
            pub number: u16,
            #[convert(added)]
            pub app_protocol: Option<String>,
        }

        fn s_to_ms(seconds: i32) -> i64 {
            i64::from(seconds) * 1000
        }

        fn ms_to_s(millis: i64) -> i32 {
            i32::try_from(millis / 1000).unwrap_or(i32::MAX)
        }

        fn around(text: String) -> String {
            text.chars().rev().collect()
        }

        fn parse_mib(text: String) -> Result<i64, String> {
            let number = text.strip_suffix("Mi").ok_or("no unit")?;
            number.parse().map_err(|_| "no number".to_owned())
        }

        fn fmt_mib(mib: i64) -> String {
            format!("{mib}Mi")
        }
    }
}

use api::{v1, v1alpha1};

fn memory() -> Samples {
    Samples::new().at("v1alpha1", "spec.memory", ["1Mi", "64Mi", "007Mi"])
}

mod emitted {
    use super::{memory, v1, v1alpha1};

    crate::conversion_tests!(v1::Site, v1alpha1::Site; samples = memory());
}

fn laws(link: &'static VersionLink) -> Laws {
    Laws::with(Converter::of_link(link))
        .samples(memory())
        .cases(128)
        .seed(7)
}

/// The same edge, said to lose nothing: no diff is taken.
static LOSSY: VersionLink = VersionLink {
    loss: crate::convert::Loss::NONE,
    ..*<v1::Site as Versioned>::LINK
};

#[test]
fn ver_48_a_lossy_edge_is_told_with_the_smallest_object_the_path_and_the_seed() {
    let broken = laws(&LOSSY).objects_come_back().expect_err("lossy");
    let text = broken.to_string();
    assert!(
        text.starts_with("Site: an object does not come back at spec."),
        "{text}"
    );
    assert!(text.ends_with("to see it again: KUBEWRIGHT_SEED=7"), "{text}");
    assert_eq!(broken.seed(), Some(7));
    // Of the object no more is left than shows it.
    assert!(
        text.contains(r#""spec":{"imageName":"","label":"","memory":"1Mi","#),
        "{text}"
    );
    assert!(
        text.contains("\n  it was ") && text.contains("\n  it is  "),
        "{text}"
    );
    assert_eq!(
        laws(&LOSSY).objects_come_back(),
        Err(broken),
        "the seed gives the same again"
    );
}

#[test]
fn ver_48_an_edit_that_takes_something_else_along_is_told() {
    let broken = laws(&LOSSY).edits_keep_the_rest().expect_err("lossy").to_string();
    assert!(
        broken.starts_with("Site: an edit changes something else at spec"),
        "{broken}"
    );
    assert!(broken.contains(", edit of spec"), "{broken}");
    let broken = laws(&LOSSY)
        .list_items_keep_what_is_theirs()
        .expect_err("lossy")
        .to_string();
    assert!(broken.contains(", other items of spec.ports: "), "{broken}");
}

/// Functions that are called exact and are not.
mod inexact {
    pub mod v1 {
        use super::super::prelude::*;

        #[derive(CustomResource, Serialize, Deserialize, JsonSchema, Clone, Debug)]
        #[kube(
            group = "web.example.com",
            version = "v1",
            kind = "Page",
            crates(kubewright = "crate")
        )]
        pub struct PageSpec {
            pub title: String,
        }
    }
    pub mod v2 {
        use super::super::prelude::*;
        use super::v1 as old;

        #[derive(CustomResource, Convert, Serialize, Deserialize, JsonSchema, Clone, Debug)]
        #[kube(
            group = "web.example.com",
            version = "v2",
            kind = "Page",
            storage,
            previous = old::Page,
            crates(kubewright = "crate")
        )]
        #[convert(from = old::PageSpec)]
        pub struct PageSpec {
            #[convert(with(up = lower, down = same, exact))]
            pub title: String,
        }

        fn lower(title: String) -> String {
            title.to_lowercase().replace('q', "k")
        }

        fn same(title: String) -> String {
            assert!(title != "a", "no title is a");
            title
        }
    }
}

#[test]
fn ver_48_functions_that_are_called_exact_and_are_not_are_told() {
    // No title of one letter, at which a function panics.
    let titles =
        Samples::new()
            .drawn("v1", "spec.title", "[b-z]{2,6}")
            .drawn("v2", "spec.title", "[b-p]{2,6}");
    let laws = || {
        Laws::of::<inexact::v2::Page>()
            .cases(256)
            .seed(1)
            .samples(titles.clone())
    };
    for broken in [laws().objects_come_back(), laws().exact_values_come_back()] {
        let broken = broken.expect_err("not exact");
        assert_eq!(broken.path(), Some("spec.title"));
        let text = broken.to_string();
        assert!(text.contains("`exact`"), "{text}");
        // As small as the samples have it.
        assert!(
            text.contains("it was \"bq\"") || text.contains("it was \"qb\""),
            "{text}"
        );
    }
}

#[test]
fn ver_48_a_panic_is_told() {
    let titles = Samples::new()
        .at("v1", "spec.title", ["a", "b", "c"])
        .at("v2", "spec.title", ["a", "b"]);
    let broken = Laws::of::<inexact::v2::Page>()
        .cases(64)
        .seed(1)
        .samples(titles)
        .objects_come_back();
    let text = broken.expect_err("it panics").to_string();
    assert!(text.contains("spec.title: panicked: no title is a"), "{text}");
}

#[test]
fn ver_48_where_almost_nothing_converts_samples_are_asked_for() {
    let laws = Laws::of::<v1::Site>().cases(64).seed(1);
    let text = laws.objects_come_back().expect_err("no samples").to_string();
    assert!(
        text.contains("drawn objects do not convert from v1alpha1 to v1, such as: spec.memory: no unit"),
        "{text}"
    );
    assert!(text.contains("samples = Samples::new().at("), "{text}");
}

#[test]
fn ver_48_defaults_that_are_not_idempotent_are_told() {
    let set =
        |site: &mut v1::Site| site.spec.replicas = Some(site.spec.replicas.unwrap_or(0).wrapping_add(1));
    let broken = laws(<v1::Site as Versioned>::LINK).defaults_are_idempotent::<v1::Site>(set);
    assert_eq!(broken.expect_err("it counts").path(), Some("spec.replicas"));
}

#[test]
fn samples_stand_at_items_and_values_too() {
    let converter = Converter::of::<v1::Site>();
    let versions = draw::versions(&converter).expect("schemas");
    let samples = Samples::new()
        .at("v1", "spec.ports[].name", ["x"])
        .at("v1", "spec.class", ["y"]);
    let reads = Reads::new(&converter, "v1", "v1alpha1");
    let drawn = versions[0].objects(&samples, reads);
    let seen = std::cell::Cell::new(0);
    laws(<v1::Site as Versioned>::LINK)
        .run(drawn, |object| {
            let ports = object["spec"]["ports"].as_array();
            for port in ports.into_iter().flatten() {
                assert_eq!(port["name"], "x");
                seen.set(seen.get() + 1);
            }
            assert!(object["spec"].get("class").is_none_or(|class| *class == "y"));
            Ok(())
        })
        .expect("no law");
    assert!(seen.get() > 0);
}

/// Each change that a table can say.
#[test]
fn ver_22_all_kinds_of_changes_keep_the_laws() {
    use crate::convert::tests::kinds::V1;
    let samples = Samples::new()
        .drawn("v1alpha1", "spec.address", "[a-z]{0,3}:[1-9][0-9]{0,3}")
        .at("v1alpha1", "spec.memory", ["1Mi", "x", "064Mi"]);
    let laws = Laws::with(Converter::of_link(&V1)).samples(samples);
    hold(laws.objects_come_back());
    hold(laws.exact_values_come_back());
    hold(laws.edits_keep_the_rest());
    hold(laws.list_items_keep_what_is_theirs());
    hold(laws.forged_annotations_are_harmless());
}
