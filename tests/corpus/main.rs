//! How well credentials are told from what only looks like one: precision and recall on texts that were labelled by people
//! who did not know the detector. What stands in `seen.jsonl` may be looked at when the detector is changed; `unseen.jsonl` is what
//! the figures are about, and nobody looks at it.
#![expect(clippy::print_stdout, reason = "the figures are what whoever runs this wants to see")]

use secret_scan::find;
use serde_json::{Value, json};

/// The least share of each, of a hundred. A few of the older items of `seen.jsonl` are labelled against today's rule: that every PEM
/// block is refused, and that `CHANGEME` is a password.
const LEAST: f64 = 98.0;

/// An item, and whether it carries a credential.
struct Labelled {
    id: String,
    change: Value,
    carries: bool,
}

fn read(corpus: &str) -> Vec<Labelled> {
    let labelled = |line: &str| {
        let line: Value = serde_json::from_str(line).expect("each line is JSON");
        Labelled {
            id: line["id"].as_str().expect("an id").to_owned(),
            change: json!({ "item_type": line["kind"], "data": line["data"] }),
            carries: line["credential"].as_bool().expect("a label"),
        }
    };
    corpus.lines().map(labelled).collect()
}

/// Precision and recall, in a hundred, and the ids of what was missed and of what was found in vain.
fn measure(corpus: &[Labelled]) -> (f64, f64, Vec<&str>, Vec<&str>) {
    let ids = |found: bool, carries: bool| -> Vec<&str> {
        let fits = |item: &&Labelled| item.carries == carries && find(&item.change).is_some() == found;
        corpus.iter().filter(fits).map(|item| item.id.as_str()).collect()
    };
    let (hits, misses, alarms) = (ids(true, true).len(), ids(false, true), ids(true, false));
    let share = |of: usize| 100.0 * hits as f64 / (hits + of) as f64;
    (share(alarms.len()), share(misses.len()), misses, alarms)
}

#[test]
fn what_was_never_looked_at_is_told_apart() {
    let mut short = Vec::new();
    for (name, corpus) in [("seen", include_str!("seen.jsonl")), ("unseen", include_str!("unseen.jsonl"))] {
        let corpus = read(corpus);
        let (precision, recall, misses, alarms) = measure(&corpus);
        let (items, carrying) = (corpus.len(), corpus.iter().filter(|item| item.carries).count());
        println!(
            "{name}: {items} items, {carrying} with a credential: precision {precision:.1} %, recall {recall:.1} %"
        );
        if name == "seen" {
            println!("  missed {misses:?}, found in vain {alarms:?}");
        }
        if precision < LEAST || recall < LEAST {
            short.push(name);
        }
    }
    assert!(short.is_empty(), "worse than it was: {short:?}");
}
