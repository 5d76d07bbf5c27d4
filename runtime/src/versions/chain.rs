//! What a chain of versions must be, asked while the crate is compiled.
//!
//! **Invariant:** each text names what is wrong and where: emitted code places it at the version's own attribute.

use kubewright_schema::shape::{refuse, same};

use super::complete::all_move;
use crate::convert::{VersionLink, Versioned};

/// Checks a version and all before it: that they agree (E08), that each is a version and stands once (E10), that not
/// more than one says that it is stored (E09), and that each field which moves arrives (E13). That one is stored is known
/// at the newest alone.
#[track_caller]
pub const fn checked<K: Versioned>() {
    let link = K::LINK;
    if let Some(previous) = link.previous {
        let (here, before) = (link.info, previous.info);
        agree("group", here.group, before.group);
        agree("kind", here.kind, before.kind);
        agree("plural", here.plural, before.plural);
        agree("scope", scope(here.namespaced), scope(before.namespaced));
        all_move(&link.spec, "spec");
        all_move(&link.status, "status");
    }
    let mut next = Some(link);
    while let Some(one) = next {
        version(one.info.version);
        let mut before = one.previous;
        while let Some(other) = before {
            if same(one.info.version, other.info.version) {
                refuse(&["version `", one.info.version, "` appears twice in the chain"]);
            }
            before = other.previous;
        }
        next = one.previous;
    }
    let (said, _) = count(link);
    if said > 1 {
        refuse(&["exactly one version must be marked storage; found ", digit(said)]);
    }
}

#[track_caller]
const fn agree(what: &str, here: &str, before: &str) {
    if !same(here, before) {
        refuse(&[
            "versions of one CRD must share group, kind, plural and scope: `",
            what,
            "` is `",
            here,
            "` here and `",
            before,
            "` in the previous version",
        ]);
    }
}

const fn scope(namespaced: bool) -> &'static str {
    if namespaced { "Namespaced" } else { "Cluster" }
}

/// `v1`, `v2beta3`, `v1alpha1`: what has a place in the order of priority.
#[track_caller]
const fn version(name: &str) {
    if !is_version(name.as_bytes()) {
        refuse(&["`", name, "` is not a Kubernetes version (v1, v1beta2, v2alpha1)"]);
    }
}

const fn is_version(name: &[u8]) -> bool {
    if name.is_empty() || name[0] != b'v' {
        return false;
    }
    let (major, at) = number(name, 1);
    if !major {
        return false;
    }
    if at == name.len() {
        return true;
    }
    let at = match (word(name, at, b"alpha"), word(name, at, b"beta")) {
        (true, _) => at + 5,
        (_, true) => at + 4,
        _ => return false,
    };
    let (minor, end) = number(name, at);
    minor && end == name.len()
}

/// Whether a number that does not begin with zero stands there, and where it ends.
const fn number(text: &[u8], from: usize) -> (bool, usize) {
    let mut at = from;
    while at < text.len() && text[at].is_ascii_digit() {
        at += 1;
    }
    (at > from && text[from] != b'0', at)
}

const fn word(text: &[u8], from: usize, word: &[u8]) -> bool {
    let mut at = 0;
    while at < word.len() {
        if from + at >= text.len() || text[from + at] != word[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// The version in which objects are stored (E09). Whoever takes a whole chain asks it:
///
/// ```compile_fail,E0080
/// mod old {
///     # use kubewright::{CustomResource, schemars::JsonSchema};
///     # use serde::{Deserialize, Serialize};
///     #[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
///     #[kube(group = "example.com", version = "v1alpha1", kind = "Site", storage = false)]
///     pub struct SiteSpec {}
/// }
/// mod new {
///     # use kubewright::{Convert, CustomResource, schemars::JsonSchema};
///     # use serde::{Deserialize, Serialize};
///     use super::old;
///     #[derive(CustomResource, Convert, Serialize, Deserialize, Clone, Debug, JsonSchema)]
///     #[kube(group = "example.com", version = "v1", kind = "Site", storage = false, previous = old::Site)]
///     #[convert(from = old::SiteSpec)]
///     pub struct SiteSpec {}
/// }
/// kubewright::convert::Converter::of::<new::Site>(); // found 0
/// ```
#[track_caller]
pub(crate) const fn stored(newest: &'static VersionLink) -> &'static str {
    let (said, unsaid) = count(newest);
    let found = if said == 0 { unsaid } else { said };
    if found != 1 {
        // Those that leave it open were not marked.
        let marked = if said == 0 { 0 } else { said };
        refuse(&[
            "exactly one version must be marked storage; found ",
            digit(marked),
        ]);
    }
    let mut next = Some(newest);
    while let Some(link) = next {
        if is_stored(link, said) {
            return link.info.version;
        }
        next = link.previous;
    }
    newest.info.version
}

/// The place of the stored version; where the types do not say which one it is, the first of those that it may be.
pub(crate) fn stored_among(links: &[&VersionLink]) -> usize {
    let said = links
        .iter()
        .filter(|link| link.info.storage_marked == Some(true))
        .count();
    links.iter().position(|link| is_stored(link, said)).unwrap_or(0)
}

const fn is_stored(link: &VersionLink, said: usize) -> bool {
    match link.info.storage_marked {
        Some(marked) => marked,
        None => said == 0,
    }
}

/// How many versions say that they are stored, and how many say nothing.
const fn count(newest: &'static VersionLink) -> (usize, usize) {
    let (mut said, mut unsaid) = (0, 0);
    let mut next = Some(newest);
    while let Some(link) = next {
        match link.info.storage_marked {
            Some(true) => said += 1,
            Some(false) => {}
            None => unsaid += 1,
        }
        next = link.previous;
    }
    (said, unsaid)
}

const fn digit(number: usize) -> &'static str {
    match number {
        0 => "0",
        1 => "1",
        2 => "2",
        3 => "3",
        4 => "4",
        5 => "5",
        6 => "6",
        7 => "7",
        8 => "8",
        9 => "9",
        _ => "10 or more",
    }
}

/// For the arm of a match that an accessor never takes.
pub fn never() -> ! {
    unreachable!("an accessor is asked for a type and never called")
}

#[cfg(test)]
mod tests {
    use super::is_version;

    #[test]
    fn versions_are_those_of_kubernetes() {
        for name in ["v1", "v12", "v1beta2", "v2alpha1", "v10alpha11"] {
            assert!(is_version(name.as_bytes()), "{name}");
        }
        for name in [
            "",
            "v",
            "1.0",
            "v0",
            "v1.1",
            "v1beta",
            "v1beta0",
            "v1gamma1",
            "v1alpha1x",
            "V1",
            "vone",
            "v01",
        ] {
            assert!(!is_version(name.as_bytes()), "{name}");
        }
    }
}
