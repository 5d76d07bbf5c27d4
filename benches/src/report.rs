//! Figures of several rounds, and the table they are printed in.

/// Samples of one measure, in the unit that its label names.
#[derive(Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn min(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }

    pub(crate) fn max(&self) -> f64 {
        self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            (sorted[middle - 1] + sorted[middle]) / 2.0
        }
    }
}

/// Prints one line: the label, then minimum, median and maximum, and how many samples stand behind them.
pub(crate) fn row(label: &str, unit: &str, samples: &Samples) {
    println!(
        "  {label:<58} {:>10.2} {:>10.2} {:>10.2} {unit:<6} n={}",
        samples.min(),
        samples.median(),
        samples.max(),
        samples.0.len()
    );
}

/// Prints the heading of the rows.
pub(crate) fn heading(title: &str) {
    println!(
        "\n{title}\n  {:<58} {:>10} {:>10} {:>10}",
        "", "min", "median", "max"
    );
}

/// Prints a ratio with the goal it is held against.
pub(crate) fn ratio(label: &str, value: f64, goal: &str) {
    println!("  {label:<58} {value:>10.2} x  (goal: {goal})");
}
