//! What calls of functions cost, and how large their results are.
//!
//! **Invariant:** estimates of cel-go's libraries come first, by overload; then Kubernetes' own, by the function's name;
//! then those of cel-go's core, by overload.

use kubewright_cel::{Expr, ExprKind, Literal};

use super::super::run_cost::{AUTHORIZATION, orders_text};
use super::super::types::Type;
use super::{Arg, Coster, Entries, LIST, Range};

/// Going through a string costs a tenth per character.
const TRAVERSAL: f64 = 0.1;
/// A regular expression is taken to have a state per four characters.
const REGEX: f64 = 0.25;
/// Regular expressions behind `format` are shorter than this.
const FORMAT_REGEX: f64 = 128.0;
/// Values of `format` are shorter than this.
const MAX_FORMAT: u64 = 64;
const ONE: Range = Range::exactly(1);

/// A call by one of its overloads.
pub(super) struct Call<'c, 'a> {
    pub(super) expr: &'a Expr,
    pub(super) function: &'c str,
    pub(super) overload: &'c str,
    pub(super) target: Option<&'c Arg<'a>>,
    pub(super) args: &'c [Arg<'a>],
    /// Of the arguments.
    pub(super) costs: &'c [Range],
}

/// What a call costs, and the size of its result where one is known.
pub(super) struct Estimate {
    pub(super) cost: Range,
    pub(super) size: Option<Range>,
}

fn cost(cost: Range) -> Estimate {
    Estimate { cost, size: None }
}

fn sized(cost: Range, size: Range) -> Estimate {
    Estimate {
        cost,
        size: Some(size),
    }
}

impl<'a> Coster<'a> {
    pub(super) fn cost_overload(&mut self, call: &Call<'_, 'a>) -> Estimate {
        let args = call
            .costs
            .iter()
            .fold(Range::exactly(0), |sum, cost| sum.add(*cost));
        if let Some(estimate) = self.libraries(call).or_else(|| self.kubernetes(call)) {
            return Estimate {
                cost: estimate.cost.add(args),
                ..estimate
            };
        }
        // What short-circuits does not pay for all its arguments.
        match (call.overload, call.costs) {
            ("logical_or" | "logical_and", [left, right, ..]) => {
                return cost(Range {
                    min: left.min,
                    max: left.add(*right).max,
                });
            }
            ("conditional", [condition, yes, no]) => return self.conditional(call, [*condition, *yes, *no]),
            _ => {}
        }
        let estimate = self.standard(call).unwrap_or_else(|| cost(ONE));
        Estimate {
            cost: estimate.cost.add(args),
            ..estimate
        }
    }

    fn conditional(&mut self, call: &Call<'_, 'a>, [condition, yes, no]: [Range; 3]) -> Estimate {
        let branch = |index: usize| &call.args[index];
        let size = known(branch(1)).union(known(branch(2)));
        let entries = Entries::union(self.entries_of(branch(1)), self.entries_of(branch(2)));
        if let Some(entries) = entries {
            self.entry_sizes.insert(call.expr.id, entries);
        }
        sized(condition.add(yes.union(no)), size)
    }

    fn entries_of(&self, arg: &Arg<'a>) -> Option<Entries> {
        self.entries(arg.expr?)
    }

    /// Sets and lists.
    fn libraries(&self, call: &Call<'_, 'a>) -> Option<Estimate> {
        Some(match (call.overload, call.target, call.args) {
            ("list_sets_contains_list" | "list_sets_intersects_list", _, [left, right]) => cost(
                self.size_of(left)
                    .multiply(self.size_of(right))
                    .scale(1.0)
                    .add(ONE),
            ),
            ("list_sets_equivalent_list", _, [left, right]) => cost(
                self.size_of(left)
                    .multiply(self.size_of(right))
                    .scale(2.0)
                    .add(ONE),
            ),
            ("list_slice", Some(list), [start, end]) => {
                let end = constant(end, self.size_of(list).max);
                new_list(1.0, Range::exactly(end.wrapping_sub(constant(start, 0))))
            }
            ("lists_range", None, [count]) => new_list(1.0, Range::exactly(constant(count, u64::MAX))),
            ("list_reverse", Some(list), []) => new_list(1.0, self.size_of(list)),
            ("list_flatten", Some(list), []) => new_list(1.0, self.size_of(list)),
            #[allow(clippy::cast_precision_loss)]
            ("list_flatten_int", Some(list), [depth]) => {
                new_list(constant(depth, u64::MAX) as f64, self.size_of(list))
            }
            ("list_distinct", Some(list), []) => new_list(2.0, squared(self.size_of(list))),
            (overload, Some(list), []) if is_sort(overload, "_sort") => self.sorted(overload, list),
            (overload, Some(_), [keys]) if is_sort(overload, "_sortByAssociatedKeys") => {
                self.sorted(overload, keys)
            }
            _ => return None,
        })
    }

