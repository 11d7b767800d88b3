//! Precision and recall of the secret scanner on items that were labelled by people who did not know it. `seen.jsonl`
//! may be used while the scanner is changed; `unseen.jsonl` is the held-out set and must not be inspected.
#![expect(clippy::print_stdout, reason = "the results are the output of this test")]

use secret_scan::find;
use serde_json::{Value, json};

/// Minimum precision and recall, in percent. Some older items of `seen.jsonl` contradict the current rules that every
/// PEM block is refused and that `CHANGEME` is a password.
const MIN_PERCENT: f64 = 98.0;

/// Item with its label.
struct LabelledItem {
    id: String,
    change: Value,
    has_credential: bool,
}

fn read(corpus: &str) -> Vec<LabelledItem> {
    let labelled = |line: &str| {
        let line: Value = serde_json::from_str(line).expect("each line is JSON");
        LabelledItem {
            id: line["id"].as_str().expect("the id is a string").to_owned(),
            change: json!({ "item_type": line["kind"], "data": line["data"] }),
            has_credential: line["credential"].as_bool().expect("the label is a boolean"),
        }
    };
    corpus.lines().map(labelled).collect()
}

/// Returns precision and recall in percent, and the ids of the false negatives and the false positives.
fn measure(corpus: &[LabelledItem]) -> (f64, f64, Vec<&str>, Vec<&str>) {
    let ids = |found: bool, has_credential: bool| -> Vec<&str> {
        let matches =
            |item: &&LabelledItem| item.has_credential == has_credential && (find(&item.change) != Ok(None)) == found;
        corpus.iter().filter(matches).map(|item| item.id.as_str()).collect()
    };
    let (true_positives, false_negatives, false_positives) =
        (ids(true, true).len(), ids(false, true), ids(true, false));
    let percent = |of: usize| 100.0 * true_positives as f64 / (true_positives + of) as f64;
    (percent(false_positives.len()), percent(false_negatives.len()), false_negatives, false_positives)
}

#[test]
fn precision_and_recall_stay_above_the_minimum() {
    let mut below_minimum = Vec::new();
    for (name, corpus) in [("seen", include_str!("seen.jsonl")), ("unseen", include_str!("unseen.jsonl"))] {
        let corpus = read(corpus);
        let (precision, recall, false_negatives, false_positives) = measure(&corpus);
        let (items, carrying) = (corpus.len(), corpus.iter().filter(|item| item.has_credential).count());
        println!(
            "{name}: {items} items, {carrying} with a credential: precision {precision:.1} %, recall {recall:.1} %"
        );
        if name == "seen" {
            println!("  false negatives {false_negatives:?}, false positives {false_positives:?}");
        }
        if precision < MIN_PERCENT || recall < MIN_PERCENT {
            below_minimum.push(name);
        }
    }
    assert!(below_minimum.is_empty(), "below the minimum: {below_minimum:?}");
}
