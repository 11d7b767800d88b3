//! Hostile requests cost the server little processor time: an upload at most five times as much as an honest one of 10 MB, any
//! other request at most 100 ms, besides the password hash.
//!
//! `costly_requests.jsonl` has the requests, at least one per route. `costliest` finds and prints such requests. Machines differ,
//! so 100 ms are a fifth of the honest upload of the same run: it takes 500 ms where the bound was set. A debug build does not
//! slow all requests down alike, so there the bound is twice as high.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Deserialize;
use tests::cost::{Recipe, Stage, described_routes};

const UPLOAD: &str = "post /api/sync/upload";

/// Maximum cost of an upload, as a multiple of that of an honest one, and of any other request, as a part of it.
const UPLOAD_RATIO: u32 = 5;
const OTHER_PART: u32 = 5;
const LEEWAY: u32 = if cfg!(debug_assertions) { 2 } else { 1 };

#[derive(Deserialize)]
struct Attack {
    name: String,
    #[serde(flatten)]
    recipe: Recipe,
}

fn attacks() -> Vec<Attack> {
    let lines = include_str!("costly_requests.jsonl").lines();
    lines.map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

#[tokio::test]
async fn no_request_costs_more_than_its_bound() {
    let mut stage = Stage::prepare().await;
    let honest = stage.honest_cost().await;
    eprintln!("honest upload: {} ms", honest.as_millis());
    let mut failures = Vec::new();
    for Attack { name, recipe } in attacks() {
        let bound = LEEWAY * if recipe.route == UPLOAD { honest * UPLOAD_RATIO } else { honest / OTHER_PART };
        let measured = stage.lowest_cost(&recipe, bound).await;
        let measured = measured.unwrap_or_else(|| panic!("{}, {name}: no server would read it", recipe.route));
        let share = measured.cpu.as_secs_f64() / bound.as_secs_f64();
        eprintln!("{:>5.1} % of the bound, status {}: {}, {name}", share * 100.0, measured.status, recipe.route);
        if measured.cpu > bound {
            failures.push(format!(
                "{}, {name}: {} ms of at most {}",
                recipe.route,
                millis(measured.cpu),
                millis(bound)
            ));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

fn millis(time: Duration) -> u128 {
    time.as_millis()
}

/// A new route needs a hostile request.
#[test]
fn every_route_is_attacked() {
    let attacked: BTreeSet<String> = attacks().into_iter().map(|attack| attack.recipe.route).collect();
    assert_eq!(attacked, described_routes().into_iter().collect());
}
