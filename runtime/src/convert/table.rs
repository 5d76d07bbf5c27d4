//! What `#[derive(Convert)]` writes down of an edge: data, in terms of Rust names.
//!
//! # What the derive emits
//!
//! For each type, its own form on the wire (`CustomResource` emits it for the spec of a kind):
//! ```ignore
//! impl __c::OnWire for Tls {
//!     const WIRE: __c::Wire = __c::Wire::fields(&[
//!         __c::WireField::new("min_version", "minVersion"),
//!         __c::WireField::new("note", "note").option(),        // Option
//!         __c::WireField::new("retries", "retries").default(), // #[serde(default)], on the field or the type
//!         __c::WireField::new("common", "").flatten(<Common as __c::OnWire>::WIRE),
//!     ]); // Wire::open(&[..]) with a flattened map, which is no field
//! }
//! ```
//! Fields that serde skips both ways are left out. Where a name differs between reading and writing, the written one is
//! `name` and the read one an alias.
//!
//! For a type with `#[convert(from = Old, ...)]`, one static and two impls:
//! ```ignore
//! static __TABLE: __c::Table = __c::Table::structs::<Old, New>(&[
//!     __c::Field::same("replicas"),                                           // a: no attribute
//!     __c::Field::renamed("image_name", "image"),                             // b
//!     __c::Field::added("class").checked(__c::reads::<Option<String>>),       // c
//!     __c::Field::added("retries").checked(__c::reads::<i32>).value(|| __k::versions::value_of::<i32, _>(&(1))),
//!     __c::Field::added("tier").checked(__c::reads::<String>).computed(|__a| __c::view(guess_tier, __a)),
//!     __c::Field::old_only("note").checked_at(|__o: &Old| &__o.note),                          // d
//!     __c::Field::old_only("legacy_mode").checked_at(|__o: &Old| &__o.legacy_mode).value(|| __c::json(&(false))),
//!     __c::Field::renamed("timeout_seconds", "timeout_millis")                // f
//!         .up(|__a| __c::map(s_to_ms, __a)).down(|__a| __c::map(ms_to_s, __a))
//!         .checked_at(|__o: &Old| &__o.timeout_seconds).checked(__c::reads::<i64>),
//!     __c::Field::same("memory")                                              // k: try_up, `or`; `.exact()` likewise
//!         .up(|__a| __c::try_map(parse_mib, __a)).down(|__a| __c::map(fmt_mib, __a))
//!         .or_up(|| __k::versions::value_of::<i64, _>(&(256)))
//!         .checked_at(|__o: &Old| &__o.memory).checked(__c::reads::<i64>),
//!     __c::Field::same("tls").nested::<Option<Tls>>(),                        // h, j: Option, Box, Vec, maps alike
//!     __c::Field::same("ports").nested::<Vec<Port>>().keys(&["name"]),        // i: names on the newer side's wire
//!     __c::Field::moved_old("secret_name"), __c::Field::moved_new("cert_secret"), // l: in the structs that take part
//! ])
//! .groups(&[__c::Group::new(                                                  // e
//!     &[__c::Member::new("address", __c::reads_at(|__o: &Old| &__o.address))],
//!     &[__c::Member::new("host", __c::reads::<String>), __c::Member::new("port", __c::reads::<u16>)],
//!     __c::With::new(|__a| __c::try_map(split, __a), |__a| __c::map(join, __a)),
//! )])
//! .moved(&[__c::Moved::new(&["tls", "secret_name"], &["ingress", "cert_secret"]) // l: where both are reachable
//!     .creates(&[|| __c::create(|__o: &Old| &__o.tls).json()],
//!              &[|| __c::create(|__n: &New| &__n.ingress).json()])]);
//! impl __c::Convert for New {
//!     type Old = Old;
//!     const SHAPE: __c::Shape = __c::Shape::Table(&__TABLE);
//!     const LOSS: __c::Loss = __TABLE.loss();
//! }
//! impl __c::ConvertEdge<Old> for New {
//!     const SHAPE: __c::Shape = <New as __c::Convert>::SHAPE;
//!     const LOSS: __c::Loss = <New as __c::Convert>::LOSS;
//! }
//! ```
//! A flattened field of an unchanged type is `same`, of a changed one `nested`; the members are those of its form. For
//! an enum (g): `Table::enums`, and for a type by hand (m): `Shape::Manual(&Manual::of::<Old, New>())` with
//! `Loss::BOTH`; both are in `tests/kinds.rs`, a hand-written expansion of each snippet. `creates` has one entry for each
//! container on the way, outermost first.
//!
//! For a root, `Versioned`: `VersionLink::of::<Self>()`, `.previous::<Self, old::Site>()`, `.overflow(Overflow::Fail)`; and
//! with `previous`, typed conversions (`part_up`, `part_down` likewise for a spec):
//! ```ignore
//! impl TryFrom<old::Site> for Site {
//!     type Error = __c::ConvertError;
//!     fn try_from(__o: old::Site) -> Result<Self, Self::Error> { __c::up(&__o) }
//! }
//! impl TryFrom<Site> for old::Site { /* likewise */ __c::down(&__n) }
//! ```
//!
//! **Invariant:** nothing here is read while an object converts; `plan.rs` resolves it once, for both ways.

