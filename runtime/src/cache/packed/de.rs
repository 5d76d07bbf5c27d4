//! From bytes to an object, as `serde_json` reads the JSON of it.
//!
//! **Invariant:** bytes that no packer wrote are an error, never a panic nor more memory than they have.

use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};
use serde::forward_to_deserialize_any;

use super::dictionary::{Dictionary, SHORT};
use super::{DEEPEST, Failure, PRESETS, tag};

pub(super) struct Reader<'de> {
    pub(super) bytes: &'de [u8],
    pub(super) words: &'de Dictionary,
    pub(super) presets: [Option<&'de str>; PRESETS],
    pub(super) depth: usize,
}

fn broken<T>() -> Result<T, Failure> {
    Err(de::Error::custom("its packed form is broken"))
}

/// Where a list or map ends.
#[derive(Clone, Copy)]
enum Rest {
    Count(usize),
    Open,
}

impl<'de> Reader<'de> {
    #[inline]
    pub(super) fn byte(&mut self) -> Result<u8, Failure> {
        let Some((first, rest)) = self.bytes.split_first() else {
            return broken();
        };
        self.bytes = rest;
        Ok(*first)
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.first().copied()
    }

    #[inline]
    pub(super) fn number(&mut self) -> Result<u64, Failure> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        broken()
    }

    #[inline]
    fn length(&mut self) -> Result<usize, Failure> {
        usize::try_from(self.number()?).or_else(|_| broken())
    }

    #[inline]
    fn take(&mut self, length: usize) -> Result<&'de [u8], Failure> {
        let Some((taken, rest)) = self.bytes.split_at_checked(length) else {
            return broken();
        };
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Failure> {
        self.take(N)?.try_into().or_else(|_| broken())
    }

    #[inline]
    pub(super) fn raw_text(&mut self, length: usize) -> Result<&'de str, Failure> {
        std::str::from_utf8(self.take(length)?).or_else(|_| broken())
    }

    /// The text whose tag was read; `None` where that is no text's.
    #[inline]
    fn text_of(&mut self, first: u8) -> Result<Option<&'de str>, Failure> {
        let text = match first {
            tag::WORD.. => self.words.word(usize::from(first - tag::WORD)),
            tag::LATER_WORD..=tag::LAST_LATER_WORD => {
                let high = usize::from(first - tag::LATER_WORD) << 8;
                let number = SHORT + (high | usize::from(self.byte()?));
                self.words.word(number)
            }
            tag::PRESET..=tag::LAST_PRESET => self.presets[usize::from(first - tag::PRESET)],
            tag::SHORT_TEXT..tag::WORD => Some(self.raw_text(usize::from(first - tag::SHORT_TEXT))?),
            tag::TEXT => {
                let length = self.length()?;
                Some(self.raw_text(length)?)
            }
            _ => return Ok(None),
        };
        match text {
            Some(text) => Ok(Some(text)),
            None => broken(),
        }
    }

    #[inline]
    fn text(&mut self) -> Result<&'de str, Failure> {
        let first = self.byte()?;
        match self.text_of(first)? {
            Some(text) => Ok(text),
            None => broken(),
        }
    }

    #[inline]
    fn within<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Failure>) -> Result<T, Failure> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return broken();
        }
        let read = read(self);
        self.depth -= 1;
        read
    }

    fn group<T>(
        &mut self,
        rest: Rest,
        read: impl FnOnce(&mut Group<'_, 'de>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.within(|reader| {
            let mut group = Group { reader, rest };
            let value = read(&mut group)?;
            match group.is_done()? {
                true => Ok(value),
                false => Err(de::Error::custom("there are more elements than were read")),
            }
        })
    }

    fn list<V: Visitor<'de>>(&mut self, rest: Rest, visitor: V) -> Result<V::Value, Failure> {
        self.group(rest, |group| visitor.visit_seq(group))
    }

    fn map<V: Visitor<'de>>(&mut self, rest: Rest, visitor: V) -> Result<V::Value, Failure> {
        self.group(rest, |group| visitor.visit_map(group))
    }

    fn byte_list<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Failure> {
        let length = self.length()?;
        let bytes = self.take(length)?;
        visitor.visit_seq(de::value::SeqDeserializer::new(bytes.iter().copied()))
    }

    /// Passes over a value.
    fn skip(&mut self) -> Result<(), Failure> {
        let first = self.byte()?;
        if self.text_of(first)?.is_some() {
            return Ok(());
        }
        match first {
            tag::NULL | tag::FALSE | tag::TRUE | tag::SMALL..tag::SHORT_TEXT => {}
            tag::UNSIGNED | tag::NEGATIVE => drop(self.number()?),
            tag::LONG_UNSIGNED | tag::LONG_SIGNED => drop(self.take(16)?),
            tag::DOUBLE => drop(self.take(8)?),
            tag::FLOAT => drop(self.take(4)?),
            tag::BYTES => {
                let length = self.length()?;
                self.take(length)?;
            }
            tag::VARIANT => {
                self.text()?;
                self.within(Self::skip)?;
            }
            tag::LIST | tag::MAP => {
                let count = self.length()?;
                let each = 1 + usize::from(first == tag::MAP);
                self.within(|reader| {
                    for _ in 0..count.saturating_mul(each) {
                        reader.skip()?;
                    }
                    Ok(())
                })?;
            }
            tag::OPEN_LIST | tag::OPEN_MAP => self.within(|reader| {
                while reader.peek() != Some(tag::END) {
                    reader.skip()?;
                }
                reader.byte()?;
                Ok(())
            })?,
            _ => return broken(),
        }
        Ok(())
    }
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let first = self.byte()?;
        if let Some(text) = self.text_of(first)? {
            return visitor.visit_borrowed_str(text);
        }
        match first {
            tag::NULL => visitor.visit_unit(),
            tag::FALSE => visitor.visit_bool(false),
            tag::TRUE => visitor.visit_bool(true),
            tag::SMALL..tag::SHORT_TEXT => visitor.visit_u64(u64::from(first - tag::SMALL)),
            tag::UNSIGNED => visitor.visit_u64(self.number()?),
            tag::NEGATIVE => visitor.visit_i64(!(self.number()? as i64)),
            // JSON's numbers beyond 64 bits are read as these.
            tag::LONG_UNSIGNED => visitor.visit_f64(u128::from_le_bytes(self.array()?) as f64),
            tag::LONG_SIGNED => visitor.visit_f64(i128::from_le_bytes(self.array()?) as f64),
            tag::DOUBLE => visitor.visit_f64(f64::from_le_bytes(self.array()?)),
            tag::FLOAT => visitor.visit_f32(f32::from_le_bytes(self.array()?)),
            tag::BYTES => self.byte_list(visitor),
            tag::LIST => {
                let count = self.length()?;
                self.list(Rest::Count(count), visitor)
            }
            tag::OPEN_LIST => self.list(Rest::Open, visitor),
            tag::MAP => {
                let count = self.length()?;
                self.map(Rest::Count(count), visitor)
            }
            tag::OPEN_MAP => self.map(Rest::Open, visitor),
            // As JSON has it: a map of one.
            tag::VARIANT => self.map(Rest::Count(1), visitor),
            _ => broken(),
        }
    }

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.peek() {
            Some(tag::LONG_UNSIGNED) => {
                self.byte()?;
                visitor.visit_u128(u128::from_le_bytes(self.array()?))
            }
            Some(tag::LONG_SIGNED) => {
                self.byte()?;
                visitor.visit_i128(i128::from_le_bytes(self.array()?))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_i128(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if self.peek() == Some(tag::NULL) {
            self.byte()?;
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        // JSON as it was written is a map with a key of that name, in which `serde_json` looks for it.
        if name == "$serde_json::private::RawValue" {
            return self.deserialize_any(visitor);
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let Some(first) = self.peek() else { return broken() };
        let mut ahead = Reader { ..*self };
        ahead.byte()?;
        match ahead.text_of(first)? {
            Some(text) => {
                self.bytes = ahead.bytes;
                visitor.visit_borrowed_bytes(text.as_bytes())
            }
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let first = self.byte()?;
        if let Some(name) = self.text_of(first)? {
            return visitor.visit_enum(IntoDeserializer::<Failure>::into_deserializer(name));
        }
        let rest = match first {
            tag::VARIANT => Rest::Count(1),
            tag::MAP => Rest::Count(self.length()?),
            tag::OPEN_MAP => Rest::Open,
            _ => {
                return Err(de::Error::custom(
                    "neither the name of a variant nor a map with one",
                ));
            }
        };
        self.group(rest, |group| visitor.visit_enum(group))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.skip()?;
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string unit unit_struct seq tuple tuple_struct map
        struct identifier
    }
}

/// A list or map that is being read.
struct Group<'r, 'de> {
    reader: &'r mut Reader<'de>,
    rest: Rest,
}

impl Group<'_, '_> {
    /// Whether the next element is there; an end is read.
    #[inline]
    fn next(&mut self) -> Result<bool, Failure> {
        match &mut self.rest {
            Rest::Count(0) => Ok(false),
            Rest::Count(count) => {
                *count -= 1;
                Ok(true)
            }
            Rest::Open if self.reader.peek() == Some(tag::END) => {
                self.reader.byte()?;
                self.rest = Rest::Count(0);
                Ok(false)
            }
            Rest::Open => Ok(true),
        }
    }

    fn is_done(&mut self) -> Result<bool, Failure> {
        self.next().map(|next| !next)
    }

    /// What may be reserved: an element has a byte at least.
    fn hint(&self) -> Option<usize> {
        match self.rest {
            Rest::Count(count) => Some(count.min(self.reader.bytes.len())),
            Rest::Open => None,
        }
    }
}

impl<'de> SeqAccess<'de> for &mut Group<'_, 'de> {
    type Error = Failure;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Failure> {
        match self.next()? {
            true => seed.deserialize(&mut *self.reader).map(Some),
            false => Ok(None),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        self.hint()
    }
}

impl<'de> MapAccess<'de> for &mut Group<'_, 'de> {
    type Error = Failure;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Failure> {
        match self.next()? {
            true => seed.deserialize(Key(self.reader.text()?)).map(Some),
            false => Ok(None),
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Failure> {
        seed.deserialize(&mut *self.reader)
    }

    fn size_hint(&self) -> Option<usize> {
        self.hint()
    }
}

impl<'de> EnumAccess<'de> for &mut Group<'_, 'de> {
    type Error = Failure;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Failure> {
        if !self.next()? {
            return broken();
        }
        let name = self.reader.text()?;
        Ok((seed.deserialize(Key(name))?, self))
    }
}

impl<'de> VariantAccess<'de> for &mut Group<'_, 'de> {
    type Error = Failure;

    fn unit_variant(self) -> Result<(), Failure> {
        de::Deserialize::deserialize(&mut *self.reader)
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Failure> {
        seed.deserialize(&mut *self.reader)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Failure> {
        self.reader.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.reader.deserialize_any(visitor)
    }
}

/// A key of a map, which was made a text whatever its type.
struct Key<'de>(&'de str);

macro_rules! parsed {
    ($($method:ident: $visit:ident),*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            match self.0.parse() {
                Ok(value) => visitor.$visit(value),
                Err(_) => visitor.visit_borrowed_str(self.0),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Key<'de> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_borrowed_str(self.0)
    }

    parsed! {
        deserialize_bool: visit_bool, deserialize_i8: visit_i8, deserialize_i16: visit_i16,
        deserialize_i32: visit_i32, deserialize_i64: visit_i64, deserialize_i128: visit_i128,
        deserialize_u8: visit_u8, deserialize_u16: visit_u16, deserialize_u32: visit_u32,
        deserialize_u64: visit_u64, deserialize_u128: visit_u128
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_enum(IntoDeserializer::<Failure>::into_deserializer(self.0))
    }

    forward_to_deserialize_any! {
        f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier
        ignored_any
    }
}
