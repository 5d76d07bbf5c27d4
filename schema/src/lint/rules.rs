//! The rules by name, and which of them may be passed over.

/// The identifiers of all rules ([`Lint::id`](super::Lint::id)).
pub const LINTS: &[&str] = &[
    "refused",
    "undecodable",
    "dropped",
    "too-large",
    "unknown-format",
    "contradicting-limits",
    "misplaced-limit",
    "enum-type",
    "repeated-value",
    "undeclared-required",
    "closed-variant",
    "nullable-enum",
    "typed-int-or-string",
    "kind-name",
    "lossy-conversion",
    "scale-path",
    "status-without-schema",
    "column-path",
    "unanchored-pattern",
    "empty-object",
    "emptied-map",
    "unguarded-optional",
    "size",
    "float",
    "wide-integer",
    "byte-list",
    "closed-object",
    "unchecked-keys",
    "lost-on-write",
    "pruned-alias",
    "os-path",
    "none-as-default",
];

/// Rules that nobody passes over: what they find, a server refuses or drops.
const FINAL: [&str; 4] = ["refused", "undecodable", "dropped", "too-large"];

/// Whether a server has the last word on what a rule finds, so that it cannot be passed over.
#[must_use]
pub fn is_final(id: &str) -> bool {
    FINAL.contains(&id)
}

/// Where in [`LINTS`] the rule `id` stands, which may be passed over.
///
/// # Errors
/// Why it cannot be, with the rule that was probably meant.
#[cfg(feature = "schemars")]
pub(crate) fn allowable(id: &str) -> Result<usize, String> {
    if is_final(id) {
        return Err(format!(
            "`{id}` cannot be allowed: what it finds, the server refuses or drops; correct it"
        ));
    }
    LINTS.iter().position(|known| *known == id).ok_or_else(|| {
        let nearest = LINTS
            .iter()
            .filter(|known| !is_final(known))
            .min_by_key(|known| distance(id, known))
            .expect("there are rules");
        format!("there is no rule `{id}` to allow; is `{nearest}` meant?")
    })
}

/// How many letters must change to make one word of the other (Levenshtein).
#[cfg(feature = "schemars")]
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in other.iter().enumerate() {
            let change = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}
