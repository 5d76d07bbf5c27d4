//! What a process says of itself, and the figures that a child prints for its parent.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::Result;

/// Figures by name, as a child prints them on one line.
pub(crate) type Figures = BTreeMap<String, f64>;

/// Bytes of memory that the process holds.
pub(crate) fn rss() -> Result<f64> {
    Ok(status("VmRSS:")? * 1024.0)
}

/// The most that the process held.
pub(crate) fn peak() -> Result<f64> {
    Ok(status("VmHWM:")? * 1024.0)
}

fn status(name: &str) -> Result<f64> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| format!("/proc/self/status does not say {name}").into())
}

/// Seconds that the process ran on a processor, of all its threads.
pub(crate) fn cpu() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/self/stat")?;
    // The name of the program may have spaces.
    let rest = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = |at: usize| {
        rest.split_whitespace()
            .nth(at)
            .and_then(|ticks| ticks.parse::<f64>().ok())
    };
    match (ticks(11), ticks(12)) {
        (Some(user), Some(system)) => Ok((user + system) / 100.0),
        _ => Err("/proc/self/stat is not understood".into()),
    }
}

/// How long each measure of operations per second takes.
const SPAN: Duration = Duration::from_millis(700);

/// Operations per second of one thread.
pub(crate) fn rate<T>(mut operation: impl FnMut(usize) -> T) -> f64 {
    let mut done = 0_usize;
    let begun = Instant::now();
    while begun.elapsed() < SPAN {
        for _ in 0..32 {
            black_box(operation(done));
            done += 1;
        }
    }
    done as f64 / begun.elapsed().as_secs_f64()
}

/// Operations per second of two readers together beside a writer that never rests, and its writes per second.
pub(crate) fn contended<T>(
    read: impl Fn(usize) -> T + Sync,
    mut write: impl FnMut(usize) + Send,
) -> (f64, f64) {
    let (stop, reads) = (AtomicBool::new(false), AtomicU64::new(0));
    let begun = Instant::now();
    let mut writes = 0_usize;
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let (stop, reads, read) = (&stop, &reads, &read);
            scope.spawn(move || {
                let mut done = 0_usize;
                while !stop.load(Ordering::Relaxed) {
                    for _ in 0..32 {
                        black_box(read(done * 2 + thread));
                        done += 1;
                    }
                }
                reads.fetch_add(done as u64, Ordering::Relaxed);
            });
        }
        while begun.elapsed() < SPAN {
            write(writes);
            writes += 1;
        }
        stop.store(true, Ordering::Relaxed);
    });
    let seconds = begun.elapsed().as_secs_f64();
    (
        reads.load(Ordering::Relaxed) as f64 / seconds,
        writes as f64 / seconds,
    )
}

/// The keys in an order that a processor cannot guess.
pub(crate) fn scattered(at: usize, of: usize) -> usize {
    (at.wrapping_mul(2_654_435_761)) % of
}

/// Percentiles of latencies in milliseconds: median, 90, 99.
pub(crate) fn percentiles(mut millis: Vec<f64>, figures: &mut Figures) {
    millis.sort_by(f64::total_cmp);
    for (name, share) in [("p50_ms", 0.5), ("p90_ms", 0.9), ("p99_ms", 0.99)] {
        let at = ((millis.len() as f64 * share) as usize).min(millis.len().saturating_sub(1));
        figures.insert(name.to_owned(), millis.get(at).copied().unwrap_or(f64::NAN));
    }
}

/// Prints the figures for the parent.
pub(crate) fn print(figures: &Figures) -> Result<()> {
    println!("{}", serde_json::to_string(figures)?);
    Ok(())
}