use super::link::Loss;
use super::shim::{Call, Check, Make, manual_down, manual_up, reads, reads_at};
use super::wire::{OnWire, Wire};
use super::{Convert, ManualConvert};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How values of a type convert.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// The same type on both sides.
    Same,
    /// By a table.
    Table(&'static Table),
    /// Each item.
    List(&'static Shape),
    /// Each value.
    Map(&'static Shape),
    /// By hand, as a whole.
    Manual(&'static Manual),
}

/// How a struct or an enum converts.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Older side.
    pub old: Side,
    /// Newer side.
    pub new: Side,
    /// Fields of a struct.
    pub fields: &'static [Field],
    /// Variants of an enum.
    pub variants: &'static [Variant],
    /// Fields that convert together.
    pub groups: &'static [Group],
    /// Fields that change their struct.
    pub moved: &'static [Moved],
}

/// One side of a table.
#[derive(Clone, Copy, Debug)]
pub struct Side {
    /// The form on the wire.
    pub wire: Wire,
    /// Whether a text is a value of the side's type.
    pub check: Check,
}

/// A field of a struct, on the sides that have it.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Rust name on the older side.
    pub old: Option<&'static str>,
    /// Rust name on the newer side.
    pub new: Option<&'static str>,
    /// What happens.
    pub action: Action,
    /// Whether a text is a value of the older field.
    pub check_old: Option<Check>,
    /// Whether a text is a value of the newer field.
    pub check_new: Option<Check>,
}

/// What happens to a field.
#[derive(Clone, Copy, Debug)]
pub enum Action {
    /// The value moves as it stands.
    Same,
    /// The value converts by the table of its type.
    Nested {
        /// That of the field's type.
        shape: Shape,
        /// Members that tell items of a list apart, by their names on the newer side's wire.
        keys: &'static [&'static str],
        /// Whether the type can lose something.
        loss: Loss,
    },
    /// The value goes through functions.
    With(With),
    /// One side has the field alone; what the other's objects get.
    OneSided(Fill),
    /// Some `moved` of an enclosing struct takes or places the value.
    Moved,
}

/// What a field holds that the source does not have.
#[derive(Clone, Copy, Debug)]
pub enum Fill {
    /// It stays absent.
    Nothing,
    /// This value.
    Value(Make),
    /// Made from the whole source struct.
    Computed(Call),
}

/// A way up and a way down.
#[derive(Clone, Copy, Debug)]
pub struct With {
    /// Old to new.
    pub up: Call,
    /// New to old.
    pub down: Call,
    /// Whether they are inverses of one another.
    pub exact: bool,
    /// In place of an error of `up`.
    pub or_up: Option<Make>,
    /// In place of an error of `down`.
    pub or_down: Option<Make>,
}

