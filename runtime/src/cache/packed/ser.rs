//! From an object to bytes.
//!
//! Each value gives a hash of its shape: which fields and variants there are, not what they hold. Objects of one shape
//! are read back alike.
//!
//! **Invariant:** what this writes without an error, the reader of the same dictionary understands.

use std::fmt::{self, Write};

use serde::ser::{self, Serialize, Serializer};

use super::dictionary::{Origin, SHORT, Words};
use super::{Failure, PRESETS, tag};

pub(super) struct Packer<'a> {
    pub(super) out: Vec<u8>,
    pub(super) presets: [Option<&'a str>; PRESETS],
    words: Words<'a>,
    depth: usize,
    text: String,
}

fn mix(hash: u64, other: u64) -> u64 {
    (hash.rotate_left(5) ^ other).wrapping_mul(0x517c_c1b7_2722_0a95)
}

fn hash_of(text: &str) -> u64 {
    text.as_bytes().chunks(8).fold(text.len() as u64, |hash, chunk| {
        let mut bytes = [0; 8];
        bytes[..chunk.len()].copy_from_slice(chunk);
        mix(hash, u64::from_le_bytes(bytes))
    })
}

/// Shapes of what has no parts.
mod shape {
    pub(super) const NULL: u64 = 1;
    pub(super) const BOOL: u64 = 2;
    pub(super) const NUMBER: u64 = 3;
    pub(super) const BYTES: u64 = 4;
    pub(super) const TEXT: u64 = 5;
    pub(super) const EMPTY: u64 = 6;
    pub(super) const LIST: u64 = 7;
    pub(super) const MAP: u64 = 8;
    pub(super) const STRUCT: u64 = 9;
    pub(super) const VARIANT: u64 = 10;
}

pub(super) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

impl<'a> Packer<'a> {
    pub(super) fn new(words: Words<'a>, presets: [Option<&'a str>; PRESETS]) -> Self {
        Self {
            out: Vec::with_capacity(512),
            presets,
            words,
            depth: 0,
            text: String::new(),
        }
    }

    /// A name of the type; gives its hash, which is that of its place in the program.
    fn put_name(&mut self, name: &'static str) -> u64 {
        let number = self.words.number_of_name(name);
        self.put_word(number, name);
        mix(name.as_ptr().addr() as u64, name.len() as u64)
    }

    fn put_text(&mut self, text: &str) -> u64 {
        let shape = if text.is_empty() {
            shape::EMPTY
        } else {
            shape::TEXT
        };
        if let Some(preset) = self.presets.iter().position(|preset| *preset == Some(text)) {
            self.out.push(tag::PRESET + preset as u8);
            return shape;
        }
        let number = self.words.number(text, Origin::Object);
        self.put_word(number, text);
        shape
    }

    /// A text by its number, where it has one.
    fn put_word(&mut self, number: Option<usize>, text: &str) {
        match number {
            Some(number) if number < SHORT => self.out.push(tag::WORD + number as u8),
            Some(number) => {
                let number = number - SHORT;
                self.out.push(tag::LATER_WORD + (number >> 8) as u8);
                self.out.push(number as u8);
            }
            None => {
                if text.len() <= tag::MOST_SHORT {
                    self.out.push(tag::SHORT_TEXT + text.len() as u8);
                } else {
                    self.out.push(tag::TEXT);
                    put_number(&mut self.out, text.len() as u64);
                }
                self.out.extend_from_slice(text.as_bytes());
            }
        }
    }

    fn put_unsigned(&mut self, number: u64) -> u64 {
        if number <= tag::MOST_SMALL {
            self.out.push(tag::SMALL + number as u8);
        } else {
            self.out.push(tag::UNSIGNED);
            put_number(&mut self.out, number);
        }
        shape::NUMBER
    }

    fn put_signed(&mut self, number: i64) -> u64 {
        match u64::try_from(number) {
            Ok(number) => self.put_unsigned(number),
            Err(_) => {
                self.out.push(tag::NEGATIVE);
                put_number(&mut self.out, !number as u64);
                shape::NUMBER
            }
        }
    }

    fn deeper(&mut self) -> Result<(), Failure> {
        self.depth += 1;
        match self.depth {
            ..=super::DEEPEST => Ok(()),
            _ => Err(ser::Error::custom("it is too deep")),
        }
    }

    fn group(&mut self, form: Form, count: Option<usize>, shape: u64) -> Result<Group<'_, 'a>, Failure> {
        self.deeper()?;
        let (counted, open) = match form {
            Form::List => (tag::LIST, tag::OPEN_LIST),
            Form::Map | Form::Struct => (tag::MAP, tag::OPEN_MAP),
        };
        match count {
            Some(count) => {
                self.out.push(counted);
                put_number(&mut self.out, count as u64);
            }
            None => self.out.push(open),
        }
        // A map of unknown length is most often a struct with flattened fields.
        let form = if form == Form::Map && count.is_none() {
            Form::Struct
        } else {
            form
        };
        Ok(Group {
            packer: self,
            form,
            count,
            seen: 0,
            shape,
            items: 0,
        })
    }

    fn variant(&mut self, name: &'static str) -> u64 {
        self.out.push(tag::VARIANT);
        let name = self.put_name(name);
        mix(shape::VARIANT, name)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    List,
    Map,
    Struct,
}

