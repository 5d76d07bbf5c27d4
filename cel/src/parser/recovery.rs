//! What ANTLR's runtime does around rules: it reports what doesn't fit, leaves one word out or takes one as read, or
//! skips words until some rule that is being read can go on.
//!
//! **Invariant:** after a report nothing is reported until a word has matched; each recovery is counted and bounded.

use super::{Broken, DEEPEST, Parser, Rule, Site, one};
use crate::lexer::{Kind, Set};
use crate::written::{Abort, Mistake, Node, NodeId};

/// How often parsing goes on after an error.
const MOST_RECOVERIES: usize = 30;
/// How many words one recovery skips.
const MOST_SKIPPED: usize = 256;

impl Parser<'_> {
    pub(super) fn kind(&self) -> Kind {
        self.kind_at(self.at)
    }

    pub(super) fn kind_at(&self, at: usize) -> Kind {
        self.seen.set(self.seen.get().max(at));
        self.tokens.get(at).map_or(Kind::Eof, |token| token.kind)
    }

    pub(super) fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    pub(super) fn step(&mut self) {
        self.at = (self.at + 1).min(self.tokens.len() - 1);
    }

    /// Matches the word that is here.
    pub(super) fn consume(&mut self) {
        self.matched();
        self.step();
    }

    pub(super) fn matched(&mut self) {
        self.recovering = false;
        self.last_error = None;
    }

    pub(super) fn enter(&mut self, rule: Rule, follow: Set) -> Result<(), Broken> {
        self.follow.push(follow);
        self.deepen(rule)
    }

    pub(super) fn deepen(&mut self, rule: Rule) -> Result<(), Broken> {
        let depth = &mut self.depth[rule as usize];
        *depth += 1;
        if *depth > DEEPEST {
            let message = format!("expression recursion limit exceeded: {DEEPEST}");
            return Err(self.give_up(Abort::Whole(message)));
        }
        Ok(())
    }

    pub(super) fn give_up(&mut self, abort: Abort) -> Broken {
        self.fatal = Some(abort);
        Broken::Fatal
    }

    /// No alternative fits from one word to another.
    pub(super) fn stuck(&mut self, start: usize, at: usize) -> Broken {
        self.stuck = (start, at);
        Broken::NoWay
    }

    fn mismatch(&mut self, expected: Set) -> Broken {
        self.expected = self.in_context(expected);
        Broken::Mismatch
    }

    /// A rule that begins with itself: the part that was read becomes the beginning of another of the same.
    pub(super) fn reenter(&mut self, rule: Rule) -> Result<(), Broken> {
        let depth = &mut self.depth[rule as usize];
        *depth = depth.saturating_sub(1);
        self.deepen(rule)
    }

    pub(super) fn leave(&mut self, rule: Rule, result: Result<(), Broken>) -> Result<(), Broken> {
        match result {
            Ok(()) => {}
            Err(Broken::Fatal) => return Err(Broken::Fatal),
            Err(broken) => self.recover(broken)?,
        }
        self.follow.pop();
        let depth = &mut self.depth[rule as usize];
        *depth = depth.saturating_sub(1);
        Ok(())
    }

    /// Reads a word of this kind, which it returns, and mends where another stands there: by leaving that out, or by taking it as read.
    pub(super) fn expect(&mut self, site: Site, kind: Kind, after: Set) -> Result<usize, Broken> {
        self.site = site.0;
        if self.kind() == kind {
            let word = self.at;
            self.consume();
            return Ok(word);
        }
        self.attempt()?;
        if self.delete_word(site.1) {
            let word = self.at;
            self.consume();
            return Ok(word);
        }
        if self.in_context(after).has(self.kind()) {
            self.report(|parser, at| {
                format!("missing {} at {}", parser.in_context(site.1), parser.shown(at))
            });
            // A word that is taken as read stands where the next one does.
            return Ok(if self.kind() == Kind::Eof {
                self.at.saturating_sub(1)
            } else {
                self.at
            });
        }
        Err(self.mismatch(site.1))
    }

    /// Checks, before a choice, that one alternative fits.
    pub(super) fn sync(&mut self, site: Site) -> Result<(), Broken> {
        self.site = site.0;
        if self.recovering || site.1.ends() || site.1.has(self.kind()) || self.delete_word(site.1) {
            return Ok(());
        }
        Err(self.mismatch(site.1))
    }

    /// Checks, after one round of a loop, that another can begin or what follows; skips words until then.
    pub(super) fn sync_again(&mut self, site: Site) -> Result<(), Broken> {
        self.site = site.0;
        if self.recovering || site.1.has(self.kind()) {
            return Ok(());
        }
        self.report_unwanted(site.1);
        let until = self.in_context(site.1).or(self.recovery_set());
        while self.kind() != Kind::Eof && !until.has(self.kind()) {
            self.step();
        }
        Ok(())
    }

    /// Leaves one word out if the next one is what is expected.
    pub(super) fn delete_word(&mut self, expected: Set) -> bool {
        if !self.in_context(expected).has(self.kind_at(self.at + 1)) {
            return false;
        }
        self.report_unwanted(expected);
        self.step();
        self.matched();
        true
    }

    pub(super) fn report_unwanted(&mut self, expected: Set) {
        self.report(|parser, at| {
            format!(
                "extraneous input {} expecting {}",
                parser.shown(at),
                parser.in_context(expected)
            )
        });
    }

    pub(super) fn report(&mut self, message: impl Fn(&Self, usize) -> String) {
        if !self.recovering {
            self.recovering = true;
            let mistake = Mistake {
                token: self.at,
                message: message(self, self.at),
            };
            self.mistakes.push(mistake);
        }
    }

    /// What may come, where a rule may end, by those that called it.
    pub(super) fn in_context(&self, mut set: Set) -> Set {
        for follow in self.follow.iter().rev() {
            if !set.ends() {
                return set;
            }
            set = set.without_end().or(*follow);
        }
        if set.ends() {
            set.without_end().or(one(Kind::Eof))
        } else {
            set
        }
    }

    pub(super) fn recovery_set(&self) -> Set {
        self.follow
            .iter()
            .fold(Set::of(&[]), |all, follow| all.or(*follow))
            .without_end()
    }

    /// Counts an attempt to go on.
    pub(super) fn attempt(&mut self) -> Result<(), Broken> {
        if self.recoveries == MOST_RECOVERIES {
            let message = format!("error recovery attempt limit exceeded: {MOST_RECOVERIES}");
            self.mistakes.push(Mistake {
                token: self.at,
                message,
            });
            return Err(self.give_up(Abort::Said));
        }
        self.recoveries += 1;
        Ok(())
    }

    pub(super) fn recover(&mut self, broken: Broken) -> Result<(), Broken> {
        match broken {
            Broken::NoWay => {
                if !self.recovering {
                    self.recovering = true;
                    let (start, at) = self.stuck;
                    let token = at.min(self.tokens.len() - 1);
                    self.mistakes.push(Mistake {
                        token,
                        message: self.no_way(start, token),
                    });
                }
            }
            Broken::Mismatch => self.report(|parser, at| {
                format!(
                    "mismatched input {} expecting {}",
                    parser.shown(at),
                    parser.expected
                )
            }),
            Broken::Fatal => {}
        }
        self.attempt()?;
        let mut skipped = 0;
        let (site, at) = (self.site, self.at);
        let again = self
            .last_error
            .as_ref()
            .is_some_and(|(last, sites)| *last == at && sites.contains(&site));
        if again {
            skipped += 1;
            self.step();
        }
        let mut sites = self.last_error.take().map(|(_, sites)| sites).unwrap_or_default();
        sites.push(site);
        self.last_error = Some((self.at, sites));
        let until = self.recovery_set();
        while self.kind() != Kind::Eof && !until.has(self.kind()) {
            if skipped >= MOST_SKIPPED {
                let message = format!("error recovery token lookahead limit exceeded: {MOST_SKIPPED}");
                return Err(self.give_up(Abort::Whole(message)));
            }
            skipped += 1;
            self.step();
        }
        Ok(())
    }

    /// A word as messages show it.
    pub(super) fn shown(&self, at: usize) -> String {
        self.tokens
            .get(at)
            .filter(|token| token.kind != Kind::Eof)
            .map_or_else(
                || "'<EOF>'".to_owned(),
                |token| escaped(self.text.get(token.start..token.end).unwrap_or_default()),
            )
    }

    pub(super) fn no_way(&self, start: usize, at: usize) -> String {
        let (Some(first), Some(last)) = (self.tokens.get(start), self.tokens.get(at)) else {
            return String::new();
        };
        if first.kind == Kind::Eof {
            return "no viable alternative at input '<EOF>'".to_owned();
        }
        let text = self.known(first.start, last.end);
        // cel-go words reserved names after a dot (or another single character) differently.
        if let Some(reserved) = ["true", "false", "null"].into_iter().find(|name| {
            text.strip_suffix(name)
                .is_some_and(|before| before.chars().count() == 1 && before != "\n")
        }) {
            return format!("mismatched input '{reserved}' expecting IDENTIFIER");
        }
        format!("no viable alternative at input {}", escaped(&text))
    }

    /// The text between two places, without what is no word.
    fn known(&self, mut start: usize, end: usize) -> String {
        let mut text = String::new();
        let first = self.unknown.partition_point(|unknown| unknown.start < start);
        for unknown in self
            .unknown
            .iter()
            .skip(first)
            .take_while(|unknown| unknown.start < end)
        {
            text.push_str(self.text.get(start..unknown.start).unwrap_or_default());
            start = unknown.end;
        }
        text.push_str(self.text.get(start..end).unwrap_or_default());
        text
    }
}

/// In quotes, with breaks and tabs escaped as by ANTLR.
fn escaped(text: &str) -> String {
    format!(
        "'{}'",
        text.replace('\t', "\\t")
            .replace('\n', "\\n")
            .replace('\r', "\\r")
    )
}
