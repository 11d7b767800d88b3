//! How well credentials are told from what only looks like one: precision and recall on texts that were labelled by somebody
//! who did not know the detector. The first half of the corpus may be looked at when the detector is changed; the second half
//! is what the figures are about.
#![expect(clippy::print_stdout, reason = "the figures are what whoever runs this wants to see")]

use serde_json::{Value, json};
use shared::sync::credentials::find;

/// The least share of each, of a hundred, on the half that nobody looks at: what is reached today. Both should be 98.
const LEAST_PRECISION: f64 = 96.0;
const LEAST_RECALL: f64 = 90.0;

/// An item, and whether it carries a credential.
struct Labelled {
    id: String,
    change: Value,
    carries: bool,
}

fn corpus() -> Vec<Labelled> {
    let lines = include_str!("credentials.jsonl").lines();
    let read = |line: &str| {
        let line: Value = serde_json::from_str(line).expect("each line is JSON");
        Labelled {
            id: line["id"].as_str().expect("an id").to_owned(),
            change: json!({ "item_type": line["kind"], "data": line["data"] }),
            carries: line["credential"].as_bool().expect("a label"),
        }
    };
    lines.map(read).collect()
}

/// Precision and recall, in a hundred, and the ids of what was missed and of what was found in vain.
fn measure(half: &[Labelled]) -> (f64, f64, Vec<&str>, Vec<&str>) {
    let ids = |found: bool, carries: bool| -> Vec<&str> {
        let fits = |item: &&Labelled| item.carries == carries && find(&item.change).is_some() == found;
        half.iter().filter(fits).map(|item| item.id.as_str()).collect()
    };
    let (hits, misses, alarms) = (ids(true, true).len(), ids(false, true), ids(true, false));
    let share = |of: usize| 100.0 * hits as f64 / (hits + of) as f64;
    (share(alarms.len()), share(misses.len()), misses, alarms)
}

#[test]
fn what_was_never_looked_at_is_told_apart() {
    let corpus = corpus();
    assert!(corpus.len() >= 400, "{}", corpus.len());
    let (seen, unseen) = corpus.split_at(corpus.len() / 2);
    for (name, half) in [("seen", seen), ("unseen", unseen)] {
        let (precision, recall, misses, alarms) = measure(half);
        let carrying = half.iter().filter(|item| item.carries).count();
        println!(
            "{name}: {} items, {carrying} with a credential: precision {precision:.1} %, recall {recall:.1} %",
            half.len()
        );
        if name == "seen" {
            println!("  missed {misses:?}, found in vain {alarms:?}");
        }
        assert!(precision >= LEAST_PRECISION && recall >= LEAST_RECALL, "{name}: {precision:.1} {recall:.1}");
    }
}