/// A list, map or struct on its way.
pub(super) struct Group<'p, 'a> {
    packer: &'p mut Packer<'a>,
    form: Form,
    /// How many elements were announced.
    count: Option<usize>,
    seen: usize,
    shape: u64,
    /// Which shapes elements have, in whatever order and number.
    items: u64,
}

impl Group<'_, '_> {
    fn item<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Failure> {
        self.seen += 1;
        let shape = value.serialize(&mut *self.packer)?;
        match self.form {
            Form::Struct => self.shape = mix(self.shape, shape),
            Form::List | Form::Map => self.items |= mix(shape, 1),
        }
        Ok(())
    }

    fn field<T: ?Sized + Serialize>(&mut self, name: &'static str, value: &T) -> Result<(), Failure> {
        let name = self.packer.put_name(name);
        self.shape = mix(self.shape, name);
        self.item(value)
    }

    fn done(self) -> Result<u64, Failure> {
        self.packer.depth -= 1;
        match self.count {
            None => self.packer.out.push(tag::END),
            Some(count) if count == self.seen => {}
            Some(count) => {
                let seen = self.seen;
                return Err(ser::Error::custom(format_args!(
                    "{count} elements were announced, {seen} came"
                )));
            }
        }
        Ok(mix(self.shape, self.items))
    }
}

macro_rules! numbers {
    ($($method:ident: $type:ty => $put:ident),*) => {$(
        fn $method(self, number: $type) -> Result<u64, Failure> {
            Ok(self.$put(number.into()))
        }
    )*};
}

impl<'p, 'a> Serializer for &'p mut Packer<'a> {
    type Ok = u64;
    type Error = Failure;
    type SerializeSeq = Group<'p, 'a>;
    type SerializeTuple = Group<'p, 'a>;
    type SerializeTupleStruct = Group<'p, 'a>;
    type SerializeTupleVariant = Group<'p, 'a>;
    type SerializeMap = Group<'p, 'a>;
    type SerializeStruct = Group<'p, 'a>;
    type SerializeStructVariant = Group<'p, 'a>;

    numbers! {
        serialize_i8: i8 => put_signed, serialize_i16: i16 => put_signed, serialize_i32: i32 => put_signed,
        serialize_i64: i64 => put_signed, serialize_u8: u8 => put_unsigned, serialize_u16: u16 => put_unsigned,
        serialize_u32: u32 => put_unsigned, serialize_u64: u64 => put_unsigned
    }

