//! The laws of conversion, for objects drawn from the schemas of all versions (VER-22, VER-48).

use site::api::v1;

kubewright::conversion_tests!(v1::Site);
