# `just` lists the recipes.
default:
    @just --list

# Type-check everything.
check:
    cargo check --workspace --all-targets

# All tests; those that need a real control plane run where KUBEBUILDER_ASSETS is set.
test:
    cargo test --workspace

# Compile-fail and compile-pass cases of the derives.
ui:
    cargo test -p kubewright-macros --test ui

# Accept new goldens: snapshots, compiler messages, committed CRDs.
bless:
    INSTA_UPDATE=always TRYBUILD=overwrite cargo test --workspace

# Documentation, warnings refused.
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# Formatting and lints, as CI sees them.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

# Fuzz the schema crate, some seconds for each target; needs a C++ compiler.
fuzz seconds="10" *targets:
    fuzz/run {{seconds}} {{targets}}

# Licences, advisories, duplicates, sources.
deny:
    cargo deny check

# The oldest supported compiler (rust-version in Cargo.toml).
msrv:
    cargo +1.89.0 check --workspace

# Side by side with the peers; see benches/README.md.
bench:
    cargo run --release -p kubewright-benches

# Laws of conversion with new seeds, longer fuzzing, and half an hour of churn.
nightly *args:
    bash .ci/nightly {{args}}

# What CI runs.
ci:
    bash .ci/run