    fn serialize_bool(self, value: bool) -> Result<u64, Failure> {
        self.out.push(if value { tag::TRUE } else { tag::FALSE });
        Ok(shape::BOOL)
    }

    fn serialize_i128(self, number: i128) -> Result<u64, Failure> {
        if let Ok(number) = i64::try_from(number) {
            return Ok(self.put_signed(number));
        }
        if let Ok(number) = u64::try_from(number) {
            return Ok(self.put_unsigned(number));
        }
        self.out.push(tag::LONG_SIGNED);
        self.out.extend_from_slice(&number.to_le_bytes());
        Ok(shape::NUMBER)
    }

    fn serialize_u128(self, number: u128) -> Result<u64, Failure> {
        if let Ok(number) = u64::try_from(number) {
            return Ok(self.put_unsigned(number));
        }
        self.out.push(tag::LONG_UNSIGNED);
        self.out.extend_from_slice(&number.to_le_bytes());
        Ok(shape::NUMBER)
    }

    fn serialize_f32(self, number: f32) -> Result<u64, Failure> {
        self.out.push(tag::FLOAT);
        self.out.extend_from_slice(&number.to_le_bytes());
        Ok(shape::NUMBER)
    }

    fn serialize_f64(self, number: f64) -> Result<u64, Failure> {
        self.out.push(tag::DOUBLE);
        self.out.extend_from_slice(&number.to_le_bytes());
        Ok(shape::NUMBER)
    }