    /// Comparing all with all.
    fn sorted(&self, overload: &str, keys: &Arg<'_>) -> Estimate {
        let is_text = overload.starts_with("list_string_") || overload.starts_with("list_bytes_");
        let factor = if is_text { 2.0 + TRAVERSAL } else { 2.0 };
        new_list(factor, squared(self.size_of(keys)))
    }

    /// cel-go's estimates.
    fn standard(&mut self, call: &Call<'_, 'a>) -> Option<Estimate> {
        Some(match (call.overload, call.target, call.args) {
            ("string_format", Some(target), _) => cost(known(target).scale(TRAVERSAL)),
            ("string_to_bytes", _, [text]) => {
                let size = known(text);
                // Up to four bytes per character.
                let bytes = Range {
                    min: size.min,
                    max: size.max.wrapping_mul(4),
                };
                sized(size.scale(TRAVERSAL), bytes)
            }
            ("bytes_to_string", _, [bytes]) => {
                let size = known(bytes);
                let text = Range {
                    min: size.min / 4,
                    max: size.max,
                };
                sized(size.scale(TRAVERSAL), text)
            }
            ("strings_quote", _, [text]) => {
                let size = known(text);
                let quoted = Range {
                    min: size.min.wrapping_add(2),
                    max: size.max.wrapping_mul(2).wrapping_add(2),
                };
                sized(size.scale(TRAVERSAL), quoted)
            }
            ("starts_with_string" | "ends_with_string", _, [affix]) => cost(known(affix).scale(TRAVERSAL)),
            ("in_list", _, [_, list]) => cost(known(list).scale(1.0)),
            ("matches_string", Some(text), [pattern]) => cost(matching(known(text), known(pattern))),
            ("contains_string", Some(text), [part]) => cost(
                known(text)
                    .scale(TRAVERSAL)
                    .multiply(known(part).scale(TRAVERSAL)),
            ),
            ("add_string" | "add_bytes" | "add_list", _, [left, right]) => {
                let size = known(left).add(known(right));
                if let Some(entries) = Entries::union(self.entries_of(left), self.entries_of(right)) {
                    self.entry_sizes.insert(call.expr.id, entries);
                }
                let is_list = call.overload == "add_list";
                sized(if is_list { ONE } else { size.scale(TRAVERSAL) }, size)
            }
            (overload, _, [left, right])
                if matches!(overload, "equals" | "not_equals") || orders_text(overload) =>
            {
                let max = known(left).max.min(known(right).max);
                let least = Range {
                    min: u64::from(max > 0),
                    max,
                };
                cost(least.scale(TRAVERSAL))
            }
            _ => return None,
        })
    }

