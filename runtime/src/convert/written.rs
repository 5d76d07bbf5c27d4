//! Values of Rust types as JSON, without members that are `None`.
//!
//! Serde writes `None` as null unless a type says otherwise, and the server takes such nulls out of what it stores. What
//! is written here is what will stand there, so that an object which comes back is compared with itself.
//!
//! **Invariant:** nothing but `None` is left out, and only as a struct's member: null in open values, in lists and as a
//! map's value stays.

use serde::Serialize;
use serde::ser::{self, Impossible, Serializer};

/// The value as JSON.
pub(crate) fn to_string<T: Serialize + ?Sized>(value: &T) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Written(value))
}

/// A value that leaves out members.
struct Written<'v, T: ?Sized>(&'v T);

impl<T: Serialize + ?Sized> Serialize for Written<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(Writer(serializer))
    }
}

/// Writes as the one inside does, with all that is nested wrapped anew.
struct Writer<S>(S);

/// The same for the parts of a value.
struct Parts<P> {
    inner: P,
    /// Whether a map is a struct: one with flattened fields, whose length serde does not know.
    is_struct: bool,
}

impl<P> Parts<P> {
    fn of(inner: P) -> Self {
        Self {
            inner,
            is_struct: false,
        }
    }
}

macro_rules! plain {
    ($($method:ident($type:ty)),* $(,)?) => {$(
        fn $method(self, value: $type) -> Result<S::Ok, S::Error> {
            self.0.$method(value)
        }
    )*};
}

impl<S: Serializer> Serializer for Writer<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Parts<S::SerializeSeq>;
    type SerializeTuple = Parts<S::SerializeTuple>;
    type SerializeTupleStruct = Parts<S::SerializeTupleStruct>;
    type SerializeTupleVariant = Parts<S::SerializeTupleVariant>;
    type SerializeMap = Parts<S::SerializeMap>;
    type SerializeStruct = Parts<S::SerializeStruct>;
    type SerializeStructVariant = Parts<S::SerializeStructVariant>;

    plain!(
        serialize_bool(bool),
        serialize_i8(i8),
        serialize_i16(i16),
        serialize_i32(i32),
        serialize_i64(i64),
        serialize_i128(i128),
        serialize_u8(u8),
        serialize_u16(u16),
        serialize_u32(u32),
        serialize_u64(u64),
        serialize_u128(u128),
        serialize_f32(f32),
        serialize_f64(f64),
        serialize_char(char),
        serialize_str(&str),
        serialize_bytes(&[u8]),
        serialize_unit_struct(&'static str),
    );

    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.0.serialize_none()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.0.serialize_some(&Written(value))
    }

    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.0.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<S::Ok, S::Error> {
        self.0.serialize_unit_variant(name, index, variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.0.serialize_newtype_struct(name, &Written(value))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.0
            .serialize_newtype_variant(name, index, variant, &Written(value))
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        self.0.serialize_seq(len).map(Parts::of)
    }

    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, S::Error> {
        self.0.serialize_tuple(len).map(Parts::of)
    }

    fn serialize_tuple_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleStruct, S::Error> {
        self.0.serialize_tuple_struct(name, len).map(Parts::of)
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        self.0
            .serialize_tuple_variant(name, index, variant, len)
            .map(Parts::of)
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        let inner = self.0.serialize_map(len)?;
        Ok(Parts {
            is_struct: len.is_none(),
            ..Parts::of(inner)
        })
    }

    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Self::SerializeStruct, S::Error> {
        self.0.serialize_struct(name, len).map(Parts::of)
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        self.0
            .serialize_struct_variant(name, index, variant, len)
            .map(Parts::of)
    }
}

macro_rules! elements {
    ($($trait:ident::$method:ident),* $(,)?) => {$(
        impl<P: ser::$trait> ser::$trait for Parts<P> {
            type Ok = P::Ok;
            type Error = P::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), P::Error> {
                self.inner.$method(&Written(value))
            }

            fn end(self) -> Result<P::Ok, P::Error> {
                self.inner.end()
            }
        }
    )*};
}

elements!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field,
);

macro_rules! members {
    ($($trait:ident),* $(,)?) => {$(
        impl<P: ser::$trait> ser::$trait for Parts<P> {
            type Ok = P::Ok;
            type Error = P::Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), P::Error> {
                if is_none(value) {
                    return self.inner.skip_field(key);
                }
                self.inner.serialize_field(key, &Written(value))
            }

            fn skip_field(&mut self, key: &'static str) -> Result<(), P::Error> {
                self.inner.skip_field(key)
            }

            fn end(self) -> Result<P::Ok, P::Error> {
                self.inner.end()
            }
        }
    )*};
}

members!(SerializeStruct, SerializeStructVariant);

