//! Writes `generated.rs`: types at random, of everything that the mapping knows, and the same ones each time.
//!
//! **Invariant:** names of fields are unique across types, so that any of them may be lifted into any other; a field that
//! tells an untagged variant, or a lifted optional struct, from its absence is required.

use std::fmt::Write as _;

use super::values::splitmix;

/// How many types there are.
pub(crate) const TYPES: usize = 44;
/// Most properties of a type, those of its fields counted in: schemas are inlined.
const LARGEST: usize = 60;

/// What a type is to those that hold it.
#[derive(Clone, Copy, PartialEq)]
enum Sort {
    /// An object with fields of its own, some of which are required; nothing in it is lifted.
    Plain,
    /// An object of variants, without required names of its own.
    Variants,
    /// A string with an order.
    Names,
    /// Anything else.
    Other,
}

struct Made {
    name: String,
    sort: Sort,
    /// Properties in its schema.
    size: usize,
    /// The types whose fields are its own properties, with itself.
    lifts: Vec<usize>,
}

/// The random parts of all types.
struct Writer {
    state: u64,
    made: Vec<Made>,
    fields: usize,
    /// What the present type lifts.
    lifts: Vec<usize>,
    text: String,
}

/// The text of `generated.rs`.
pub(crate) fn text() -> String {
    let mut writer = Writer {
        state: 0x006b_7562_6577,
        made: Vec::new(),
        fields: 0,
        lifts: Vec::new(),
        text: String::new(),
    };
    writer.text.push_str(
        "//! Written by `generate.rs`, whose test says how to write it anew. Do not edit.\n\n\
         #![allow(clippy::large_enum_variant, clippy::box_collection, reason = \"types at random\")]\n\n\
         use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};\n\n\
         use kubewright::{CustomResource, KubeSchema};\n\
         use serde::{Deserialize, Serialize};\n\n\
         use super::values::{Draw, Source};\n",
    );
    for at in 0..TYPES {
        writer.one(at);
    }
    writer.kind();
    writer.text
}

const DERIVES: &str = "KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq";
const RULES: [&str; 4] = ["camelCase", "kebab-case", "PascalCase", "SCREAMING_SNAKE_CASE"];

/// A field as it is written.
struct Field {
    attributes: Vec<String>,
    name: String,
    ty: String,
    required: bool,
    size: usize,
}

