//! Large patterns, matched character by character.
//!
//! The `regex` crate knows bytes: `\pL` is some hundred states there, and `\pL{1,1000}` takes seconds to compile. Go has
//! one instruction for each character, whatever its class is; so has this program, which is compiled in no time and
//! walked by all threads at once (Pike's machine), as Go does it.
//!
//! **Invariant:** a match takes time in the length of the text times that of the program at most, and a pattern is
//! found where the `regex` crate finds it.

use std::ops::{ControlFlow, Range};

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, ClassUnicode, Hir, HirKind, Look, Repetition};

/// As many instructions nothing has that [`check`](super::check) accepts.
const MAX_INSTRUCTIONS: usize = 1 << 21;
/// As deep nothing nests that is accepted, classes and look-arounds included.
const MAX_HEIGHT: u32 = 1000;

/// A compiled pattern.
#[derive(Debug)]
pub(super) struct Program {
    instructions: Vec<Instruction>,
    classes: Vec<ClassUnicode>,
    /// Whether it matches at the beginning of the text or nowhere.
    anchored: bool,
}

#[derive(Clone, Copy, Debug)]
enum Instruction {
    /// One character, then the next instruction.
    Char(char),
    /// One character of a class, then the next instruction.
    Class(u32),
    /// Nothing but a place, then the next instruction.
    Look(Look),
    /// Another instruction, so many further on or back: a part of a program can be copied as it is.
    Jump(i32),
    /// The next instruction and another one.
    Split(i32),
    Match,
}

impl Program {
    /// Compiles a pattern as the `regex` crate writes it. `None` if it has what is not about whole characters.
    pub(super) fn new(pattern: &str) -> Option<Self> {
        let hir = ParserBuilder::new()
            .utf8(false)
            .nest_limit(MAX_HEIGHT)
            .build()
            .parse(pattern)
            .ok()?;
        let mut program = Self {
            instructions: Vec::new(),
            classes: Vec::new(),
            anchored: hir.properties().look_set_prefix().contains(Look::Start),
        };
        program.hir(&hir)?;
        program.push(Instruction::Match)?;
        Some(program)
    }

    fn push(&mut self, instruction: Instruction) -> Option<usize> {
        if self.instructions.len() >= MAX_INSTRUCTIONS {
            return None;
        }
        self.instructions.push(instruction);
        Some(self.instructions.len() - 1)
    }

    /// How far it is from an instruction to what comes next; there are not so many that this could not be told.
    fn way_from(&self, at: usize) -> i32 {
        i32::try_from(self.instructions.len() - at).unwrap_or(i32::MAX)
    }

    fn hir(&mut self, hir: &Hir) -> Option<()> {
        match hir.kind() {
            HirKind::Empty => {}
            HirKind::Literal(literal) => {
                for c in std::str::from_utf8(&literal.0).ok()?.chars() {
                    self.push(Instruction::Char(c))?;
                }
            }
            HirKind::Class(class) => {
                let class = match class {
                    Class::Unicode(class) => class.clone(),
                    Class::Bytes(class) => class.to_unicode_class()?,
                };
                self.push(Instruction::Class(u32::try_from(self.classes.len()).ok()?))?;
                self.classes.push(class);
            }
            HirKind::Look(look) => {
                self.push(Instruction::Look(*look))?;
            }
            HirKind::Repetition(repetition) => self.repetition(repetition)?,
            HirKind::Capture(capture) => self.hir(&capture.sub)?,
            HirKind::Concat(parts) => {
                for part in parts {
                    self.hir(part)?;
                }
            }
            HirKind::Alternation(parts) => {
                let mut ends = Vec::with_capacity(parts.len());
                let (last, others) = parts.split_last()?;
                for part in others {
                    let split = self.push(Instruction::Split(0))?;
                    self.hir(part)?;
                    ends.push(self.push(Instruction::Jump(0))?);
                    self.instructions[split] = Instruction::Split(self.way_from(split));
                }
                self.hir(last)?;
                for jump in ends {
                    self.instructions[jump] = Instruction::Jump(self.way_from(jump));
                }
            }
        }
        Some(())
    }