impl<P: ser::SerializeMap> ser::SerializeMap for Parts<P> {
    type Ok = P::Ok;
    type Error = P::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), P::Error> {
        self.inner.serialize_key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), P::Error> {
        self.inner.serialize_value(&Written(value))
    }

    fn serialize_entry<K: Serialize + ?Sized, T: Serialize + ?Sized>(
        &mut self,
        key: &K,
        value: &T,
    ) -> Result<(), P::Error> {
        if self.is_struct && is_none(value) {
            return Ok(());
        }
        self.inner.serialize_entry(key, &Written(value))
    }

    fn end(self) -> Result<P::Ok, P::Error> {
        self.inner.end()
    }
}

fn is_none<T: Serialize + ?Sized>(value: &T) -> bool {
    value.serialize(IsNone).is_ok()
}

/// Serializes `None`, and nothing else.
struct IsNone;

/// Any other value.
#[derive(Debug, thiserror::Error)]
#[error("a value")]
struct Other;

impl ser::Error for Other {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self
    }
}

macro_rules! values {
    ($($method:ident($($type:ty),*) -> $ok:ty),* $(,)?) => {$(
        fn $method(self, $(_: $type),*) -> Result<$ok, Other> {
            Err(Other)
        }
    )*};
}

type No = Impossible<(), Other>;

impl Serializer for IsNone {
    type Ok = ();
    type Error = Other;
    type SerializeSeq = No;
    type SerializeTuple = No;
    type SerializeTupleStruct = No;
    type SerializeTupleVariant = No;
    type SerializeMap = No;
    type SerializeStruct = No;
    type SerializeStructVariant = No;

    fn serialize_none(self) -> Result<(), Other> {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<(), Other> {
        Err(Other)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Other> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Other> {
        Err(Other)
    }

    values!(
        serialize_bool(bool) -> (),
        serialize_i8(i8) -> (),
        serialize_i16(i16) -> (),
        serialize_i32(i32) -> (),
        serialize_i64(i64) -> (),
        serialize_i128(i128) -> (),
        serialize_u8(u8) -> (),
        serialize_u16(u16) -> (),
        serialize_u32(u32) -> (),
        serialize_u64(u64) -> (),
        serialize_u128(u128) -> (),
        serialize_f32(f32) -> (),
        serialize_f64(f64) -> (),
        serialize_char(char) -> (),
        serialize_str(&str) -> (),
        serialize_bytes(&[u8]) -> (),
        serialize_unit() -> (),
        serialize_unit_struct(&'static str) -> (),
        serialize_unit_variant(&'static str, u32, &'static str) -> (),
        serialize_seq(Option<usize>) -> No,
        serialize_tuple(usize) -> No,
        serialize_tuple_struct(&'static str, usize) -> No,
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> No,
        serialize_map(Option<usize>) -> No,
        serialize_struct(&'static str, usize) -> No,
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> No,
    );

    fn collect_str<T: std::fmt::Display + ?Sized>(self, _: &T) -> Result<(), Other> {
        Err(Other)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Serialize;
    use serde_json::{Value, json};

    #[derive(Serialize)]
    struct Outer {
        a: Option<i32>,
        twice: Option<Option<i32>>,
        map: BTreeMap<&'static str, Option<i32>>,
        list: Vec<Option<Inner>>,
        open: Value,
        tuple: (Option<i32>, Inner),
        one: One,
        #[serde(flatten)]
        flat: Inner,
    }

    #[derive(Serialize, Default)]
    struct Inner {
        b: Option<i32>,
        c: f64,
    }

    #[derive(Serialize)]
    enum One {
        Struct { d: Option<i32> },
    }

    #[test]
    fn ver_08_none_is_left_out_of_structs_and_nothing_else() {
        let outer = Outer {
            a: None,
            twice: Some(None),
            map: BTreeMap::from([("k", None)]),
            list: vec![None, Some(Inner::default())],
            open: json!({"n": null}),
            tuple: (None, Inner::default()),
            one: One::Struct { d: None },
            flat: Inner::default(),
        };
        let text = super::to_string(&outer).unwrap();
        let inner = r#"{"c":0.0}"#;
        let rest = format!(
            r#""map":{{"k":null}},"list":[null,{inner}],"open":{{"n":null}},"tuple":[null,{inner}],"one":{{"Struct":{{}}}},"c":0.0}}"#
        );
        assert_eq!(text, format!(r#"{{"twice":null,{rest}"#));
        assert_eq!(super::to_string(&None::<i32>).unwrap(), "null");
        assert_eq!(super::to_string(&i128::MAX).unwrap(), i128::MAX.to_string());
    }

    #[derive(Serialize)]
    struct Whole {
        a: Option<i32>,
        twice: Option<Option<i32>>,
        raw: Box<serde_json::value::RawValue>,
    }

    #[test]
    fn ver_08_so_are_those_of_structs_whose_length_is_known() {
        let raw = serde_json::value::to_raw_value(&json!({"n": null})).unwrap();
        let whole = Whole {
            a: None,
            twice: Some(None),
            raw,
        };
        assert_eq!(
            super::to_string(&whole).unwrap(),
            r#"{"twice":null,"raw":{"n":null}}"#
        );
    }
}