    fn serialize_char(self, value: char) -> Result<u64, Failure> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, text: &str) -> Result<u64, Failure> {
        Ok(self.put_text(text))
    }

    fn collect_str<T: ?Sized + fmt::Display>(self, value: &T) -> Result<u64, Failure> {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        write!(text, "{value}").map_err(ser::Error::custom)?;
        let shape = self.put_text(&text);
        self.text = text;
        Ok(shape)
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<u64, Failure> {
        self.out.push(tag::BYTES);
        put_number(&mut self.out, bytes.len() as u64);
        self.out.extend_from_slice(bytes);
        Ok(shape::BYTES)
    }

    fn serialize_none(self) -> Result<u64, Failure> {
        self.serialize_unit()
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<u64, Failure> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<u64, Failure> {
        self.out.push(tag::NULL);
        Ok(shape::NULL)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<u64, Failure> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, name: &'static str) -> Result<u64, Failure> {
        let name = self.put_name(name);
        Ok(mix(shape::TEXT, name))
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<u64, Failure> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        value: &T,
    ) -> Result<u64, Failure> {
        let shape = self.variant(name);
        self.deeper()?;
        let inner = value.serialize(&mut *self)?;
        self.depth -= 1;
        Ok(mix(shape, inner))
    }

    fn serialize_seq(self, count: Option<usize>) -> Result<Group<'p, 'a>, Failure> {
        self.group(Form::List, count, shape::LIST)
    }

    fn serialize_tuple(self, count: usize) -> Result<Group<'p, 'a>, Failure> {
        self.group(Form::List, Some(count), mix(shape::LIST, count as u64))
    }

    fn serialize_tuple_struct(self, _: &'static str, count: usize) -> Result<Group<'p, 'a>, Failure> {
        self.serialize_tuple(count)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        count: usize,
    ) -> Result<Group<'p, 'a>, Failure> {
        let shape = self.variant(name);
        self.group(Form::List, Some(count), shape)
    }

    fn serialize_map(self, count: Option<usize>) -> Result<Group<'p, 'a>, Failure> {
        // One that is empty may be left out where it is read.
        let shape = mix(shape::MAP, u64::from(count == Some(0)));
        self.group(Form::Map, count, shape)
    }

    /// Some types announce another number of fields than they write, so that it is not taken down.
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Group<'p, 'a>, Failure> {
        self.group(Form::Struct, None, shape::STRUCT)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Group<'p, 'a>, Failure> {
        let shape = self.variant(name);
        self.group(Form::Struct, None, shape)
    }
}

impl ser::SerializeMap for Group<'_, '_> {
    type Ok = u64;
    type Error = Failure;

    fn serialize_key<T: ?Sized + Serialize>(&mut self, key: &T) -> Result<(), Failure> {
        let hash = key.serialize(Key(self.packer))?;
        if self.form == Form::Struct {
            self.shape = mix(self.shape, hash);
        }
        Ok(())
    }

    fn serialize_value<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Failure> {
        self.item(value)
    }

    fn end(self) -> Result<u64, Failure> {
        self.done()
    }
}

macro_rules! elements {
    ($($trait:ident: $method:ident),*) => {$(
        impl ser::$trait for Group<'_, '_> {
            type Ok = u64;
            type Error = Failure;

            fn $method<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Failure> {
                self.item(value)
            }

            fn end(self) -> Result<u64, Failure> {
                self.done()
            }
        }
    )*};
}

elements! {
    SerializeSeq: serialize_element, SerializeTuple: serialize_element, SerializeTupleStruct: serialize_field,
    SerializeTupleVariant: serialize_field
}

macro_rules! fields {
    ($($trait:ident),*) => {$(
        impl ser::$trait for Group<'_, '_> {
            type Ok = u64;
            type Error = Failure;

            fn serialize_field<T: ?Sized + Serialize>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Failure> {
                self.field(name, value)
            }

            fn end(self) -> Result<u64, Failure> {
                self.done()
            }
        }
    )*};
}

fields! { SerializeStruct, SerializeStructVariant }

/// A key of a map, which is a text in JSON whatever its type.
struct Key<'p, 'a>(&'p mut Packer<'a>);

impl Key<'_, '_> {
    fn put(self, text: &str) -> Result<u64, Failure> {
        self.0.put_text(text);
        Ok(hash_of(text))
    }

    fn refuse<T>() -> Result<T, Failure> {
        Err(ser::Error::custom("a key of a map is no text"))
    }
}

macro_rules! keys {
    ($($method:ident: $type:ty),*) => {$(
        fn $method(self, value: $type) -> Result<u64, Failure> {
            self.put(&value.to_string())
        }
    )*};
}

type Never = ser::Impossible<u64, Failure>;

impl Serializer for Key<'_, '_> {
    type Ok = u64;
    type Error = Failure;
    type SerializeSeq = Never;
    type SerializeTuple = Never;
    type SerializeTupleStruct = Never;
    type SerializeTupleVariant = Never;
    type SerializeMap = Never;
    type SerializeStruct = Never;
    type SerializeStructVariant = Never;

    keys! {
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_i128: i128, serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64,
        serialize_u128: u128, serialize_char: char
    }

    fn serialize_str(self, text: &str) -> Result<u64, Failure> {
        self.put(text)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, name: &'static str) -> Result<u64, Failure> {
        self.put(name)
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<u64, Failure> {
        value.serialize(self)
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<u64, Failure> {
        value.serialize(self)
    }

    fn serialize_f32(self, _: f32) -> Result<u64, Failure> {
        Self::refuse()
    }

    fn serialize_f64(self, _: f64) -> Result<u64, Failure> {
        Self::refuse()
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<u64, Failure> {
        Self::refuse()
    }

    fn serialize_none(self) -> Result<u64, Failure> {
        Self::refuse()
    }

    fn serialize_unit(self) -> Result<u64, Failure> {
        Self::refuse()
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<u64, Failure> {
        Self::refuse()
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<u64, Failure> {
        Self::refuse()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Never, Failure> {
        Self::refuse()
    }

    fn serialize_tuple(self, _: usize) -> Result<Never, Failure> {
        Self::refuse()
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Never, Failure> {
        Self::refuse()
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Never, Failure> {
        Self::refuse()
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Never, Failure> {
        Self::refuse()
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Never, Failure> {
        Self::refuse()
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Never, Failure> {
        Self::refuse()
    }
}