    /// kube-apiserver's estimates.
    fn kubernetes(&self, call: &Call<'_, 'a>) -> Option<Estimate> {
        Some(match (call.function, call.target, call.args) {
            ("check", ..) => cost(Range::exactly(AUTHORIZATION)),
            (
                // Builders and results of an authorizer.
                "serviceAccount" | "path" | "group" | "resource" | "subresource" | "namespace" | "name" | "allowed"
                | "reason" | "error" | "errored"
                // Parts of IP addresses and CIDRs.
                | "masked" | "prefixLength" | "family" | "isUnspecified" | "isLoopback" | "isLinkLocalMulticast"
                | "isLinkLocalUnicast" | "isGlobalUnicast"
                // Quantities and versions.
                | "sign" | "asInteger" | "isInteger" | "asApproximateFloat" | "isGreaterThan" | "isLessThan"
                | "compareTo" | "add" | "sub" | "major" | "minor" | "patch"
                // Parts of URLs, and the table of formats.
                | "getScheme" | "getHostname" | "getHost" | "getPort" | "getEscapedPath" | "getQuery"
                | "format.named",
                ..,
            ) => cost(ONE),
            ("fieldSelector" | "labelSelector", _, [text]) => cost(selector(self.size_of(text))),
            ("isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf", Some(target), _) => {
                cost(self.comparisons(target))
            }
            ("url", _, [text]) => {
                let size = self.size_of(text);
                sized(size.scale(TRAVERSAL), size)
            }
            ("lowerAscii" | "upperAscii" | "substring" | "trim", Some(text), _) => {
                let size = self.size_of(text);
                sized(size.scale(TRAVERSAL), size)
            }
            ("replace", Some(text), [from, to, ..]) => {
                let size = self.size_of(text);
                let replaced = replaced(size, self.size_of(from), self.size_of(to));
                sized(size.scale(2.0 * TRAVERSAL), replaced)
            }
            ("split", Some(text), args) => {
                let size = self.size_of(text);
                let max = match args.get(1).and_then(|arg| arg.expr).map(|expr| &expr.kind) {
                    Some(ExprKind::Literal(Literal::Int(limit))) => limit.cast_unsigned(),
                    // A part per character where there is nothing between them.
                    _ => size.max,
                };
                sized(size.scale(2.0 * TRAVERSAL), Range { min: 0, max })
            }
            ("join", Some(list), args) => {
                let size = self.joined(list, args.first());
                sized(size.scale(TRAVERSAL), size)
            }
            ("find" | "findAll", Some(text), [pattern, ..]) => {
                let size = self.size_of(text);
                let found = Range {
                    min: 0,
                    max: size.max,
                };
                sized(matching(size, self.size_of(pattern)), found)
            }
            ("ip", ..) if call.overload == "cidr_ip" => cost(ONE),
            (
                "cidr" | "isIP" | "isCIDR" | "ip" | "quantity" | "isQuantity" | "semver" | "isSemver",
                _,
                [text, ..],
            ) => cost(self.size_of(text).scale(TRAVERSAL)),
            // Parsed, and compared with what it should be.
            ("ip.isCanonical", _, [text, ..]) => cost(self.size_of(text).scale(2.0 * TRAVERSAL)),
            ("containsIP" | "containsCIDR", _, [inner, ..]) => cost(self.contained(call, inner)),
            ("validate", _, [text, ..]) => {
                cost(self.size_of(text).scale(TRAVERSAL).scale(FORMAT_REGEX * REGEX))
            }
            ("_==_", _, [left, right]) => return equality(left, right).map(cost),
            _ => return None,
        })
    }

    /// The size of an argument: as computed, else as declared.
    fn size_of(&self, arg: &Arg<'_>) -> Range {
        arg.size
            .or_else(|| self.declared_size(arg.path.as_ref()))
            .unwrap_or(Range::UNKNOWN)
    }

