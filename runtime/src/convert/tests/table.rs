//! What is known before any object is.

use super::kinds::{V1, v1, v1alpha1};
use crate::convert::link::Loss;
use crate::convert::table::Shape;
use crate::convert::wire::Wire;
use crate::convert::{Convert, ConvertEdge};

#[test]
fn ver_03_loss_is_known_at_compile_time() {
    const PORT: Loss = <v1::Port as ConvertEdge<v1alpha1::Port>>::LOSS;
    assert_eq!(
        PORT,
        Loss {
            up: false,
            down: true
        }
    );
    assert_eq!(<v1::Limit as Convert>::LOSS, Loss::NONE, "exact functions");
    assert_eq!(<v1::Tls as Convert>::LOSS, Loss::NONE);
    assert_eq!(<v1::Strategy as Convert>::LOSS, Loss::BOTH);
    assert_eq!(<Vec<v1::Port> as Convert>::LOSS, PORT, "that of the items");
    assert_eq!(<v1::SiteSpec as Convert>::LOSS, Loss::BOTH);
    assert_eq!(
        <v1::SiteSpec as ConvertEdge<v1::SiteSpec>>::LOSS,
        Loss::NONE,
        "the same type"
    );
    assert_eq!(V1.loss, Loss::BOTH);
}

#[test]
fn a_table_speaks_of_both_sides() {
    let Shape::Table(table) = <v1::SiteSpec as Convert>::SHAPE else {
        panic!("a struct has a table")
    };
    for field in table.fields {
        assert!(field.old.is_none_or(|name| table.old.wire.has(name)), "{field:?}");
        assert!(field.new.is_none_or(|name| table.new.wire.has(name)), "{field:?}");
    }
    let Wire::Struct { fields, .. } = table.new.wire else {
        panic!("a struct has fields")
    };
    let named = fields.iter().filter(|wire| {
        let acted = table.fields.iter().any(|field| field.new == Some(wire.rust));
        acted
            || table
                .groups
                .iter()
                .any(|group| group.new.iter().any(|member| member.rust == wire.rust))
    });
    assert_eq!(named.count(), fields.len(), "each field has an action");
}