/// Fields that convert together.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// Members on the older side.
    pub old: &'static [Member],
    /// Members on the newer side.
    pub new: &'static [Member],
    /// The functions: of one member's value, or of a tuple.
    pub with: With,
}

/// A member of a group.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// Name in Rust.
    pub rust: &'static str,
    /// Whether a text is a value of the field.
    pub check: Check,
}

/// A field that changes its struct, by the Rust names on the way.
#[derive(Clone, Copy, Debug)]
pub struct Moved {
    /// Where the older type has it.
    pub old: &'static [&'static str],
    /// Where the newer type has it.
    pub new: &'static [&'static str],
    /// Defaults of the containers on the way in the older type, outermost first.
    pub create_old: &'static [Make],
    /// Defaults of the containers on the way in the newer type, outermost first.
    pub create_new: &'static [Make],
}

/// A variant of an enum, on the sides that have it.
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    /// Rust name on the older side.
    pub old: Option<&'static str>,
    /// Rust name on the newer side.
    pub new: Option<&'static str>,
    /// What happens.
    pub turn: Turn,
}

/// What happens to a variant.
#[derive(Clone, Copy, Debug)]
pub enum Turn {
    /// Content that moves as it stands.
    Same,
    /// A single value that converts by the table of its type.
    Nested {
        /// That of the value's type.
        shape: Shape,
        /// Whether the type can lose something.
        loss: Loss,
    },
    /// Named fields that convert as those of a struct.
    Fields(&'static [Field]),
    /// The other side shows this variant, without content.
    Shown(&'static str),
    /// The other side shows what a function makes of the whole value.
    Made(Call),
    /// The other side cannot show it: an error.
    Refused,
}

/// A type that converts by hand.
#[derive(Clone, Copy, Debug)]
pub struct Manual {
    /// Old to new.
    pub up: Call,
    /// New to old.
    pub down: Call,
    /// Whether a text is a value of the older type.
    pub check_old: Check,
    /// Whether a text is a value of the newer type.
    pub check_new: Check,
}

impl Table {
    const fn of<Old, New>() -> Self
    where
        Old: OnWire + DeserializeOwned,
        New: OnWire + DeserializeOwned,
    {
        Self {
            old: Side {
                wire: Old::WIRE,
                check: reads::<Old>,
            },
            new: Side {
                wire: New::WIRE,
                check: reads::<New>,
            },
            fields: &[],
            variants: &[],
            groups: &[],
            moved: &[],
        }
    }

    /// A struct.
    pub const fn structs<Old, New>(fields: &'static [Field]) -> Self
    where
        Old: OnWire + DeserializeOwned,
        New: OnWire + DeserializeOwned,
    {
        let mut table = Self::of::<Old, New>();
        table.fields = fields;
        table
    }

    /// An enum.
    pub const fn enums<Old, New>(variants: &'static [Variant]) -> Self
    where
        Old: OnWire + DeserializeOwned,
        New: OnWire + DeserializeOwned,
    {
        let mut table = Self::of::<Old, New>();
        table.variants = variants;
        table
    }

    /// With fields that convert together.
    pub const fn groups(mut self, groups: &'static [Group]) -> Self {
        self.groups = groups;
        self
    }

    /// With fields that change their struct.
    pub const fn moved(mut self, moved: &'static [Moved]) -> Self {
        self.moved = moved;
        self
    }

    /// Whether an edge with this table can lose something.
    pub const fn loss(&self) -> Loss {
        let mut loss = fields_loss(self.fields);
        let mut i = 0;
        while i < self.variants.len() {
            let variant = &self.variants[i];
            loss = loss.or(match variant.turn {
                Turn::Same => Loss::NONE,
                Turn::Nested { loss, .. } => loss,
                Turn::Fields(fields) => fields_loss(fields),
                Turn::Shown(_) | Turn::Made(_) | Turn::Refused => Loss {
                    up: variant.new.is_none(),
                    down: variant.old.is_none(),
                },
            });
            i += 1;
        }
        let mut i = 0;
        while i < self.groups.len() {
            loss = loss.or(self.groups[i].with.loss());
            i += 1;
        }
        // A container that was made for the value stays when the value goes back.
        if self.moved.is_empty() { loss } else { Loss::BOTH }
    }
}

const fn fields_loss(fields: &[Field]) -> Loss {
    let mut loss = Loss::NONE;
    let mut i = 0;
    while i < fields.len() {
        let field = &fields[i];
        loss = loss.or(match field.action {
            Action::Same | Action::Moved => Loss::NONE,
            Action::Nested { loss, .. } => loss,
            Action::With(with) => with.loss(),
            Action::OneSided(_) => Loss {
                up: field.new.is_none(),
                down: field.old.is_none(),
            },
        });
        i += 1;
    }
    loss
}

impl Field {
    const fn of(old: Option<&'static str>, new: Option<&'static str>, action: Action) -> Self {
        Self {
            old,
            new,
            action,
            check_old: None,
            check_new: None,
        }
    }

    /// A field of one name and type.
    pub const fn same(rust: &'static str) -> Self {
        Self::of(Some(rust), Some(rust), Action::Same)
    }

    /// A field with two names.
    pub const fn renamed(old: &'static str, new: &'static str) -> Self {
        Self::of(Some(old), Some(new), Action::Same)
    }

    /// A field that the newer side has alone.
    pub const fn added(new: &'static str) -> Self {
        Self::of(None, Some(new), Action::OneSided(Fill::Nothing))
    }

    /// A field that the older side has alone.
    pub const fn old_only(old: &'static str) -> Self {
        Self::of(Some(old), None, Action::OneSided(Fill::Nothing))
    }

    /// A field of the older side which some `moved` takes.
    pub const fn moved_old(old: &'static str) -> Self {
        Self::of(Some(old), None, Action::Moved)
    }

    /// A field of the newer side which some `moved` places.
    pub const fn moved_new(new: &'static str) -> Self {
        Self::of(None, Some(new), Action::Moved)
    }

    /// What the side that lacks the field gets.
    pub const fn value(mut self, make: Make) -> Self {
        self.action = Action::OneSided(Fill::Value(make));
        self
    }

    /// What the side that lacks the field gets, of the whole source struct.
    pub const fn computed(mut self, call: Call) -> Self {
        self.action = Action::OneSided(Fill::Computed(call));
        self
    }

    /// The type's own table; `T` is the newer field's type.
    pub const fn nested<T: Convert>(mut self) -> Self {
        self.action = Action::Nested {
            shape: T::SHAPE,
            keys: &[],
            loss: T::LOSS,
        };
        self
    }

    /// How items of a nested list are told apart.
    pub const fn keys(mut self, names: &'static [&'static str]) -> Self {
        if let Action::Nested { shape, loss, .. } = self.action {
            self.action = Action::Nested {
                shape,
                keys: names,
                loss,
            };
        }
        self
    }

    /// The function up, of old to new; [`down`](Self::down) follows.
    pub const fn up(mut self, call: Call) -> Self {
        self.action = Action::With(With::new(call, call));
        self
    }

    /// The function down, of new to old.
    pub const fn down(mut self, call: Call) -> Self {
        if let Action::With(with) = &mut self.action {
            with.down = call;
        }
        self
    }

    /// The functions are inverses of one another.
    pub const fn exact(mut self) -> Self {
        if let Action::With(with) = &mut self.action {
            with.exact = true;
        }
        self
    }

    /// In place of an error of `up`.
    pub const fn or_up(mut self, make: Make) -> Self {
        if let Action::With(with) = &mut self.action {
            with.or_up = Some(make);
        }
        self
    }

    /// In place of an error of `down`.
    pub const fn or_down(mut self, make: Make) -> Self {
        if let Action::With(with) = &mut self.action {
            with.or_down = Some(make);
        }
        self
    }

    /// The check of the side that has the field; the newer one where both have.
    pub const fn checked(mut self, check: Check) -> Self {
        if self.new.is_some() {
            self.check_new = Some(check);
        } else {
            self.check_old = Some(check);
        }
        self
    }

    /// The check of the older side, by an accessor of the field: only that names its type.
    pub const fn checked_at<S, T: DeserializeOwned>(mut self, old: fn(&S) -> &T) -> Self {
        self.check_old = Some(reads_at(old));
        self
    }
}

impl With {
    /// A way up and a way down, which may lose something.
    pub const fn new(up: Call, down: Call) -> Self {
        Self {
            up,
            down,
            exact: false,
            or_up: None,
            or_down: None,
        }
    }

    /// They are inverses of one another.
    pub const fn exact(mut self) -> Self {
        self.exact = true;
        self
    }

    /// In place of an error of `up`.
    pub const fn or_up(mut self, make: Make) -> Self {
        self.or_up = Some(make);
        self
    }

    /// In place of an error of `down`.
    pub const fn or_down(mut self, make: Make) -> Self {
        self.or_down = Some(make);
        self
    }

    const fn loss(&self) -> Loss {
        if self.exact { Loss::NONE } else { Loss::BOTH }
    }
}

impl Group {
    /// Members of both sides and their functions.
    pub const fn new(old: &'static [Member], new: &'static [Member], with: With) -> Self {
        Self { old, new, with }
    }
}

impl Member {
    /// A member by its Rust name.
    pub const fn new(rust: &'static str, check: Check) -> Self {
        Self { rust, check }
    }
}

impl Moved {
    /// From the older type's place to the newer type's.
    pub const fn new(old: &'static [&'static str], new: &'static [&'static str]) -> Self {
        Self {
            old,
            new,
            create_old: &[],
            create_new: &[],
        }
    }

    /// Defaults of the containers on the way.
    pub const fn creates(mut self, old: &'static [Make], new: &'static [Make]) -> Self {
        self.create_old = old;
        self.create_new = new;
        self
    }
}

impl Variant {
    const fn of(old: Option<&'static str>, new: Option<&'static str>, turn: Turn) -> Self {
        Self { old, new, turn }
    }