    /// The elements of a list, if it is one (any type with a parameter will do).
    fn elements<'t>(list: &Arg<'t>) -> Option<Arg<'t>> {
        let ty = match list.ty {
            Type::List(of) | Type::Optional(of) | Type::Type(of) => of,
            Type::Map(of) => &of.0,
            _ => return None,
        };
        Some(Arg {
            path: list.path.as_ref().map(|path| path.then("@items")),
            ty,
            expr: None,
            size: None,
        })
    }

    /// One comparison for each element of a list; a string's elements are its characters.
    fn comparisons(&self, target: &Arg<'_>) -> Range {
        let size = self.size_of(target);
        let Some(element) = Self::elements(target) else {
            return size.scale(TRAVERSAL);
        };
        let each = match element.ty {
            Type::String | Type::Bytes => ONE.add(self.size_of(&element).scale(TRAVERSAL)),
            _ => ONE,
        };
        size.multiply(each)
    }

    fn joined(&self, list: &Arg<'_>, separator: Option<&Arg<'_>>) -> Range {
        let count = self.size_of(list);
        let elements = Self::elements(list).map_or(Range::exactly(0), |element| {
            count.multiply(self.size_of(&element))
        });
        let Some(separator) = separator else {
            return elements;
        };
        let gaps = Range {
            min: count.min.saturating_sub(1),
            max: count.max.saturating_sub(1),
        };
        elements.add(self.size_of(separator).multiply(gaps))
    }

    /// Comparing the bytes of two networks, or of an address and a network.
    fn contained(&self, call: &Call<'_, 'a>, inner: &Arg<'_>) -> Range {
        // IPv4 or IPv6.
        let address = Range { min: 4, max: 16 };
        let mut cost = address.add(address).scale(TRAVERSAL);
        if call.function == "containsCIDR" {
            // Masked first, and the lengths of the prefixes compared.
            cost = cost.add(address.scale(TRAVERSAL)).add(ONE);
        }
        if matches!(
            call.overload,
            "cidr_contains_ip_string" | "cidr_contains_cidr_string"
        ) {
            cost = cost.add(self.size_of(inner).scale(TRAVERSAL));
        }
        cost
    }
}

fn is_sort(overload: &str, ending: &str) -> bool {
    overload.starts_with("list_") && overload.ends_with(ending)
}

fn squared(size: Range) -> Range {
    size.multiply(size)
}

/// Making a list of a size.
fn new_list(factor: f64, size: Range) -> Estimate {
    sized(size.scale(factor).add(ONE).add(LIST), size)
}

/// A number that the rule says, not below zero.
fn constant(arg: &Arg<'_>, otherwise: u64) -> u64 {
    match arg.expr.map(|expr| &expr.kind) {
        Some(ExprKind::Literal(Literal::Int(value))) => u64::try_from(*value).unwrap_or(0),
        _ => otherwise,
    }
}

/// The size as computed.
fn known(arg: &Arg<'_>) -> Range {
    arg.size.unwrap_or(Range::UNKNOWN)
}

fn matching(text: Range, pattern: Range) -> Range {
    // One more, so that an empty text costs something.
    text.add(ONE).scale(TRAVERSAL).multiply(pattern.scale(REGEX))
}

fn selector(text: Range) -> Range {
    // A requirement for every two characters, each a list and a message.
    let requirements = text.scale(0.5).scale(50.0);
    Range::exactly(10).add(text.scale(TRAVERSAL)).add(requirements)
}

/// Comparison of Kubernetes' values.
fn equality(left: &Arg<'_>, right: &Arg<'_>) -> Option<Range> {
    if left.ty.name() != right.ty.name() {
        return None;
    }
    let Type::Opaque(name) = left.ty else {
        return None;
    };
    Some(match *name {
        "kubernetes.NamedFormat" => Range {
            min: 1,
            max: MAX_FORMAT,
        }
        .scale(TRAVERSAL),
        // Upstream looks at the right side alone.
        "kubernetes.URL" => Range {
            min: 1,
            max: right.size.map_or(1, |size| size.max),
        }
        .scale(TRAVERSAL),
        "type" | "optional_type" => return None,
        _ => ONE,
    })
}

/// The size of a text in which something is replaced.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]
fn replaced(text: Range, from: Range, to: Range) -> Range {
    // How often, and what is kept.
    let (most, kept_at_most) = if from.min == 0 {
        // Nothing is found between all characters.
        (text.max.saturating_add(1), text.max)
    } else if to.max <= from.min {
        (0, text.max)
    } else {
        ((text.max as f64 / from.min as f64).ceil() as u64, 0)
    };
    let (least, kept_at_least) = if from.max == 0 {
        (text.min.saturating_add(1), text.min)
    } else if from.max <= to.min {
        (0, text.min)
    } else {
        ((text.min as f64 / from.max as f64).ceil() as u64, 0)
    };
    let count = Range {
        min: least,
        max: most,
    };
    let kept = Range {
        min: kept_at_least,
        max: kept_at_most,
    };
    count.multiply(to).add(kept)
}
