//! The files of `deploy/monitoring` speak of what a running server measures, and of nothing else. That their expressions are
//! PromQL is a test of `federation-tests/installation/monitoring.test.mjs`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // A test may panic.

mod organisation;

use organisation::Organisation;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

const DASHBOARD: &str = include_str!("../../monitoring/grafana.json");
const ALERTS: &str = include_str!("../../monitoring/alerts.yml");

/// Every name of a metric in a text, as it is written.
fn names(text: &str) -> BTreeSet<&str> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .filter(|word| ["hanse_", "livekit_"].iter().any(|start| word.starts_with(start)))
        .collect()
}

/// The metrics of a scrape with their kinds.
fn kinds(scrape: &str) -> BTreeMap<&str, &str> {
    scrape
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .collect()
}

/// Whether a metric of the scrape may be asked for by this name.
fn is_measured(name: &str, kinds: &BTreeMap<&str, &str>) -> bool {
    let is_part = ["_bucket", "_sum", "_count"]
        .iter()
        .filter_map(|end| name.strip_suffix(end))
        .any(|name| kinds.get(name) == Some(&"histogram"));
    is_part || kinds.get(name).is_some_and(|kind| *kind != "histogram")
}

#[test]
fn every_name_in_the_dashboard_and_the_alerts_is_measured_by_a_running_server() {
    let org = Organisation::start("monitoring", "[metrics]\nbind_address = \"127.0.0.1\"\nport = 0");
    assert_eq!(org.token("alice", &org.homeservers.ours), 200);
    let scrape = org.scrape();
    let kinds = kinds(&scrape);
    for (file, text) in [("grafana.json", DASHBOARD), ("alerts.yml", ALERTS)] {
        let names = names(text);
        assert!(names.len() > 4, "{file}: {names:?}");
        for name in names {
            assert!(is_measured(name, &kinds), "{name} in {file} is not in {kinds:?}");
        }
    }
    // And it would be noticed.
    assert!(!is_measured("hanse_focus_call", &kinds) && !is_measured("hanse_focus_calls_bucket", &kinds));
    assert!(!is_measured("hanse_focus_request_duration_seconds", &kinds));

    // What has happened has a number, and what has not has a name all the same.
    assert!(scrape.contains("\nhanse_focus_requests_total{"));
    assert_eq!(
        kinds.get("hanse_focus_delayed_leaves_ended_total"),
        Some(&"counter")
    );
    assert!(!scrape.contains("\nhanse_focus_delayed_leaves_ended_total{"));
    let mut lines: Vec<&str> = scrape.lines().filter(|line| line.starts_with("# TYPE")).collect();
    let all = lines.len();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), all, "none is named twice");
}

/// A file of rules, as Prometheus reads it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    name: String,
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    alert: String,
    expr: String,
    #[serde(rename = "for")]
    lasts: Option<String>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

#[test]
fn every_alert_says_how_bad_it_is_and_what_to_do() {
    let rules: Rules = serde_saphyr::from_str(ALERTS).unwrap();
    let [group] = &rules.groups[..] else {
        panic!("one group")
    };
    assert_eq!(group.name, "hanse");
    let names: BTreeSet<&str> = group.rules.iter().map(|rule| rule.alert.as_str()).collect();
    assert_eq!(names.len(), group.rules.len());
    for rule in &group.rules {
        assert!(
            ["critical", "warning"].contains(&rule.labels["severity"].as_str()),
            "{}",
            rule.alert
        );
        assert!(
            rule.lasts
                .as_ref()
                .is_none_or(|lasts| lasts.ends_with(['m', 'h'])),
            "{}",
            rule.alert
        );
        for annotation in ["summary", "description"] {
            assert!(rule.annotations[annotation].len() > 10, "{}", rule.alert);
        }
        assert!(rule.expr.contains("hanse"), "{}", rule.expr);
    }
}

#[test]
fn the_dashboard_is_one_that_grafana_reads() {
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    for panel in panels {
        assert!(!panel["title"].as_str().unwrap().is_empty());
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap();
            assert!(!names(expression).is_empty(), "{expression}");
        }
    }
}
