//! Figures beside their targets.

use anyhow::ensure;
use serde::Serialize;
use std::fmt;

/// What a figure has to be.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// Smaller than this.
    Below(f64),
    /// This, or more.
    AtLeast(f64),
    /// This, or less.
    AtMost(f64),
}

impl Target {
    fn is_met(self, value: f64) -> bool {
        match self {
            Target::Below(limit) => value < limit,
            Target::AtLeast(limit) => value >= limit,
            Target::AtMost(limit) => value <= limit,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Below(limit) => write!(f, "< {limit}"),
            Target::AtLeast(limit) => write!(f, "≥ {limit}"),
            Target::AtMost(limit) => write!(f, "≤ {limit}"),
        }
    }
}

/// One line of the result.
#[derive(Serialize)]
struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    /// `null`: there is no target, it explains another figure.
    target: Option<Target>,
    /// `null`: there is no target.
    met: Option<bool>,
    /// Why it is missed, if that is known; `null` when it is met.
    reason: Option<&'static str>,
}

/// All that was measured, in order.
#[derive(Default)]
pub struct Figures(Vec<Figure>);

impl Figures {
    /// Adds one that has a target.
    pub fn judge(&mut self, name: impl Into<String>, value: f64, unit: &'static str, target: Target) {
        self.add(name.into(), value, unit, Some(target));
    }

    /// Adds one that explains another.
    pub fn note(&mut self, name: impl Into<String>, value: f64, unit: &'static str) {
        self.add(name.into(), value, unit, None);
    }

    /// Says why the latest figure is missed, if it is. A reason makes it no less so.
    #[allow(dead_code, reason = "not every benchmark knows of one")]
    pub fn explain(&mut self, reason: &'static str) {
        if let Some(figure) = self.0.last_mut().filter(|figure| figure.met == Some(false)) {
            figure.reason = Some(reason);
        }
    }

    fn add(&mut self, name: String, value: f64, unit: &'static str, target: Option<Target>) {
        self.0.push(Figure {
            name,
            value,
            unit,
            target,
            met: target.map(|target| target.is_met(value)),
            reason: None,
        });
    }

    /// Prints all of them.
    ///
    /// # Errors
    ///
    /// Names those that miss their targets.
    pub fn print(&self, json: bool) -> anyhow::Result<()> {
        if json {
            println!("{}", serde_json::to_string_pretty(&self.0)?);
        } else {
            println!("{:<66}  {:>10}  {:<6}  target", "figure", "value", "unit");
            for figure in &self.0 {
                let target = match (figure.target, figure.met) {
                    (Some(target), Some(true)) => format!("{target}"),
                    (Some(target), _) => format!("{target}  MISSED"),
                    (None, _) => String::new(),
                };
                let line = format!(
                    "{:<66}  {:>10.2}  {:<6}  {target}",
                    figure.name, figure.value, figure.unit
                );
                println!("{}", line.trim_end());
                if let Some(reason) = figure.reason {
                    println!("  {reason}");
                }
            }
        }
        let missed = self.0.iter().filter(|figure| figure.met == Some(false));
        let missed: Vec<&str> = missed.map(|figure| figure.name.as_str()).collect();
        ensure!(missed.is_empty(), "targets are missed: {}", missed.join("; "));
        Ok(())
    }
}

/// The value that this share of the values does not exceed; 0 of nothing.
pub fn percentile(sorted: &[f64], share: f64) -> f64 {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_values_and_never_too_small() {
        let values: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!(percentile(&values, 0.50), 100.0);
        assert_eq!(percentile(&values, 0.95), 190.0);
        assert_eq!(percentile(&values, 0.99), 198.0);
        assert_eq!(percentile(&[7.0], 0.99), 7.0);
        assert_eq!(percentile(&[], 0.5), 0.0);
    }

    #[test]
    fn a_missed_target_is_an_error_that_names_it_and_a_met_one_is_not() {
        let mut figures = Figures::default();
        figures.judge("fast", 4.9, "ms", Target::Below(5.0));
        figures.judge("enough", 3000.0, "1/s", Target::AtLeast(3000.0));
        figures.judge("none lost", 0.0, "jobs", Target::AtMost(0.0));
        figures.note("aside", f64::MAX, "");
        assert!(figures.print(true).is_ok());
        figures.explain("nothing is missed");
        figures.judge("known", 4.9, "ms", Target::Below(5.0));
        figures.explain("it is met");
        assert!(figures.0.iter().all(|figure| figure.reason.is_none()));
        figures.judge("slow", 5.0, "ms", Target::Below(5.0));
        figures.explain("it cannot be faster");
        let reason = figures.0.last().and_then(|figure| figure.reason);
        assert_eq!(reason, Some("it cannot be faster"));
        let error = figures.print(false).unwrap_err().to_string();
        assert_eq!(error, "targets are missed: slow");
    }
}
