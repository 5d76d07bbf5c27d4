//! The words that packed objects of one cache share.
//!
//! Names of fields are words from the first on. Other texts become one where they were met in several objects: what
//! is only there once (names, uids, hashes) would fill the dictionary and never be used again.
//!
//! **Invariant:** a word stays what it is as long as the dictionary is there, and there are at most [`MOST`] of them, of
//! [`LONGEST`] bytes each.

use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError, RwLock};

use hashbrown::{DefaultHashBuilder, HashTable};

/// Words that one byte names.
pub(super) const SHORT: usize = 128;
/// As many as two bytes name, and those.
pub(super) const MOST: usize = SHORT + 4096;
/// Bytes of the longest word.
pub(super) const LONGEST: usize = 64;
/// Words that are no fields leave so many to the fields.
const RESERVED: usize = 512;
/// In how many objects a text is met before it is a word.
const OFTEN: u8 = 3;
/// How many texts are remembered for that, each in a place that its hash gives.
const MEMORY: usize = 4096;

const SEGMENT: usize = 128;

type Segment = Box<[OnceLock<Box<str>>]>;

/// Whether a text is known beforehand to come again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// A name in a type.
    Type,
    /// Anything else; the number is the object's.
    Object(u32),
}

pub(super) struct Dictionary {
    /// Filled from the front, so that who reads a word takes no lock.
    segments: [OnceLock<Segment>; MOST.div_ceil(SEGMENT)],
    numbers: RwLock<HashTable<u16>>,
    met: Mutex<Vec<Met>>,
    hasher: DefaultHashBuilder,
    bytes: AtomicUsize,
}

/// A text that may become a word.
#[derive(Clone, Copy, Default)]
struct Met {
    print: u32,
    object: u32,
    times: u8,
}

impl Dictionary {
    pub(super) fn new() -> Self {
        Self {
            segments: std::array::from_fn(|_| OnceLock::new()),
            numbers: RwLock::default(),
            met: Mutex::default(),
            hasher: DefaultHashBuilder::default(),
            bytes: AtomicUsize::new(0),
        }
    }

    fn hash(&self, text: &str) -> u64 {
        let mut state = self.hasher.build_hasher();
        state.write(text.as_bytes());
        state.finish()
    }

    pub(super) fn word(&self, number: usize) -> Option<&str> {
        let segment = self.segments.get(number / SEGMENT)?.get()?;
        segment[number % SEGMENT].get().map(|word| &**word)
    }

    /// The number of a word, which the text may become by this.
    pub(super) fn number(&self, text: &str, origin: Origin) -> Option<usize> {
        if !(2..=LONGEST).contains(&text.len()) {
            return None;
        }
        let hash = self.hash(text);
        let known = {
            let numbers = self.numbers.read().unwrap_or_else(PoisonError::into_inner);
            let known = numbers.find(hash, |number| self.word(usize::from(*number)) == Some(text));
            known.map(|number| usize::from(*number))
        };
        let most = match origin {
            _ if known.is_some() => return known,
            Origin::Type => MOST,
            Origin::Object(_) => MOST - RESERVED,
        };
        if let Origin::Object(object) = origin
            && !self.is_often(hash, object)
        {
            return None;
        }
        self.add(text, hash, most)
    }

    fn is_often(&self, hash: u64, object: u32) -> bool {
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        if met.is_empty() {
            met.resize(MEMORY, Met::default());
        }
        let print = (hash >> 32) as u32;
        let place = &mut met[hash as usize % MEMORY];
        if place.print != print || place.times == 0 {
            *place = Met {
                print,
                object,
                times: 1,
            };
        } else if place.object != object {
            place.object = object;
            place.times = place.times.saturating_add(1);
        }
        place.times >= OFTEN
    }

    fn add(&self, text: &str, hash: u64, most: usize) -> Option<usize> {
        let mut numbers = self.numbers.write().unwrap_or_else(PoisonError::into_inner);
        let known = numbers.find(hash, |number| self.word(usize::from(*number)) == Some(text));
        if let Some(known) = known {
            return Some(usize::from(*known));
        }
        let number = numbers.len();
        if number >= most {
            return None;
        }
        let segment =
            self.segments[number / SEGMENT].get_or_init(|| (0..SEGMENT).map(|_| OnceLock::new()).collect());
        segment[number % SEGMENT].get_or_init(|| text.into());
        let small = u16::try_from(number).ok()?;
        numbers.insert_unique(hash, small, |other| {
            self.hash(self.word(usize::from(*other)).unwrap_or_default())
        });
        self.bytes.fetch_add(text.len() + 16, Ordering::Relaxed);
        Some(number)
    }

    /// How many words there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.numbers.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Its memory.
    pub(super) fn bytes(&self) -> usize {
        let segments = self
            .segments
            .iter()
            .filter(|segment| segment.get().is_some())
            .count();
        let table = self
            .numbers
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .allocation_size();
        let met = self.met.lock().unwrap_or_else(PoisonError::into_inner).capacity();
        self.bytes.load(Ordering::Relaxed)
            + segments * SEGMENT * size_of::<OnceLock<Box<str>>>()
            + table
            + met * size_of::<Met>()
            + size_of::<Self>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_once_is_no_word() {
        let dictionary = Dictionary::new();
        for object in 0..100_000 {
            assert_eq!(
                dictionary.number(&format!("uid-{object}"), Origin::Object(object)),
                None
            );
            // Several times in one object is once.
            for _ in 0..4 {
                assert_eq!(
                    dictionary.number(&format!("app-{object}"), Origin::Object(object)),
                    None
                );
            }
        }
        assert_eq!(dictionary.len(), 0);
        for object in 0..2 {
            assert_eq!(dictionary.number("web", Origin::Object(object)), None);
        }
        assert_eq!(dictionary.number("web", Origin::Object(2)), Some(0));
        assert_eq!(dictionary.number("spec", Origin::Type), Some(1));
        assert_eq!(dictionary.number("web", Origin::Object(2)), Some(0));
        assert_eq!(
            (dictionary.word(0), dictionary.word(1)),
            (Some("web"), Some("spec"))
        );
        assert_eq!((dictionary.word(2), dictionary.word(MOST)), (None, None));
    }

    /// The invariant.
    #[test]
    fn is_bounded() {
        let dictionary = Dictionary::new();
        for round in 0..4 {
            for text in 0..MOST * 2 {
                dictionary.number(&format!("value-{text}"), Origin::Object(round));
                // Between two meetings nothing else is met.
                for again in 0..3 {
                    dictionary.number(&format!("value-{text}"), Origin::Object(round * 10 + again));
                }
            }
        }
        assert_eq!(dictionary.len(), MOST - RESERVED);
        for text in 0..MOST {
            dictionary.number(&format!("field-{text}"), Origin::Type);
        }
        assert_eq!(dictionary.len(), MOST);
        assert_eq!(dictionary.number(&"x".repeat(LONGEST + 1), Origin::Type), None);
        assert!(dictionary.bytes() < 512 << 10);
    }
}
