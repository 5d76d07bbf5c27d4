//! What compiles, and what does not with which words.
//!
//! The words are rustc's too, so they are compared on the pinned toolchain alone; elsewhere the cases that must
//! compile still do. `TRYBUILD=overwrite cargo test -p kubewright-macros --test ui` writes them anew.

use std::io::Write as _;

/// The toolchain whose words the `.stderr` files hold.
const PINNED: &str = "rustc 1.95.";

#[test]
fn ui() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass/*.rs");
    if is_pinned() {
        cases.compile_fail("tests/ui/fail/*.rs");
    } else {
        // Past the test runner, which keeps what passing tests print.
        let _ = writeln!(
            std::io::stderr(),
            "skipped: the words of compile errors are compared with {PINNED}x only"
        );
    }
}

fn is_pinned() -> bool {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = std::process::Command::new(rustc).arg("--version").output();
    version.is_ok_and(|output| output.stdout.starts_with(PINNED.as_bytes()))
}
