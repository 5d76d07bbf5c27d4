//! Tests that a user's conversions keep what objects hold, by the feature `testing`.
//!
//! [`conversion_tests!`](crate::conversion_tests) in a test module is all there is to write. Objects are drawn from the
//! schema of each version, with all that it allows; what must hold of them is said at the methods of [`Laws`].
//!
//! ```
//! # mod api {
//! #     pub mod v1alpha1 {
//! #         use kubewright::CustomResource; use schemars::JsonSchema; use serde::{Deserialize, Serialize};
//! #         #[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
//! #         #[kube(group = "web.example.com", version = "v1alpha1", kind = "Site")]
//! #         pub struct SiteSpec { pub note: Option<String> }
//! #     }
//! #     pub mod v1 {
//! #         use kubewright::{Convert, CustomResource}; use schemars::JsonSchema; use serde::{Deserialize, Serialize};
//! #         #[derive(CustomResource, Convert, Serialize, Deserialize, Clone, Debug, JsonSchema)]
//! #         #[kube(group = "web.example.com", version = "v1", kind = "Site", storage, previous = super::v1alpha1::Site)]
//! #         #[convert(from = super::v1alpha1::SiteSpec, old_only(note))]
//! #         pub struct SiteSpec { #[convert(added)] pub class: Option<String> }
//! #     }
//! # }
//! # use api::*;
//! #[cfg(test)]
//! mod tests {
//!     use super::*;
//!
//!     kubewright::conversion_tests!(v1::Site);
//! }
//! # kubewright::testing::Laws::of::<v1::Site>().cases(16).objects_come_back().unwrap();
//! ```
//!
//! `KUBEWRIGHT_CASES` says how many objects each test draws, 256 where it is absent. A test draws the
//! same objects each time, so that it fails for a change and not by chance; `KUBEWRIGHT_SEED` draws others, as a nightly
//! job should, and those of a failure again.

mod broken;
pub(crate) mod draw;
mod forge;
mod laws;
pub(crate) mod places;
mod trial;

#[cfg(test)]
mod tests;

pub use broken::Broken;
pub use draw::Samples;
pub use laws::Laws;
pub use proptest;

/// Makes tests of a kind's conversions, in the module where it stands; see [`testing`](crate::testing).
///
/// The type is that of the newest version. Further types, as `v1alpha1::Site`, are looked at where they have
/// [defaults](crate::Defaults), as the first one is; `samples = ...` gives values that the schema does not know of:
///
/// ```ignore
/// kubewright::conversion_tests!(v1::Site, v1alpha1::Site; samples = Samples::new().at("v1alpha1", "spec.memory", ["1Mi"]));
/// ```
///
/// A second kind needs a module of its own, since the tests have fixed names.
#[macro_export]
macro_rules! conversion_tests {
    ($kind:path $(, $older:path)* $(,)? $(; samples = $samples:expr)?) => {
        fn __laws() -> $crate::testing::Laws {
            let laws = $crate::testing::Laws::of::<$kind>();
            $(let laws = laws.samples($samples);)?
            laws
        }

        #[test]
        fn objects_come_back() {
            $crate::testing::hold(__laws().objects_come_back());
        }

        #[test]
        fn what_no_diff_is_taken_for_comes_back_without_one() {
            $crate::testing::hold(__laws().exact_values_come_back());
        }

        #[test]
        fn an_edit_changes_what_was_edited() {
            $crate::testing::hold(__laws().edits_keep_the_rest());
        }

        #[test]
        fn items_of_lists_keep_what_is_theirs() {
            $crate::testing::hold(__laws().list_items_keep_what_is_theirs());
        }

        #[test]
        fn forged_annotations_are_harmless() {
            $crate::testing::hold(__laws().forged_annotations_are_harmless());
        }

        #[test]
        fn setting_defaults_twice_is_setting_them_once() {
            #[allow(unused_imports)]
            use $crate::defaults::NothingInside as _;
            $crate::testing::hold(__laws().defaults_are_idempotent::<$kind>(|__value| {
                $crate::defaults::Inside(__value).set_defaults();
            }));
            $($crate::testing::hold(__laws().defaults_are_idempotent::<$older>(|__value| {
                $crate::defaults::Inside(__value).set_defaults();
            }));)*
        }
    };
}

/// Ends a test whose law is broken.
///
/// # Panics
/// With the text of the [`Broken`].
#[doc(hidden)]
pub fn hold(law: Result<(), Broken>) {
    if let Err(broken) = law {
        panic!("{broken}");
    }
}
