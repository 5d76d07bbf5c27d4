//! Side by side with the peers, in one run. See README.md beside this crate.

#![allow(clippy::print_stdout, reason = "printing is what this program does")]

mod cache;
mod convert;
mod derive;
mod report;
mod schema;
mod server;

use std::process::ExitCode;

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

const USAGE: &str = "usage: kubewright-benches [cache [store] [memory] [queue] [controller] [growth]] [convert] [derive] [schema] [server]   (nothing named: all)";

#[tokio::main]
async fn main() -> ExitCode {
    let names: Vec<String> = std::env::args().skip(1).collect();
    if names == [convert::MEMORY] {
        return end(convert::memory());
    }
    if names.first().is_some_and(|name| name == cache::CHILD) {
        return end(cache::child(&names[1..]).await);
    }
    if names.first().is_some_and(|name| name == "cache") {
        let parts: Vec<&str> = names[1..].iter().map(String::as_str).collect();
        return match parts.iter().find(|part| !cache::PARTS.contains(*part)) {
            Some(unknown) => {
                println!("{unknown:?} is no part of the bench of caches; {USAGE}");
                ExitCode::from(2)
            }
            None => end(cache::run(&parts)),
        };
    }
    if let Some(unknown) = names.iter().find(|name| {
        !matches!(
            name.as_str(),
            "cache" | "convert" | "derive" | "schema" | "server"
        )
    }) {
        println!("{unknown:?} is no bench; {USAGE}");
        return ExitCode::from(2);
    }
    let wanted = |name: &str| names.is_empty() || names.iter().any(|n| n == name);
    let run = async || -> Result<()> {
        if wanted("cache") {
            cache::run(&[])?;
        }
        if wanted("convert") {
            convert::run()?;
        }
        if wanted("derive") {
            derive::run()?;
        }
        if wanted("schema") {
            schema::run()?;
        }
        if wanted("server") {
            server::run().await?;
        }
        Ok(())
    };
    end(run().await)
}

fn end(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("stopped: {error}");
            ExitCode::FAILURE
        }
    }
}
