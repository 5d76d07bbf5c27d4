// Versions and defaults without a prelude, under another name of the crate, in a crate that denies warnings.
#![no_implicit_prelude]
#![deny(warnings)]
#![allow(dead_code)]

extern crate kubewright as renamed;
extern crate serde as my_serde;

pub mod old {
    use crate::my_serde::{Deserialize, Serialize};

    #[derive(
        crate::renamed::CustomResource, Serialize, Deserialize, Clone, Debug, crate::renamed::KubeSchema,
    )]
    #[serde(crate = "crate::my_serde")]
    #[kube(
        group = "example.com",
        version = "v1alpha1",
        kind = "Site",
        served = false,
        conversion(overflow = "refuse_write"),
        crates(kubewright = "crate::renamed")
    )]
    pub struct SiteSpec {
        pub size: i32,
        pub address: ::std::string::String,
        pub tls: ::std::option::Option<Tls>,
        pub strategy: Strategy,
        pub gone: ::std::option::Option<bool>,
        pub ingress: Ingress,
        #[serde(flatten)]
        pub flat: Flat,
    }

    #[derive(
        crate::renamed::Convert, Serialize, Deserialize, Clone, Debug, Default, crate::renamed::KubeSchema,
    )]
    #[serde(crate = "crate::my_serde")]
    #[kube(crates(kubewright = "crate::renamed"))]
    pub struct Tls {
        pub secret: ::std::option::Option<::std::string::String>,
    }

    #[derive(crate::renamed::Convert, Serialize, Deserialize, Clone, Debug, crate::renamed::KubeSchema)]
    #[serde(crate = "crate::my_serde")]
    #[kube(crates(kubewright = "crate::renamed"))]
    #[serde(tag = "type")]
    pub enum Strategy {
        Rolling,
        Git { url: ::std::string::String },
    }

    #[derive(crate::renamed::Convert, Serialize, Deserialize, Clone, Debug, crate::renamed::KubeSchema)]
    #[serde(crate = "crate::my_serde")]
    #[kube(crates(kubewright = "crate::renamed"))]
    pub struct Flat {
        pub r#type: ::std::option::Option<::std::string::String>,
    }

    #[derive(crate::renamed::Convert, Serialize, Deserialize, Clone, Debug, crate::renamed::KubeSchema)]
    #[serde(crate = "crate::my_serde")]
    #[kube(crates(kubewright = "crate::renamed"))]
    pub struct Ingress {}
}

pub mod new {
    use crate::my_serde::{Deserialize, Serialize};

    struct Result;
    struct Option;
    struct String;
    struct Vec;
    struct Default;
    struct TryFrom;

    #[derive(
        crate::renamed::CustomResource,
        crate::renamed::Convert,
        crate::renamed::Defaults,
        Serialize,
        Deserialize,
        Clone,
        Debug,
        crate::renamed::KubeSchema,
    )]
    #[serde(crate = "crate::my_serde")]
    #[kube(
        group = "example.com",
        version = "v1",
        kind = "Site",
        storage,
        previous = super::old::Site,
        crates(kubewright = "crate::renamed")
    )]
    #[convert(
        from = super::old::SiteSpec,
        old_only(gone = true),
        group(old(address), new(host, port), up = split, down = join),
        moved("tls.secret" => "ingress.secret")
    )]
    #[defaults(with = fill)]
    pub struct SiteSpec {
        #[convert(rename = "size", with(up = widen, try_down = narrow))]
        pub wide: i64,
        pub host: ::std::string::String,
        pub port: i32,
        #[convert(nested)]
        pub tls: ::std::option::Option<Tls>,
        #[convert(nested)]
        pub strategy: Strategy,
        #[convert(nested)]
        pub ingress: Ingress,
        #[convert(added(value = 1))]
        pub retries: i32,
        #[kube(default_with = one)]
        #[convert(added)]
        pub made: ::std::option::Option<i32>,
        #[serde(flatten)]
        #[convert(nested)]
        pub flat: Flat,
    }

    fn fill(_: &mut SiteSpec) {}

    fn one() -> i32 {
        1
    }

    fn widen(size: i32) -> i64 {
        ::std::convert::From::from(size)
    }

    fn narrow(wide: i64) -> ::std::result::Result<i32, ::std::num::TryFromIntError> {
        ::std::convert::TryFrom::try_from(wide)
    }

    fn split(address: ::std::string::String) -> (::std::string::String, i32) {
        (address, 80)
    }

    fn join(parts: (::std::string::String, i32)) -> ::std::string::String {
        parts.0
    }

    #[derive(
        crate::renamed::Convert,
        crate::renamed::Defaults,
        Serialize,
        Deserialize,
        Clone,
        Debug,
        crate::renamed::KubeSchema,
    )]
    #[serde(crate = "crate::my_serde")]
    #[kube(crates(kubewright = "crate::renamed"))]
    #[convert(from = super::old::Tls, old_only(secret(moved)))]
    pub struct Tls {}

    #[derive(crate::renamed::Convert, Serialize, Deserialize, Clone, Debug, crate::renamed::KubeSchema)]
    #[serde(crate = "crate::my_serde")]
    #[kube(crates(kubewright = "crate::renamed"))]
    #[convert(from = super::old::Strategy)]
    #[serde(tag = "type")]
    pub enum Strategy {
        Rolling,
        Git {
            #[convert(rename = "url")]
            address: ::std::string::String,
            #[convert(added(value = 1))]
            depth: i32,
        },
        #[convert(added(down = Rolling))]
        Canary,
    }

    #[derive(crate::renamed::Convert, Serialize, Deserialize, Clone, Debug, crate::renamed::KubeSchema)]
    #[serde(crate = "crate::my_serde")]
    #[kube(crates(kubewright = "crate::renamed"))]
    #[convert(from = super::old::Flat)]
    pub struct Flat {
        pub r#type: ::std::option::Option<::std::string::String>,
    }

    #[derive(crate::renamed::Convert, Serialize, Deserialize, Clone, Debug, crate::renamed::KubeSchema)]
    #[serde(crate = "crate::my_serde")]
    #[kube(crates(kubewright = "crate::renamed"))]
    #[convert(from = super::old::Ingress)]
    pub struct Ingress {
        #[convert(moved)]
        pub secret: ::std::option::Option<::std::string::String>,
    }

    impl ::std::default::Default for Ingress {
        fn default() -> Self {
            Ingress {
                secret: ::std::option::Option::None,
            }
        }
    }
}

fn main() {
    let names = crate::renamed::versions::VersionSet::<new::Site>::names();
    ::std::assert_eq!(names, ["v1", "v1alpha1"]);
    ::std::assert_eq!(crate::renamed::convert::Converter::of::<new::Site>().storage(), "v1");
}
