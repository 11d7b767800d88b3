//! Random mutations of valid bodies.

use fastrand::Rng;

use crate::bodies::{corrupt_compressed, pointers, values, with, without};
use crate::checks::check_response;
use crate::routes::{Route, routes_with_body};
use crate::target::Target;

/// Number of requests.
const REQUESTS: usize = 2_000;
/// Default seed; the environment variable `MUTATION_SEED` overrides it.
const SEED: u64 = 20_260_101;
/// Bytes that mutations insert.
const FRAGMENTS: [&[u8]; 10] = [b"\0", b"\xff", b"\\u0000", b"\\ud800", b"\"", b"{", b"]", b",", b"-", b"e999"];

#[tokio::test]
async fn randomly_mutated_bodies_cause_no_server_error() {
    let seed = std::env::var("MUTATION_SEED").map_or(SEED, |seed| seed.parse().expect("MUTATION_SEED is a number"));
    let mut rng = Rng::with_seed(seed);
    let target = Target::start().await;
    let routes = routes_with_body(&target.server.api).await;
    let upload = routes.iter().find(|route| route.path == "/api/sync/upload").expect("the upload route exists");
    for index in 0..REQUESTS {
        // The upload has by far the most fields.
        let route = if index % 2 == 0 { upload } else { pick(&mut rng, &routes) };
        let request = target.request(route, true).await.json(mutated_body(&mut rng, route));
        check_response(&format!("{request}\nrequest {index} with MUTATION_SEED={seed}"), &target.send(&request).await);
    }
    target.assert_account_intact().await;
}

fn pick<'a, T>(rng: &mut Rng, choices: &'a [T]) -> &'a T {
    &choices[rng.usize(..choices.len())]
}

fn mutated_body(rng: &mut Rng, route: &Route) -> Vec<u8> {
    let valid = route.valid_body();
    let pointers = pointers(&valid);
    let (pointer, other) = (pick(rng, &pointers), pick(rng, &pointers));
    let moved = valid.pointer(other).expect("the pointer is valid").to_string();
    let mut bytes = match rng.u8(..5) {
        0 => without(&valid, pointer).unwrap_or_default(),
        1 => with(&valid, pointer, moved.as_bytes()),
        2 => with(&valid, pointer, pick::<Vec<u8>>(rng, &values())),
        3 => pick(rng, &corrupt_compressed(&valid)).clone(),
        _ => valid.to_string().into_bytes(),
    };
    for _ in 0..rng.u8(..4) {
        mutate_bytes(rng, &mut bytes);
    }
    bytes
}

fn mutate_bytes(rng: &mut Rng, bytes: &mut Vec<u8>) {
    let start = rng.usize(..=bytes.len());
    let end = (start + rng.usize(..30)).min(bytes.len());
    match rng.u8(..5) {
        0 => bytes.truncate(start),
        1 => drop(bytes.drain(start..end)),
        2 => bytes.extend_from_within(start..end),
        3 => drop(bytes.splice(start..start, pick(rng, &FRAGMENTS).iter().copied())),
        _ => bytes[start..end].iter_mut().take(1).for_each(|byte| *byte ^= 1 << rng.u8(..8)),
    }
}
