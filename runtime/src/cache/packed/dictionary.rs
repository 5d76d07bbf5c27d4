//! The words that packed objects of one cache share.
//!
//! Names of fields are words from the first on. Other texts become one where they were met in several objects: what
//! is only there once (names, uids, hashes) would fill the dictionary and never be used again.
//!
//! **Invariant:** a word stays what it is as long as the dictionary is there, and there are at most [`MOST`] of them, of
//! [`LONGEST`] bytes each.

use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

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

/// How many names in types are remembered by their places.
const NAMES: usize = 512;

const SEGMENT: usize = 128;

type Segment = Box<[OnceLock<Box<str>>]>;

/// Words' numbers by the hashes of the words.
type Numbers = HashTable<u16>;

/// Whether a text is known beforehand to come again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// A name in a type.
    Type,
    /// Anything else.
    Object,
}

pub(super) struct Dictionary {
    /// Filled from the front, so that who reads a word takes no lock.
    segments: [OnceLock<Segment>; MOST.div_ceil(SEGMENT)],
    /// Those who write an object hold the table of when they began; few objects bring a word.
    numbers: RwLock<Arc<Numbers>>,
    met: OnceLock<Box<[AtomicU64]>>,
    /// Numbers of names in types by where these names stand in the program, to which 48 bits are enough.
    names: OnceLock<Box<[AtomicU64]>>,
    hasher: DefaultHashBuilder,
    bytes: AtomicUsize,
}

/// A text that may become a word, in 64 bits: a change that is lost to another thread's only makes it one later.
#[derive(Clone, Copy)]
struct Met {
    print: u32,
    /// The lower 24 bits of the object's number.
    object: u32,
    times: u8,
}

impl Met {
    const OBJECT: u32 = (1 << 24) - 1;

    fn of(bits: u64) -> Self {
        Self {
            print: (bits >> 32) as u32,
            object: (bits >> 8) as u32 & Self::OBJECT,
            times: bits as u8,
        }
    }

    fn bits(self) -> u64 {
        u64::from(self.print) << 32 | u64::from(self.object) << 8 | u64::from(self.times)
    }
}

/// A dictionary for one object that is written.
pub(super) struct Words<'a> {
    dictionary: &'a Dictionary,
    numbers: Arc<Numbers>,
    /// The object's number, which tells texts of several objects from several texts of one.
    object: u32,
}

fn zeros(count: usize) -> Box<[AtomicU64]> {
    (0..count).map(|_| AtomicU64::new(0)).collect()
}

