//! What an annotation kept, as far as a pass restores it: in the form that we write, of one version alone.
//!
//! **Invariant:** whatever else an annotation may hold, a forged or a foreign one, is not read here: the tree decides.

use std::cmp::Ordering;
use std::ops::Range;

use super::cell::{Cell, Form};
use super::guard::Home;
use super::path::Segment;
use super::scan::{Scan, bare};

/// Units of one annotation.
const UNITS: usize = 10_000;
/// How much less deep a value may be nested here than in a source.
const SHALLOW: usize = 60;

/// The units of a version, sorted by their paths, of which none is below another.
pub(crate) struct Recall<'s> {
    /// The annotation as it stands in the object, with its quotes.
    pub(crate) source: &'s str,
    units: Vec<Unit>,
    steps: Vec<Step<'s>>,
    values: Vec<Option<&'s str>>,
    /// Names of items' keys and their values as JSON.
    keys: Vec<(&'s str, &'s str)>,
    home: Home<'s>,
}

struct Unit {
    path: Range<usize>,
    /// Which value is to be set.
    value: usize,
}

#[derive(Clone)]
enum Step<'s> {
    Name(&'s str),
    /// Which of the keys.
    Item(Range<usize>),
}

/// A number that is the same for the same keys, and seldom for others.
pub(crate) fn digest<'k>(keys: impl Iterator<Item = &'k str>) -> u64 {
    let mut digest = 0_u64;
    let mut take = |word: [u8; 8]| {
        digest = (digest.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(0x517c_c1b7_2722_0a95);
    };
    for key in keys {
        let bytes = key.as_bytes();
        let (words, _) = bytes.as_chunks();
        words.iter().copied().for_each(&mut take);
        // The last eight bytes, some of which may be in the word before.
        take(bytes.last_chunk().copied().unwrap_or_else(|| {
            let mut word = [0; 8];
            word.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
            word
        }));
        take((bytes.len() as u64).to_le_bytes());
    }
    digest
}

/// The units below a place, and what is known of the place.
#[derive(Clone, Copy)]
pub(crate) struct Within<'s> {
    from: usize,
    to: usize,
    pub(crate) cell: &'s Cell,
}

/// What is below the items of a list, sorted by the digests of their keys.
pub(crate) type Items<'s> = Vec<(u64, Within<'s>)>;

impl Within<'_> {
    /// The units' numbers.
    pub(crate) fn units(&self) -> Range<usize> {
        self.from..self.to
    }
}

impl<'s> Recall<'s> {
    /// Of an annotation's text, and as it stands in the object.
    pub(crate) fn read(text: &'s str, source: &'s str, origin: &str, home: Home<'s>) -> Option<Self> {
        let mut recall = Self {
            source,
            units: Vec::with_capacity(16),
            steps: Vec::with_capacity(64),
            values: Vec::with_capacity(16),
            keys: Vec::with_capacity(16),
            home,
        };
        let mut scan = Scan::of(text);
        scan.open(b'{')?;
        (scan.more(b'}', true)? && bare(scan.name()?) == origin).then_some(())?;
        scan.colon()?;
        recall.part(&mut scan)?;
        (!scan.more(b'}', false)? && scan.is_at_end()).then_some(())?;
        recall.sort().then_some(recall)
    }

    fn part(&mut self, scan: &mut Scan<'s>) -> Option<()> {
        scan.open(b'{')?;
        let mut first = true;
        while scan.more(b'}', first)? {
            first = false;
            let sets = match bare(scan.name()?) {
                "set" => true,
                "del" => false,
                _ => return None,
            };
            scan.colon()?;
            scan.open(b'[')?;
            let mut first = true;
            while scan.more(b']', first)? {
                first = false;
                if self.units.len() == UNITS {
                    return None;
                }
                if sets {
                    scan.open(b'[')?;
                    scan.peek()?;
                    let path = self.path(scan)?;
                    scan.more(b']', false)?.then_some(())?;
                    let value = scan.value_within(SHALLOW)?;
                    (!scan.more(b']', false)?).then_some(())?;
                    self.unit(path, Some(value));
                } else {
                    let path = self.path(scan)?;
                    self.unit(path, None);
                }
            }
        }
        Some(())
    }

    fn unit(&mut self, path: Range<usize>, set: Option<&'s str>) {
        let value = self.values.len();
        self.values.push(set);
        self.units.push(Unit { path, value });
    }

    fn path(&mut self, scan: &mut Scan<'s>) -> Option<Range<usize>> {
        let from = self.steps.len();
        scan.open(b'[')?;
        while scan.more(b']', self.steps.len() == from)? {
            let step = match scan.byte()? {
                b'"' => Step::Name(bare(scan.name()?)),
                _ => {
                    let from = self.keys.len();
                    scan.open(b'{')?;
                    while scan.more(b'}', self.keys.len() == from)? {
                        let name = bare(scan.name()?);
                        scan.colon()?;
                        self.keys.push((name, scan.value_within(SHALLOW)?));
                    }
                    Step::Item(from..self.keys.len())
                }
            };
            self.steps.push(step);
        }
        (self.steps.len() > from).then_some(from..self.steps.len())
    }

    /// Brings the units into order; whether none is below another, or twice there.
    fn sort(&mut self) -> bool {
        let mut units = std::mem::take(&mut self.units);
        if !units.is_sorted_by(|a, b| self.compare(a, b).is_le()) {
            units.sort_by(|a, b| self.compare(a, b));
        }
        let below = |above: &Unit, unit: &Unit| {
            let (above, path) = (&self.steps[above.path.clone()], &self.steps[unit.path.clone()]);
            above.len() <= path.len()
                && above
                    .iter()
                    .zip(path)
                    .all(|(a, b)| self.compare_steps(a, b).is_eq())
        };
        let apart = !units.windows(2).any(|pair| below(&pair[0], &pair[1]));
        self.units = units;
        apart
    }