    fn repetition(&mut self, repetition: &Repetition) -> Option<()> {
        let body = &repetition.sub;
        let (min, max) = (repetition.min, repetition.max);
        let begin = self.instructions.len();
        if min == 0 && max != Some(0) {
            self.push(Instruction::Split(0))?;
        }
        let start = self.instructions.len();
        if max != Some(0) {
            self.hir(body)?;
        }
        let block = start..self.instructions.len();
        for _ in 1..min {
            self.copy(&block)?;
        }
        // Where one may leave; all of them lead to the end.
        let mut splits = Vec::new();
        if start > begin {
            splits.push(begin);
        }
        match max {
            Some(max) => {
                for _ in min.max(1)..max {
                    splits.push(self.push(Instruction::Split(0))?);
                    self.copy(&block)?;
                }
            }
            None => {
                if min > 0 {
                    splits.push(self.push(Instruction::Split(0))?);
                    self.copy(&block)?;
                }
                let split = *splits.last()?;
                let jump = self.push(Instruction::Jump(0))?;
                self.instructions[jump] = Instruction::Jump(-i32::try_from(jump - split).ok()?);
            }
        }
        for split in splits {
            self.instructions[split] = Instruction::Split(self.way_from(split));
        }
        Some(())
    }

    fn copy(&mut self, block: &Range<usize>) -> Option<()> {
        if self.instructions.len() + block.len() > MAX_INSTRUCTIONS {
            return None;
        }
        self.instructions.extend_from_within(block.clone());
        Some(())
    }

    /// Whether the pattern is found in the text.
    pub(super) fn is_match(&self, text: &str) -> bool {
        let mut threads = Threads {
            program: self,
            seen: vec![0; self.instructions.len()],
            step: 0,
            waiting: Vec::new(),
            stack: Vec::new(),
        };
        let mut current = Vec::new();
        let mut before = None;
        let mut rest = text.chars();
        loop {
            let place = Place {
                before,
                after: rest.clone().next(),
            };
            threads.step += 1;
            for thread in current.drain(..) {
                if threads.follow(thread, place).is_break() {
                    return true;
                }
            }
            if (before.is_none() || !self.anchored) && threads.follow(0, place).is_break() {
                return true;
            }
            let Some(c) = rest.next() else { return false };
            if threads.waiting.is_empty() && self.anchored {
                return false;
            }
            for thread in threads.waiting.drain(..) {
                let fits = match self.instructions[thread as usize] {
                    Instruction::Char(wanted) => wanted == c,
                    Instruction::Class(index) => contains(&self.classes[index as usize], c),
                    _ => false,
                };
                if fits {
                    current.push(thread + 1);
                }
            }
            before = Some(c);
        }
    }
}

fn contains(class: &ClassUnicode, c: char) -> bool {
    let ranges = class.ranges();
    let behind = ranges.partition_point(|range| range.start() <= c);
    behind
        .checked_sub(1)
        .is_some_and(|index| c <= ranges[index].end())
}

/// Between two characters, or at an end of the text.
#[derive(Clone, Copy)]
struct Place {
    before: Option<char>,
    after: Option<char>,
}

impl Place {
    fn holds(self, look: Look) -> bool {
        let ascii = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
        let unicode = |c: Option<char>| c.is_some_and(regex_syntax::is_word_character);
        let line = |c: Option<char>| c.is_none_or(|c| c == '\n');
        match look {
            Look::Start => self.before.is_none(),
            Look::End => self.after.is_none(),
            Look::StartLF => line(self.before),
            Look::EndLF => line(self.after),
            Look::WordAscii => ascii(self.before) != ascii(self.after),
            Look::WordAsciiNegate => ascii(self.before) == ascii(self.after),
            Look::WordUnicode => unicode(self.before) != unicode(self.after),
            Look::WordUnicodeNegate => unicode(self.before) == unicode(self.after),
            // Go has none of the others, so nothing that is translated has.
            _ => false,
        }
    }
}

