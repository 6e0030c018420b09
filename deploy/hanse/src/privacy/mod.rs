//! `hanse privacy-report`, and the pages `/privacy` and `/privacy.json`: what this server processes, why, where, how long, and whom it
//! tells, for data protection officers, firewalls and everybody in a call.
//!
//! In: the settings of the server. Out: a report in German and English, the same structure for each, rendered as Markdown, HTML or
//! JSON. Nothing is asked over the network and nothing is remembered: the same configuration says the same.
//!
//! Where to look next: `facts.rs` for what of the configuration matters, `classes.rs` for why the rest does not, `stored/` for
//! every field on disk, `flows.rs` for every connection, `guests.rs` for people without an account, `report.rs` for the order of it
//! all.

mod assessment;
#[cfg(test)]
mod classes;
mod config;
mod facts;
mod flows;
mod guests;
mod notice;
mod page;
mod places;
mod processing;
mod recipients;
mod register;
mod render;
mod report;
mod roles;
mod stored;
#[cfg(test)]
mod tests;
mod traffic;
mod words;

pub use config::PrivacyConfig;
pub use page::PrivacyPage;

use crate::settings::Settings;
use anyhow::{Context, Result};
use clap::Args;
use facts::Facts;
use std::io::Write;
use std::path::PathBuf;
use std::time::SystemTime;
use words::Language;

/// What is reported, and how.
#[derive(Args)]
pub struct PrivacyReportArguments {
    /// The configuration file of the server; without it, defaults and environment variables hold.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// German or English.
    #[arg(long, value_enum, default_value = "en")]
    language: Language,
    /// As JSON.
    #[arg(long, group = "form")]
    json: bool,
    /// As a page for browsers that loads nothing.
    #[arg(long, group = "form")]
    html: bool,
    /// As Markdown; so it is without a word, too.
    #[arg(long, group = "form")]
    markdown: bool,
    /// Write it to this file, in place of one that is there.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Makes the report.
///
/// # Errors
///
/// A sentence: the configuration cannot be used, or the file not be written.
pub fn run(arguments: &PrivacyReportArguments) -> Result<()> {
    let settings = Settings::read(arguments.config.as_deref())?;
    let report = report::whole(&Facts::of(&settings), &date(SystemTime::now()));
    let language = arguments.language;
    let text = if arguments.json {
        format!("{:#}\n", render::json(&report, language))
    } else if arguments.html {
        render::html(&report, language, None)
    } else {
        render::markdown(&report, language)
    };
    match &arguments.out {
        Some(path) => {
            std::fs::write(path, text).with_context(|| format!("--out: {} cannot be written", path.display()))
        }
        None => {
            let mut out = std::io::stdout().lock();
            // Whoever reads may have read enough.
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
            Ok(())
        }
    }
}

/// As `2026-01-31`, in UTC.
fn date(now: SystemTime) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    // Sun, 06 Nov 1994 08:49:37 GMT (RFC 9110, section 5.6.7).
    let text = httpdate::fmt_http_date(now);
    let mut parts = text.split(' ').skip(1);
    let day = parts.next().unwrap_or_default();
    let name = parts.next().unwrap_or_default();
    let year = parts.next().unwrap_or_default();
    let month = MONTHS
        .iter()
        .position(|month| *month == name)
        .map_or(0, |index| index + 1);
    format!("{year}-{month:02}-{day}")
}
