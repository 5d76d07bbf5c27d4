// What functions take and return is what the fields hold.
use kubewright::Convert;
use serde::{Deserialize, Serialize};

mod old {
    use super::*;

    #[derive(Convert, Serialize, Deserialize)]
    pub struct Old {
        pub a: i32,
        pub b: String,
        pub c: String,
    }
}

fn up(text: String) -> i64 {
    text.len() as i64
}

fn down(size: i64) -> i32 {
    size as i32
}

fn halve(text: String) -> (String, String) {
    (text.clone(), text)
}

fn join(parts: (String, i32)) -> String {
    parts.0
}

fn guess(old: &old::Old) -> i64 {
    old.a.into()
}

#[derive(Convert, Serialize, Deserialize)]
#[convert(from = old::Old, group(old(c), new(d, e), up = halve, down = join))]
pub struct New {
    #[convert(with(up = up, down = down))]
    pub a: i64,
    #[convert(added(with = guess))]
    pub tier: String,
    #[convert(added(value = 1))]
    pub class: String,
    pub b: String,
    pub d: String,
    pub e: String,
}

fn main() {}
