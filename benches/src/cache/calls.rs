//! What reconcilers of the bench say of their calls, and the figures of a controller that come of it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use kubewright::kube::ResourceExt;

use super::objects::Foo;
use super::probe::{Figures, cpu, peak, percentiles};
use super::standin::made;
use crate::Result;

/// The calls of one reconciler.
pub(crate) struct Calls {
    done: AtomicUsize,
    /// Ages in milliseconds, once the first state is done.
    ages: Mutex<Vec<f64>>,
    first: Mutex<Option<Instant>>,
    objects: usize,
}

impl Calls {
    pub(crate) fn new(objects: usize) -> Self {
        Self {
            done: AtomicUsize::new(0),
            ages: Mutex::default(),
            first: Mutex::default(),
            objects,
        }
    }

    /// Notes a call, and the age of what it saw.
    pub(crate) fn note(&self, object: Option<&Foo>) {
        let done = self.done.fetch_add(1, Ordering::Relaxed);
        if done == 0 {
            *self.first.lock().expect("nobody panics with it") = Some(Instant::now());
        }
        if done >= self.objects
            && let Some(version) = object.and_then(|object| object.resource_version()?.parse::<u64>().ok())
        {
            let age = made().saturating_sub(version) as f64 / 1e6;
            self.ages.lock().expect("nobody panics with it").push(age);
        }
    }

    fn take_ages(&self) -> Vec<f64> {
        std::mem::take(&mut *self.ages.lock().expect("nobody panics with it"))
    }

    /// The figures of a controller that was started at `begun`, when the process had used so many seconds of a
    /// processor.
    pub(crate) async fn measure(&self, url: &str, begun: Instant, used: f64) -> Result<Figures> {
        let mut figures = Figures::new();
        let done = || self.done.load(Ordering::Relaxed);
        super::until(|| done() >= self.objects).await?;
        let all = begun.elapsed().as_secs_f64();
        let first = *self.first.lock().expect("nobody panics with it");
        let first = first.map_or(all, |first| (first - begun).as_secs_f64());
        figures.insert("first_s".into(), first);
        figures.insert("all_s".into(), all);
        figures.insert("cpu_s".into(), cpu()? - used);
        figures.insert("per_s".into(), self.objects as f64 / (all - first));
        super::burst(url, self.objects, &mut figures, done).await?;
        drop(self.take_ages());
        let used = cpu()?;
        super::paced(url, done).await?;
        let used = cpu()? - used;
        figures.insert("event_cpu_ms".into(), used * 1e3 / super::EVENTS as f64);
        percentiles(self.take_ages(), &mut figures);
        figures.insert("peak_mib".into(), peak()? / 1_048_576.0);
        Ok(figures)
    }
}
