//! Enums: SCH-91 to SCH-97.

use kubewright::CustomResource;

use super::values::mapped;

mapped! {
    /// SCH-91.
    #[serde(rename_all = "kebab-case")]
    enum Phase {
        Pending,
        RunningFast,
        #[serde(rename = "Done.")]
        Done,
        #[serde(alias = "broken")]
        Failed,
    }

    /// SCH-91: one name.
    enum Single {
        Only,
    }

    struct Server {
        host: String,
        port: Option<u16>,
    }

    struct File {
        path: String,
        mode: Option<i32>,
    }

    /// SCH-91: any other string is read too.
    #[kube(open_enum)]
    enum OpenPhase {
        Known,
        Other,
    }

    /// SCH-92.
    #[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
    enum External {
        /// One of some.
        FileSystem { root_path: String, read_only: Option<bool> },
        Url(String),
        Server(Server),
        Ports(Vec<u16>),
        Number(i64),
        Phase(Phase),
        Nothing {},
    }

    /// SCH-92: of one variant.
    enum One {
        Server(Server),
    }

    /// SCH-94.
    #[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
    enum Internal {
        Listed { the_items: Vec<String>, shared: Option<i32> },
        Served(Server),
        Shares { shared: Option<i32>, needed: bool },
        Bare,
        Empty {},
    }

    /// SCH-95.
    #[serde(tag = "kind", content = "value")]
    enum Adjacent {
        Served(Server),
        Filed { path: String, deep: Option<Server> },
        Bare,
        Empty {},
    }

    /// SCH-95: all contents have one schema.
    #[serde(tag = "unit", content = "amount")]
    enum Amount {
        Bytes(i64),
        Items(i64),
        Unlimited,
    }

    /// SCH-95: names alone.
    #[serde(tag = "t", content = "c")]
    enum Names {
        A,
        B,
    }

    /// SCH-96.
    #[serde(untagged)]
    enum Untagged {
        Served(Server),
        Filed(File),
        Own { key: i32, more: Vec<i32> },
    }

    /// SCH-96: an integer or a string.
    #[serde(untagged)]
    enum Port {
        Number(i32),
        Name(String),
    }

    /// SCH-97: enums lifted into their parent.
    #[serde(rename_all = "camelCase")]
    struct Lifts {
        name: String,
        #[serde(flatten)]
        source: External,
        #[serde(flatten)]
        internal: Internal,
    }

    /// SCH-97.
    struct MaybeLifts {
        name: Option<String>,
        #[serde(flatten)]
        source: Option<One>,
        #[serde(flatten)]
        adjacent: Option<Adjacent>,
    }

    /// Enums in enums.
    #[serde(tag = "level")]
    enum Nested {
        Inner { inner: External, list: Vec<Internal> },
        Other(Lifts),
    }

    /// Of enums.
    #[derive(CustomResource)]
    #[kube(group = "mapping.kubewright.dev", version = "v1", kind = "Form")]
    #[kube(derive = "PartialEq")]
    #[kube(allow("empty-object", "pruned-alias"))]
    #[serde(rename_all = "camelCase")]
    struct FormSpec {
        phase: Phase,
        maybe_phase: Option<Phase>,
        #[kube(default = "pending")]
        #[serde(default = "pending")]
        default_phase: Phase,
        phases: Vec<Phase>,
        open_phase: OpenPhase,
        single: Single,
        external: External,
        maybe_external: Option<External>,
        externals: Vec<External>,
        one: One,
        internal: Internal,
        internals: std::collections::BTreeMap<String, Internal>,
        adjacent: Adjacent,
        adjacents: Vec<Adjacent>,
        amount: Amount,
        names: Names,
        untagged: Untagged,
        untaggeds: Vec<Untagged>,
        port: Port,
        ports: Vec<Port>,
        lifts: Lifts,
        maybe_lifts: MaybeLifts,
        nested: Nested,
    }
}

fn pending() -> Phase {
    Phase::Pending
}