    fn compare(&self, a: &Unit, b: &Unit) -> Ordering {
        let (a, b) = (&self.steps[a.path.clone()], &self.steps[b.path.clone()]);
        let differ = a.iter().zip(b).map(|(a, b)| self.compare_steps(a, b));
        let first = differ.into_iter().find(|order| order.is_ne());
        first.unwrap_or_else(|| a.len().cmp(&b.len()))
    }

    fn compare_steps(&self, a: &Step<'s>, b: &Step<'s>) -> Ordering {
        match (a, b) {
            (Step::Name(a), Step::Name(b)) => a.cmp(b),
            (Step::Name(_), Step::Item(_)) => Ordering::Less,
            (Step::Item(_), Step::Name(_)) => Ordering::Greater,
            (Step::Item(a), Step::Item(b)) => self.keys[a.clone()].cmp(&self.keys[b.clone()]),
        }
    }

    /// All units.
    pub(crate) fn all(&self) -> Option<Within<'s>> {
        (!self.units.is_empty()).then_some(Within {
            from: 0,
            to: self.units.len(),
            cell: self.home.cell,
        })
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.units.len()
    }

    /// Those below a member.
    pub(crate) fn named(&self, within: Within<'s>, depth: usize, name: &str) -> Option<Within<'s>> {
        let cell = match &within.cell.form {
            Form::Struct(fields) => fields.get(name)?,
            Form::Map(value) => value,
            Form::Unit | Form::List { .. } => return None,
        };
        let order = |unit: &Unit| match self.steps[unit.path.clone()].get(depth) {
            Some(Step::Name(known)) => (*known).cmp(name),
            Some(Step::Item(_)) => Ordering::Greater,
            None => Ordering::Less,
        };
        let units = &self.units[within.units()];
        let from = units.partition_point(|unit| order(unit).is_lt());
        let count = units[from..].partition_point(|unit| order(unit).is_eq());
        let from = within.from + from;
        (count > 0).then_some(Within {
            from,
            to: from + count,
            cell,
        })
    }

    /// Those below the items of a list; `None` where there are others, too.
    pub(crate) fn items(&self, within: Within<'s>, depth: usize) -> Option<Items<'s>> {
        let Form::List { keys: names, item } = &within.cell.form else {
            return None;
        };
        let mut items: Items<'s> = Vec::new();
        let mut last = None;
        for unit in within.units() {
            let Step::Item(keys) = self.steps[self.units[unit].path.clone()].get(depth)? else {
                return None;
            };
            let keys = &self.keys[keys.clone()];
            if let Some((_, below)) = items.last_mut()
                && last == Some(keys)
            {
                below.to += 1;
                continue;
            }
            keys.iter().map(|(name, _)| name).eq(names).then_some(())?;
            let below = Within {
                from: unit,
                to: unit + 1,
                cell: item,
            };
            items.push((digest(keys.iter().map(|(_, value)| *value)), below));
            last = Some(keys);
        }
        items.sort_unstable_by_key(|(digest, _)| *digest);
        Some(items)
    }

    /// Those below an item of these keys.
    pub(crate) fn item(
        &self,
        items: &[(u64, Within<'s>)],
        depth: usize,
        values: &[Option<&str>],
    ) -> Option<Within<'s>> {
        let values = || values.iter().map(|value| value.unwrap_or_default());
        let digest = digest(values());
        let from = items.partition_point(|(known, _)| *known < digest);
        let alike = items[from..].iter().take_while(|(known, _)| *known == digest);
        alike.map(|(_, below)| *below).find(|below| {
            let step = self.steps[self.units[below.from].path.clone()].get(depth);
            matches!(step, Some(Step::Item(keys)) if self.keys[keys.clone()].iter().map(|(_, value)| *value).eq(values()))
        })
    }

    /// The last name of a path that ends behind `depth` steps.
    pub(crate) fn ends(&self, unit: usize, depth: usize) -> Option<&'s str> {
        match &self.steps[self.units[unit].path.clone()] {
            [way @ .., Step::Name(name)] if way.len() == depth => Some(name),
            _ => None,
        }
    }

    /// The one unit that is about a place itself, and not about something in it.
    pub(crate) fn whole(&self, within: Within<'s>, depth: usize) -> Option<usize> {
        (within.to == within.from + 1 && self.units[within.from].path.len() == depth).then_some(within.from)
    }

    /// What is to be set, or nothing where the place is to be removed; `None` where the place does not admit it.
    pub(crate) fn admitted(&self, unit: usize, cell: &Cell) -> Option<Option<&'s str>> {
        let Some(text) = self.values[self.units[unit].value] else {
            return (!cell.required).then_some(None);
        };
        let fits = cell.admits(text) && {
            let scalar = cell.scalar.get_or_init(|| {
                let path = self.segments(unit);
                self.home.schemas.scalar(self.home.link, &path)
            });
            scalar.is_some_and(|scalar| scalar.admits(text))
                || self
                    .home
                    .schemas
                    .admits(self.home.link, &self.segments(unit), text)
        };
        fits.then_some(Some(text))
    }

    fn segments(&self, unit: usize) -> Vec<Segment> {
        let steps = self.steps[self.units[unit].path.clone()].iter();
        steps
            .map(|step| match step {
                Step::Name(name) => Segment::Name((*name).to_owned()),
                Step::Item(keys) => Segment::Item(
                    self.keys[keys.clone()]
                        .iter()
                        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                        .collect(),
                ),
            })
            .collect()
    }
}
