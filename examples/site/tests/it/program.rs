//! The program itself.

use std::process::Stdio;

use tokio::process::Command;

use crate::harness::DEADLINE;

#[tokio::test]
async fn once_tells_the_whole_story() {
    let run = Command::new(env!("CARGO_BIN_EXE_site-webhook"))
        .arg("--once")
        .env_remove("KUBECONFIG")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(DEADLINE, run).await.unwrap().unwrap();
    let (printed, log) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert!(output.status.success(), "{log}");
    let mut rest = &*printed;
    for part in [
        "storedVersions: v1beta1\n",
        // What the old client wrote, and what the new one makes of it.
        "# blog at v1alpha1\n",
        "note: ask the web team",
        "# blog at v1\n",
        "certSecret: blog-tls",
        // What the old client cannot see is kept beside its edit.
        "# An old client gives lab another image",
        "imageName: lab:43",
        "# lab at v1\n",
        "type: Artifact",
        "image: lab:43",
        "strategy: Canary",
        "storedVersions: v1beta1, v1\n",
        "migrated: 3 of 3 objects written anew",
        "storedVersions: v1\n",
        "released: 2 entries of 2 objects",
        "stopped",
    ] {
        let at = rest.find(part).unwrap_or_else(|| panic!("no {part:?} in {rest}"));
        rest = &rest[at + part.len()..];
    }
}