impl Writer {
    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(splitmix(&mut self.state) % u64::try_from(limit).unwrap()).unwrap()
    }

    fn chance(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        let at = self.below(from.len());
        from[at]
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// An earlier type of a sort.
    fn earlier(&mut self, fits: impl Fn(Sort) -> bool, largest: usize) -> Option<usize> {
        self.one_that(|made| fits(made.sort) && made.size <= largest)
    }

    fn one_that(&mut self, fits: impl Fn(&Made) -> bool) -> Option<usize> {
        let known: Vec<usize> = (0..self.made.len()).filter(|at| fits(&self.made[*at])).collect();
        (!known.is_empty()).then(|| known[self.below(known.len())])
    }

    fn scalar(&mut self) -> String {
        let scalars = [
            "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "bool", "String", "char", "f64", "f32",
        ];
        self.pick(&scalars).to_owned()
    }

    /// A type, and how many properties it brings.
    fn ty(&mut self, depth: usize) -> (String, usize) {
        match self.below(10) {
            0..=3 => (self.scalar(), 1),
            4 if depth < 2 => {
                let (inner, size) = self.ty(depth + 1);
                let list = self.pick(&["Vec", "VecDeque"]);
                (format!("{list}<{inner}>"), size)
            }
            5 if depth < 2 => {
                let (inner, size) = self.ty(depth + 1);
                let map = self.pick(&["BTreeMap", "HashMap"]);
                (format!("{map}<String, {inner}>"), size)
            }
            6 => match self.earlier(|sort| sort == Sort::Names, LARGEST) {
                Some(at) if self.chance(2) => (format!("BTreeSet<{}>", self.made[at].name), 1),
                _ => {
                    let item = self.pick(&["String", "i32", "u8", "bool", "char"]);
                    (format!("BTreeSet<{item}>"), 1)
                }
            },
            7 => {
                let (inner, size) = self.ty(2);
                (format!("Box<{inner}>"), size)
            }
            _ => match self.earlier(|_| true, LARGEST / 4) {
                Some(at) => (self.made[at].name.clone(), self.made[at].size),
                None => (self.scalar(), 1),
            },
        }
    }

    fn field(&mut self) -> Field {
        self.fields += 1;
        let name = format!("some_field{}", self.fields);
        let (mut ty, size) = self.ty(0);
        let mut attributes = Vec::new();
        let mut required = true;
        match self.below(8) {
            0 | 1 => {
                required = false;
                let nullable = self.takes_null(&ty);
                ty = format!("Option<{ty}>");
                if self.chance(2) {
                    attributes.push("#[serde(skip_serializing_if = \"Option::is_none\")]".to_owned());
                } else if self.chance(2) && nullable {
                    attributes.push("#[kube(nullable)]".to_owned());
                }
            }
            2 if ty.starts_with("Vec<") => {
                required = false;
                attributes.push("#[serde(default, skip_serializing_if = \"Vec::is_empty\")]".to_owned());
            }
            3 if is_scalar(&ty) && ty != "char" => {
                required = false;
                attributes.push("#[serde(default)]".to_owned());
                if self.chance(2) {
                    attributes.push("#[kube(schema_default)]".to_owned());
                }
            }
            _ => {}
        }
        if self.chance(6) {
            attributes.push(format!("#[serde(rename = \"other.name-{}\")]", self.fields));
        }
        Field {
            attributes,
            name,
            ty,
            required,
            size: size + 1,
        }
    }

    /// Whether null can stand beside a type's values: no enum takes it (SCH-31), and a newtype may be one.
    fn takes_null(&self, ty: &str) -> bool {
        let ty = ty.trim_start_matches("Box<").trim_end_matches('>');
        let made = self.made.iter().find(|made| made.name == ty);
        made.is_none_or(|made| made.sort == Sort::Plain)
    }

    /// Some fields, the first of which is required if that is wanted.
    fn fields(&mut self, most: usize, first: bool) -> Vec<Field> {
        let many = 1 + self.below(most);
        let mut fields: Vec<Field> = Vec::new();
        while fields.len() < many {
            let field = self.field();
            if field.required || !first || !fields.is_empty() {
                fields.push(field);
            }
        }
        fields
    }

    /// A field that lifts an earlier type, none of whose properties is there already.
    fn lifted(&mut self) -> Option<Field> {
        let taken = self.lifts.clone();
        let at = self.one_that(|made| {
            matches!(made.sort, Sort::Plain | Sort::Variants)
                && made.size <= LARGEST / 3
                && !made.lifts.iter().any(|at| taken.contains(at))
        })?;
        self.lifts.extend(self.made[at].lifts.clone());
        self.fields += 1;
        let size = self.made[at].size;
        let (name, optional) = (self.made[at].name.clone(), self.chance(3));
        let ty = if optional { format!("Option<{name}>") } else { name };
        Some(Field {
            attributes: vec!["#[serde(flatten)]".to_owned()],
            name: format!("some_field{}", self.fields),
            ty,
            required: false,
            size,
        })
    }

    fn one(&mut self, at: usize) {
        let name = format!("T{at:02}");
        self.text.push('\n');
        let (sort, size) = match at % 11 {
            0 => self.names(&name),
            1 | 4 => self.structure(&name, false),
            2 | 6 => self.structure(&name, true),
            3 => self.external(&name),
            5 => self.tagged(&name, "internal"),
            7 => self.tagged(&name, "adjacent"),
            8 => self.untagged(&name),
            9 => self.newtype(&name),
            _ => self.tagged(&name, "shared"),
        };
        let mut lifts = std::mem::take(&mut self.lifts);
        lifts.push(at);
        self.made.push(Made {
            name,
            sort,
            size,
            lifts,
        });
    }

    fn attributes(&mut self, derives: &str, serde: &[String]) {
        let derives = format!("#[derive({derives})]");
        self.line(&derives);
        if !serde.is_empty() {
            let line = format!("#[serde({})]", serde.join(", "));
            self.line(&line);
        }
    }

    fn rule(&mut self, key: &str) -> Vec<String> {
        if self.chance(2) {
            vec![format!("{key} = \"{}\"", self.pick(&RULES))]
        } else {
            Vec::new()
        }
    }

    fn print_fields(&mut self, fields: &[Field], indent: &str, public: &str) {
        for field in fields {
            for attribute in &field.attributes {
                self.line(&format!("{indent}{attribute}"));
            }
            self.line(&format!("{indent}{public}{}: {},", field.name, field.ty));
        }
    }

    /// The code that draws a value of `name`.
    fn draw(&mut self, name: &str, bodies: &[String]) {
        let mut code = format!("\nimpl Draw for {name} {{\n    fn draw(from: &mut Source) -> Self {{\n");
        if let [only] = bodies {
            let _ = writeln!(code, "        {only}");
        } else {
            let _ = writeln!(code, "        match from.below({}) {{", bodies.len());
            for (at, body) in bodies.iter().enumerate() {
                let pattern = if at + 1 == bodies.len() {
                    "_".to_owned()
                } else {
                    at.to_string()
                };
                let _ = writeln!(code, "            {pattern} => {body},");
            }
            code.push_str("        }\n");
        }
        code.push_str("    }\n}\n");
        self.text.push_str(&code);
    }

    fn names(&mut self, name: &str) -> (Sort, usize) {
        let serde = self.rule("rename_all");
        self.attributes(&format!("{DERIVES}, Eq, PartialOrd, Ord"), &serde);
        self.line(&format!("pub(crate) enum {name} {{"));
        let many = 2 + self.below(4);
        for variant in 0..many {
            self.line(&format!("    SomeName{variant},"));
        }
        self.line("}");
        let bodies: Vec<String> = (0..many).map(|at| format!("Self::SomeName{at}")).collect();
        self.draw(name, &bodies);
        (Sort::Names, 1)
    }

    fn structure(&mut self, name: &str, lifts: bool) -> (Sort, usize) {
        let serde = self.rule("rename_all");
        let mut fields = self.fields(6, true);
        let own = fields.len();
        for _ in 0..if lifts { 2 } else { 0 } {
            fields.extend(self.lifted());
        }
        self.attributes(DERIVES, &serde);
        self.line(&format!("pub(crate) struct {name} {{"));
        self.print_fields(&fields, "    ", "pub(crate) ");
        self.line("}");
        self.draw(name, &[literal("Self", &fields)]);
        let size = fields.iter().map(|field| field.size).sum();
        let sort = if fields.len() == own {
            Sort::Plain
        } else {
            Sort::Other
        };
        (sort, size)
    }

    fn newtype(&mut self, name: &str) -> (Sort, usize) {
        let (ty, size) = self.ty(0);
        self.attributes(DERIVES, &[]);
        self.line(&format!("pub(crate) struct {name}(pub(crate) {ty});"));
        self.draw(name, &["Self(Draw::draw(from))".to_owned()]);
        (Sort::Other, size)
    }

    fn external(&mut self, name: &str) -> (Sort, usize) {
        let mut serde = vec![format!("rename_all = \"{}\"", self.pick(&RULES))];
        serde.extend(self.rule("rename_all_fields"));
        self.attributes(DERIVES, &serde);
        self.line(&format!("pub(crate) enum {name} {{"));
        let mut bodies = Vec::new();
        let mut size = 0;
        for variant in 0..2 + self.below(3) {
            // The name is the property's, so that it is unique too.
            let variant = format!("Of{name}Variant{variant}");
            if self.chance(2) {
                let (ty, more) = self.ty(0);
                size += more + 1;
                self.line(&format!("    {variant}({ty}),"));
                bodies.push(format!("Self::{variant}(Draw::draw(from))"));
            } else {
                let fields = self.fields(3, false);
                size += fields.iter().map(|field| field.size).sum::<usize>() + 1;
                self.line(&format!("    {variant} {{"));
                self.print_fields(&fields, "        ", "");
                self.line("    },");
                bodies.push(literal(&format!("Self::{variant}"), &fields));
            }
        }
        self.line("}");
        self.draw(name, &bodies);
        (Sort::Variants, size)
    }

    /// Internally or adjacently tagged; `shared` has a field of the same name and type in its variants.
    fn tagged(&mut self, name: &str, how: &str) -> (Sort, usize) {
        let tag = name.to_lowercase();
        let mut serde = vec![format!("tag = \"{tag}-tag\"")];
        if how == "adjacent" {
            serde.push(format!("content = \"{tag}-content\""));
        }
        serde.extend(self.rule("rename_all"));
        self.attributes(DERIVES, &serde);
        self.line(&format!("pub(crate) enum {name} {{"));
        let shared = (how == "shared").then(|| self.field());
        let mut bodies = Vec::new();
        let mut size = 2;
        for variant in 0..2 + self.below(3) {
            let variant = format!("Variant{variant}");
            let object = self.earlier(|sort| sort == Sort::Plain, LARGEST / 3);
            match (self.below(4), object) {
                (0, _) => {
                    self.line(&format!("    {variant},"));
                    bodies.push(format!("Self::{variant}"));
                }
                (1, Some(at)) => {
                    size += self.made[at].size;
                    if how != "adjacent" {
                        self.lifts.push(at);
                    }
                    let inner = self.made[at].name.clone();
                    self.line(&format!("    {variant}({inner}),"));
                    bodies.push(format!("Self::{variant}(Draw::draw(from))"));
                }
                _ => {
                    let mut fields = self.fields(3, false);
                    if let Some(shared) = &shared {
                        fields.push(Field {
                            attributes: shared.attributes.clone(),
                            name: shared.name.clone(),
                            ty: shared.ty.clone(),
                            ..*shared
                        });
                    }
                    size += fields.iter().map(|field| field.size).sum::<usize>();
                    self.line(&format!("    {variant} {{"));
                    self.print_fields(&fields, "        ", "");
                    self.line("    },");
                    bodies.push(literal(&format!("Self::{variant}"), &fields));
                }
            }
        }
        self.line("}");
        self.draw(name, &bodies);
        (Sort::Variants, size)
    }

    fn untagged(&mut self, name: &str) -> (Sort, usize) {
        self.attributes(DERIVES, &["untagged".to_owned()]);
        self.line(&format!("pub(crate) enum {name} {{"));
        let mut bodies = Vec::new();
        let mut size = 0;
        for variant in 0..2 + self.below(2) {
            let variant = format!("Variant{variant}");
            let fields = self.fields(3, true);
            size += fields.iter().map(|field| field.size).sum::<usize>();
            self.line(&format!("    {variant} {{"));
            self.print_fields(&fields, "        ", "");
            self.line("    },");
            bodies.push(literal(&format!("Self::{variant}"), &fields));
        }
        self.line("}");
        self.draw(name, &bodies);
        (Sort::Other, size)
    }

    /// The kind that holds one of each.
    fn kind(&mut self) {
        self.line("\n/// One of each.");
        self.line(&format!("#[derive(CustomResource, {DERIVES})]"));
        self.line(
            "#[kube(group = \"mapping.kubewright.dev\", version = \"v1\", kind = \"Generated\", derive = \"PartialEq\")]",
        );
        self.line("#[kube(allow(\"float\", \"wide-integer\", \"byte-list\"))]");
        self.line("pub(crate) struct GeneratedSpec {");
        for at in 0..TYPES {
            self.line(&format!("    #[serde(skip_serializing_if = \"Option::is_none\")]\n    pub(crate) t{at:02}: Option<T{at:02}>,"));
        }
        self.line("}");
        let fields: Vec<String> = (0..TYPES)
            .map(|at| format!("            t{at:02}: Draw::draw(from),"))
            .collect();
        self.draw(
            "GeneratedSpec",
            &[format!("Self {{\n{}\n        }}", fields.join("\n"))],
        );
    }
}

fn is_scalar(ty: &str) -> bool {
    !ty.contains('<') && !ty.starts_with('T')
}

fn literal(name: &str, fields: &[Field]) -> String {
    let fields: Vec<String> = fields
        .iter()
        .map(|field| format!("{}: Draw::draw(from)", field.name))
        .collect();
    format!("{name} {{ {} }}", fields.join(", "))
}

/// `KUBEWRIGHT_BLESS=1 cargo test -p kubewright-tests generated_types` writes the file anew.
#[test]
fn generated_types_are_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/mapping/generated.rs");
    let text = text();
    if std::env::var_os("KUBEWRIGHT_BLESS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == text,
        "generated.rs is not what generate.rs writes; set KUBEWRIGHT_BLESS and run this test"
    );
}