/// Where the machine stands.
struct Threads<'p> {
    program: &'p Program,
    /// The step in which an instruction was reached last.
    seen: Vec<usize>,
    step: usize,
    /// Instructions that wait for a character.
    waiting: Vec<u32>,
    stack: Vec<u32>,
}

impl Threads<'_> {
    /// Goes on from an instruction until characters are asked for. Breaks at a match.
    fn follow(&mut self, from: u32, place: Place) -> ControlFlow<()> {
        self.stack.push(from);
        while let Some(at) = self.stack.pop() {
            let seen = &mut self.seen[at as usize];
            if *seen == self.step {
                continue;
            }
            *seen = self.step;
            match self.program.instructions[at as usize] {
                Instruction::Char(_) | Instruction::Class(_) => self.waiting.push(at),
                Instruction::Look(look) if place.holds(look) => self.stack.push(at + 1),
                Instruction::Look(_) => {}
                Instruction::Jump(way) => self.stack.push(at.wrapping_add_signed(way)),
                Instruction::Split(way) => self.stack.extend([at.wrapping_add_signed(way), at + 1]),
                Instruction::Match => return ControlFlow::Break(()),
            }
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{build, translate};
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    /// Whether both engines find a pattern; `None` if the program does not take it.
    fn both(source: &str, text: &str) -> Option<(bool, bool)> {
        let translated = translate(source).ok()?;
        let program = Program::new(&translated)?;
        let regex = build(&translated)?;
        Some((program.is_match(text), regex.is_match(text.as_bytes())))
    }

    /// SCH-18: the record that all engines are held against (`tests/data/README.md`).
    #[test]
    fn patterns_are_gos_for_the_machine_too() {
        let mut cases = 0;
        for line in include_str!("../../tests/data/regexp.jsonl").lines() {
            let case: Value = serde_json::from_str(line).unwrap();
            let source = case["p"].as_str().unwrap();
            let Ok(translated) = translate(source) else {
                continue;
            };
            let program = Program::new(&translated).expect("what is accepted is about whole characters");
            for (key, want) in [("m", true), ("n", false)] {
                for text in case[key].as_array().into_iter().flatten() {
                    let text = text.as_str().unwrap();
                    assert_eq!(program.is_match(text), want, "{source} on {text:?}");
                    cases += 1;
                }
            }
        }
        assert!(cases > 150, "the record is whole: {cases} cases");
    }

    #[test]
    fn repetitions_count() {
        for (source, from, to) in [
            ("^(?:ab){3}$", 3, 3),
            ("^(?:ab){0,3}$", 0, 3),
            ("^(?:ab){2,4}$", 2, 4),
            ("^(?:ab){1,}$", 1, 9),
            ("^(?:ab){3,}$", 3, 9),
            ("^(?:ab){0}$", 0, 0),
            ("^(?:(?:ab){2}|(?:ab){5}){1}$", 2, 2),
        ] {
            for times in 0..10 {
                let want = (from..=to).contains(&times) || source.contains("{5}") && times == 5;
                assert_eq!(
                    both(source, &"ab".repeat(times)),
                    Some((want, want)),
                    "{source}, {times} times"
                );
            }
        }
    }

    proptest! {
        /// The invariant.
        #[test]
        fn both_engines_agree(
            source in r"(\\?[\[\]^\-\\dwbBs(){}?*+|:,a-c02.$éß]){0,12}|(([a-c.é]|\[a-cé\]|\^|\$|\\b|\(a\|b\))(\*|\+|\?|\{0,2\}|\{2\}|\{1,\})?){0,6}",
            text in "[abcé0 \n]{0,6}",
        ) {
            if let Some((machine, regex)) = both(&source, &text) {
                prop_assert_eq!(machine, regex, "{} on {:?}", source, text);
            }
        }
    }
}