impl Dictionary {
    pub(super) fn new() -> Self {
        Self {
            segments: std::array::from_fn(|_| OnceLock::new()),
            numbers: RwLock::default(),
            met: OnceLock::new(),
            names: OnceLock::new(),
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

    fn known(&self, numbers: &Numbers, text: &str, hash: u64) -> Option<usize> {
        let known = numbers.find(hash, |number| self.word(usize::from(*number)) == Some(text));
        known.map(|number| usize::from(*number))
    }

    /// The words for the object of that number.
    pub(super) fn words(&self, object: u32) -> Words<'_> {
        Words {
            dictionary: self,
            numbers: self.numbers(),
            object,
        }
    }

    fn numbers(&self) -> Arc<Numbers> {
        Arc::clone(&self.numbers.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn is_often(&self, hash: u64, object: u32) -> bool {
        let met = self.met.get_or_init(|| zeros(MEMORY));
        let place = &met[hash as usize % MEMORY];
        let (print, object) = ((hash >> 32) as u32, object & Met::OBJECT);
        let before = Met::of(place.load(Ordering::Relaxed));
        let now = if before.print != print || before.times == 0 {
            Met {
                print,
                object,
                times: 1,
            }
        } else if before.object == object {
            before
        } else {
            Met {
                object,
                times: before.times.saturating_add(1),
                ..before
            }
        };
        place.store(now.bits(), Ordering::Relaxed);
        now.times >= OFTEN
    }

    fn add(&self, text: &str, hash: u64, most: usize) -> Option<usize> {
        let mut numbers = self.numbers.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = self.known(&numbers, text, hash) {
            return Some(known);
        }
        let number = numbers.len();
        if number >= most {
            return None;
        }
        let segment =
            self.segments[number / SEGMENT].get_or_init(|| (0..SEGMENT).map(|_| OnceLock::new()).collect());
        segment[number % SEGMENT].get_or_init(|| text.into());
        let small = u16::try_from(number).ok()?;
        // Copied where others write objects at this moment: some kilobytes, at most once for each word.
        Arc::make_mut(&mut numbers).insert_unique(hash, small, |other| {
            self.hash(self.word(usize::from(*other)).unwrap_or_default())
        });
        self.bytes.fetch_add(text.len() + 16, Ordering::Relaxed);
        Some(number)
    }

    /// How many words there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.numbers().len()
    }

    /// Its memory.
    pub(super) fn bytes(&self) -> usize {
        let segments = self
            .segments
            .iter()
            .filter(|segment| segment.get().is_some())
            .count();
        let table = self.numbers().allocation_size();
        let met = self.met.get().map_or(0, |met| size_of_val(&**met));
        self.bytes.load(Ordering::Relaxed)
            + segments * SEGMENT * size_of::<OnceLock<Box<str>>>()
            + table
            + met
            + self.names.get().map_or(0, |names| size_of_val(&**names))
            + size_of::<Self>()
    }
}

impl Words<'_> {
    /// The number of a name that stands in the program, where that is a word.
    ///
    /// Most of what an object is written with are these. One place and length are one text, so that it need not be looked
    /// at again.
    pub(super) fn number_of_name(&mut self, name: &'static str) -> Option<usize> {
        let names = self.dictionary.names.get_or_init(|| zeros(NAMES));
        let address = name.as_ptr().addr() as u64;
        let place = &names[(address.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize % NAMES];
        let bits = place.load(Ordering::Relaxed);
        let number = bits as u16 as usize;
        if bits >> 16 == address
            && self
                .dictionary
                .word(number)
                .is_some_and(|word| word.len() == name.len())
        {
            return Some(number);
        }
        let number = self.number(name, Origin::Type)?;
        if address < 1 << 48 {
            place.store(address << 16 | number as u64, Ordering::Relaxed);
        }
        Some(number)
    }

    /// The number of a word, which the text may become by this.
    pub(super) fn number(&mut self, text: &str, origin: Origin) -> Option<usize> {
        if !(2..=LONGEST).contains(&text.len()) {
            return None;
        }
        let dictionary = self.dictionary;
        let hash = dictionary.hash(text);
        let known = dictionary.known(&self.numbers, text, hash);
        let most = match origin {
            _ if known.is_some() => return known,
            Origin::Type => MOST,
            Origin::Object => MOST - RESERVED,
        };
        // One that is full stays so, and takes no lock to say it.
        if self.numbers.len() >= most {
            return None;
        }
        if origin == Origin::Object && !dictionary.is_often(hash, self.object) {
            return None;
        }
        // Not held meanwhile, so that the table need not be copied.
        self.numbers = Arc::default();
        let number = dictionary.add(text, hash, most);
        self.numbers = dictionary.numbers();
        number
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
                dictionary
                    .words(object)
                    .number(&format!("uid-{object}"), Origin::Object),
                None
            );
            // Several times in one object is once.
            for _ in 0..4 {
                assert_eq!(
                    dictionary
                        .words(object)
                        .number(&format!("app-{object}"), Origin::Object),
                    None
                );
            }
        }
        assert_eq!(dictionary.len(), 0);
        for object in 0..2 {
            assert_eq!(dictionary.words(object).number("web", Origin::Object), None);
        }
        assert_eq!(dictionary.words(2).number("web", Origin::Object), Some(0));
        assert_eq!(dictionary.words(2).number("spec", Origin::Type), Some(1));
        assert_eq!(dictionary.words(0).number("web", Origin::Object), Some(0));
        assert_eq!(
            (dictionary.word(0), dictionary.word(1)),
            (Some("web"), Some("spec"))
        );
        assert_eq!((dictionary.word(2), dictionary.word(MOST)), (None, None));
    }

    /// Two names may begin at one place; each is told by its length.
    #[test]
    fn names_of_types_are_found_by_their_places() {
        let dictionary = Dictionary::new();
        let long = "replicasets";
        let short = &long[.."replicas".len()];
        for _ in 0..3 {
            for (number, name) in [long, short].into_iter().enumerate() {
                let mut words = dictionary.words(0);
                assert_eq!(words.number_of_name(name), Some(number));
                assert_eq!(dictionary.word(number), Some(name));
            }
        }
        assert_eq!(
            dictionary.words(0).number_of_name("x"),
            None,
            "shorter than a word's number"
        );
    }

    /// The invariant.
    #[test]
    fn is_bounded() {
        let dictionary = Dictionary::new();
        for round in 0..4 {
            for text in 0..MOST * 2 {
                dictionary
                    .words(round)
                    .number(&format!("value-{text}"), Origin::Object);
                // Between two meetings nothing else is met.
                for again in 0..3 {
                    dictionary
                        .words(round * 10 + again)
                        .number(&format!("value-{text}"), Origin::Object);
                }
            }
        }
        assert_eq!(dictionary.len(), MOST - RESERVED);
        for text in 0..MOST {
            dictionary.words(0).number(&format!("field-{text}"), Origin::Type);
        }
        assert_eq!(dictionary.len(), MOST);
        assert_eq!(
            dictionary.words(0).number(&"x".repeat(LONGEST + 1), Origin::Type),
            None
        );
        assert!(dictionary.bytes() < 512 << 10);
    }
}