    /// A variant of one name, whose content does not change.
    pub const fn same(rust: &'static str) -> Self {
        Self::of(Some(rust), Some(rust), Turn::Same)
    }

    /// A variant with two names.
    pub const fn renamed(old: &'static str, new: &'static str) -> Self {
        Self::of(Some(old), Some(new), Turn::Same)
    }

    /// A variant that the newer side has alone; `down` follows.
    pub const fn added(new: &'static str) -> Self {
        Self::of(None, Some(new), Turn::Refused)
    }

    /// A variant that the older side has alone; `old_only(Blue(up = Rolling))`.
    pub const fn old_only(old: &'static str) -> Self {
        Self::of(Some(old), None, Turn::Refused)
    }

    /// The single value's own table.
    pub const fn nested<T: Convert>(mut self) -> Self {
        self.turn = Turn::Nested {
            shape: T::SHAPE,
            loss: T::LOSS,
        };
        self
    }

    /// The named fields' conversions.
    pub const fn fields(mut self, fields: &'static [Field]) -> Self {
        self.turn = Turn::Fields(fields);
        self
    }

    /// The other side's variant in its place.
    pub const fn shown(mut self, rust: &'static str) -> Self {
        self.turn = Turn::Shown(rust);
        self
    }

    /// The other side's value in its place.
    pub const fn made(mut self, call: Call) -> Self {
        self.turn = Turn::Made(call);
        self
    }
}

impl Manual {
    /// By [`ManualConvert`].
    pub const fn of<Old, New>() -> Self
    where
        New: ManualConvert<Old> + Serialize + DeserializeOwned,
        Old: Serialize + DeserializeOwned,
    {
        Self {
            up: manual_up::<New, Old>,
            down: manual_down::<New, Old>,
            check_old: reads::<Old>,
            check_new: reads::<New>,
        }
    }
}
