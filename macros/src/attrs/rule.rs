//! Rules in the Common Expression Language that stand in attributes as string literals: their syntax is looked at where
//! they are written, since a server would refuse the whole definition.
//!
//! **Invariant:** only syntax is judged; what a rule means depends on the schema, which isn't known here.

use syn::{Expr, ExprLit, ExprPath, Lit, LitStr};

use crate::errors::Errors;

/// Reports what is wrong with the syntax of a rule, at its literal, in cel-go's words.
pub(crate) fn check(rule: &LitStr, errors: &mut Errors) {
    if rule.value().trim().is_empty() {
        errors.at(rule.span(), "the rule is empty; write a condition, as `self > 0`");
        return;
    }
    let Err(wrong) = kubewright_cel::parse(&rule.value()) else {
        return;
    };
    for report in wrong.reports {
        let place = match report.position {
            Some(at) if at.line > 1 => format!(" at line {}, column {}", at.line, at.column + 1),
            Some(at) => format!(" at column {}", at.column + 1),
            None => String::new(),
        };
        errors.at(rule.span(), format!("CEL{place}: {}", report.message));
    }
}

/// The same for each rule that stands in the expression.
pub(crate) fn check_in(expr: &Expr, errors: &mut Errors) {
    for rule in literals(expr) {
        check(rule, errors);
    }
}

/// The rules in `"..."`, `Rule::new("...")`, and `Message::Expression("...".into())` behind it. What is computed otherwise is
/// left to the server.
pub(crate) fn literals(expr: &Expr) -> Vec<&LitStr> {
    match expr {
        Expr::Lit(ExprLit {
            lit: Lit::Str(rule), ..
        }) => vec![rule],
        Expr::Paren(inner) => literals(&inner.expr),
        Expr::Group(inner) => literals(&inner.expr),
        Expr::MethodCall(call) => {
            let behind = call.args.iter().filter(|arg| matches!(arg, Expr::Call(_)));
            std::iter::once(&*call.receiver)
                .chain(behind)
                .flat_map(literals)
                .collect()
        }
        Expr::Call(call) => {
            let takes_rule = matches!(&*call.func, Expr::Path(path) if ends(path, ["Rule", "new"])
                || ends(path, ["Message", "Expression"]));
            let rule = call.args.first().filter(|_| takes_rule);
            rule.and_then(literal).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// Whether a path's last two segments have these names.
fn ends(path: &ExprPath, names: [&str; 2]) -> bool {
    let last = path.path.segments.iter().rev().map(|segment| &segment.ident);
    last.take(2).eq(names.iter().rev())
}

/// A literal, as it is or made a `String`.
fn literal(expr: &Expr) -> Option<&LitStr> {
    match expr {
        Expr::Lit(ExprLit {
            lit: Lit::Str(rule), ..
        }) => Some(rule),
        Expr::MethodCall(call) if call.args.is_empty() => literal(&call.receiver),
        Expr::Call(call) if matches!(&*call.func, Expr::Path(path) if ends(path, ["String", "from"])) => {
            call.args.first().and_then(literal)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(expr: &str) -> Vec<String> {
        let mut errors = Errors::default();
        check_in(&syn::parse_str(expr).unwrap(), &mut errors);
        errors.messages()
    }

    #[test]
    fn rules_are_read_where_they_are_literals() {
        for right in [
            "\"self.a > 0\"",
            "Rule::new(\"self.a\").message(\"not (CEL\")",
            "Rule::new(RULE).message(Message::Message(\"(\".into()))",
            "kube::core::Rule::new(\"has(self.b)\").message(Message::Expression(\"'a' + self.b\".into()))",
            "make(\"(\")",
        ] {
            assert_eq!(mistakes(right), Vec::<String>::new(), "{right}");
        }
        let missing = "CEL at column 3: Syntax error: missing ')' at '<EOF>'";
        for wrong in [
            "\"(a\"",
            "Rule::new(\"(a\")",
            "k::Rule::new(String::from(\"(a\")).reason(Reason::FieldValueInvalid)",
            "Rule::new(RULE).message(Message::Expression(\"(a\".to_owned()))",
        ] {
            assert_eq!(mistakes(wrong), [missing], "{wrong}");
        }
        // SCH-50.
        assert_eq!(
            mistakes("\" \""),
            ["the rule is empty; write a condition, as `self > 0`"]
        );
    }

    #[test]
    fn every_mistake_is_reported_with_its_line() {
        assert_eq!(
            mistakes("\"a $ +\\n has(c)\""),
            [
                "CEL at column 3: Syntax error: token recognition error at: '$'",
                "CEL at line 2, column 6: invalid argument to has() macro"
            ]
        );
    }
}
