//! Rules for what has elements: lists, maps, messages.
//!
//! **Invariant:** as for all rules: what is entered is left, with errors reported.

use super::{Broken, COMMA_OR_END, EXPR, IDENT, OPT_EXPR, Parser, Rule, Site, one};
use crate::lexer::{Kind, Set};
use crate::written::{MISSING, Node, NodeId};

impl Parser<'_> {
    pub(super) fn list(&mut self, node: &mut NodeId) -> Result<(), Broken> {
        *node = self.add(Node::List {
            open: self.at,
            elements: Vec::new(),
        });
        let id = *node;
        self.consume();
        let end = Set::of(&[Kind::Comma, Kind::RBracket]);
        self.sync(Site(10, OPT_EXPR.or(end)))?;
        if OPT_EXPR.has(self.kind()) {
            self.enter(Rule::ListInit, end)?;
            let mut list = vec![self.opt_expr(COMMA_OR_END)?];
            while self.kind() == Kind::Comma && OPT_EXPR.has(self.kind_at(self.at + 1)) {
                self.consume();
                list.push(self.opt_expr(COMMA_OR_END)?);
            }
            self.leave(Rule::ListInit, Ok(()))?;
            if let Some(Node::List { elements, .. }) = self.nodes.get_mut(id) {
                *elements = list;
            }
        }
        self.close(Site(11, end), Site(12, one(Kind::RBracket)), Kind::RBracket)
    }

    pub(super) fn map(&mut self, node: &mut NodeId) -> Result<(), Broken> {
        *node = self.add(Node::Map {
            open: self.at,
            entries: Vec::new(),
        });
        let id = *node;
        self.consume();
        let end = Set::of(&[Kind::Comma, Kind::RBrace]);
        self.sync(Site(13, OPT_EXPR.or(end)))?;
        if OPT_EXPR.has(self.kind()) {
            self.enter(Rule::MapInit, end)?;
            let result = self.entries(id);
            self.leave(Rule::MapInit, result)?;
        }
        self.close(Site(14, end), Site(15, one(Kind::RBrace)), Kind::RBrace)
    }

    fn entries(&mut self, map: NodeId) -> Result<(), Broken> {
        loop {
            let (optional, key) = self.opt_expr(one(Kind::Colon))?;
            let colon = self.expect(Site(16, one(Kind::Colon)), Kind::Colon, EXPR)?;
            let value = self.expr(COMMA_OR_END)?;
            if let Some(Node::Map { entries, .. }) = self.nodes.get_mut(map) {
                entries.push((colon, optional, key, value));
            }
            if self.kind() != Kind::Comma || !OPT_EXPR.has(self.kind_at(self.at + 1)) {
                return Ok(());
            }
            self.consume();
        }
    }

    pub(super) fn message(&mut self, message: NodeId) -> Result<(), Broken> {
        let (start, end) = (
            IDENT.or(one(Kind::Question)),
            Set::of(&[Kind::Comma, Kind::RBrace]),
        );
        self.sync(Site(17, start.or(end)))?;
        if start.has(self.kind()) {
            self.enter(Rule::FieldInit, end)?;
            let result = self.fields(message, start);
            self.leave(Rule::FieldInit, result)?;
        }
        self.close(Site(18, end), Site(19, one(Kind::RBrace)), Kind::RBrace)
    }

    fn fields(&mut self, message: NodeId, start: Set) -> Result<(), Broken> {
        loop {
            self.enter(Rule::OptField, one(Kind::Colon))?;
            let mut field = (false, self.at);
            let result = self.opt_field(&mut field, start);
            self.leave(Rule::OptField, result)?;
            let colon = self.expect(Site(20, one(Kind::Colon)), Kind::Colon, EXPR)?;
            let value = self.expr(COMMA_OR_END)?;
            if let Some(Node::Message { fields, .. }) = self.nodes.get_mut(message) {
                fields.push((colon, field.0, field.1, value));
            }
            if self.kind() != Kind::Comma || !start.has(self.kind_at(self.at + 1)) {
                return Ok(());
            }
            self.consume();
        }
    }

    fn opt_field(&mut self, field: &mut (bool, usize), start: Set) -> Result<(), Broken> {
        self.sync(Site(21, start))?;
        field.0 = self.kind() == Kind::Question;
        if field.0 {
            self.consume();
        }
        field.1 = self.escape_ident(Set::END)?;
        Ok(())
    }

    /// The comma that may stand before the end, and the end.
    fn close(&mut self, comma: Site, site: Site, kind: Kind) -> Result<(), Broken> {
        self.sync(comma)?;
        if self.kind() == Kind::Comma {
            self.consume();
        }
        self.expect(site, kind, Set::END).map(drop)
    }

    fn opt_expr(&mut self, follow: Set) -> Result<(bool, NodeId), Broken> {
        self.enter(Rule::OptExpr, follow)?;
        let mut found = (false, MISSING);
        let result = self.opt_expr_body(&mut found);
        self.leave(Rule::OptExpr, result)?;
        Ok(found)
    }

    fn opt_expr_body(&mut self, found: &mut (bool, NodeId)) -> Result<(), Broken> {
        self.sync(Site(22, OPT_EXPR))?;
        found.0 = self.kind() == Kind::Question;
        if found.0 {
            self.consume();
        }
        found.1 = self.expr(Set::END)?;
        Ok(())
    }
}
