//! Right bodies, damaged at random.

use fastrand::Rng;

use crate::accounts::Target;
use crate::bodies::{damaged, places, values, with, without};
use crate::routes::{Route, routes_with_body};
use crate::verdict::judge;

const REQUESTS: usize = 2_000;
/// `MUTATION_SEED` in the environment takes its place.
const SEED: u64 = 20_260_101;
const SPLINTERS: [&[u8]; 10] = [b"\0", b"\xff", b"\\u0000", b"\\ud800", b"\"", b"{", b"]", b",", b"-", b"e999"];

#[tokio::test]
async fn bodies_damaged_at_random_are_answered_in_shape() {
    let seed = std::env::var("MUTATION_SEED").map_or(SEED, |seed| seed.parse().expect("MUTATION_SEED is a number"));
    let mut dice = Rng::with_seed(seed);
    let target = Target::start().await;
    let routes = routes_with_body(&target.server.api).await;
    let upload = routes.iter().find(|route| route.path == "/api/sync/upload").expect("there is an upload");
    for index in 0..REQUESTS {
        // The upload has by far the most to it.
        let route = if index % 2 == 0 { upload } else { pick(&mut dice, &routes) };
        let request = target.request(route, true).await.json(damage(&mut dice, route));
        judge(&format!("{request}\nrequest {index} with MUTATION_SEED={seed}"), &target.ask(&request).await);
    }
    target.still_serves_its_user().await;
}

fn pick<'a, T>(dice: &mut Rng, choices: &'a [T]) -> &'a T {
    &choices[dice.usize(..choices.len())]
}

fn damage(dice: &mut Rng, route: &Route) -> Vec<u8> {
    let right = route.right_body();
    let places = places(&right);
    let (place, other) = (pick(dice, &places), pick(dice, &places));
    let moved = right.pointer(other).expect("the place is there").to_string();
    let mut bytes = match dice.u8(..5) {
        0 => without(&right, place).unwrap_or_default(),
        1 => with(&right, place, moved.as_bytes()),
        2 => with(&right, place, pick::<Vec<u8>>(dice, &values())),
        3 => pick(dice, &damaged(&right)).clone(),
        _ => right.to_string().into_bytes(),
    };
    for _ in 0..dice.u8(..4) {
        scratch_at(dice, &mut bytes);
    }
    bytes
}

fn scratch_at(dice: &mut Rng, bytes: &mut Vec<u8>) {
    let start = dice.usize(..=bytes.len());
    let end = (start + dice.usize(..30)).min(bytes.len());
    match dice.u8(..5) {
        0 => bytes.truncate(start),
        1 => drop(bytes.drain(start..end)),
        2 => bytes.extend_from_within(start..end),
        3 => drop(bytes.splice(start..start, pick(dice, &SPLINTERS).iter().copied())),
        _ => bytes[start..end].iter_mut().take(1).for_each(|byte| *byte ^= 1 << dice.u8(..8)),
    }
}
