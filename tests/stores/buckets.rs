//! The law of [`shared::storage::RateLimiter`]: what flows in is what flows out.

use std::time::Duration;

use shared::models::Timestamp;
use shared::storage::{RateLimitPolicy, RateLimitRequest, RateLimitStatus, RateLimiter};
use tokio::task::JoinSet;

use crate::fixtures::{second, somebody};
use crate::place::Place;

type BucketPlace<'a> = &'a dyn Place<dyn RateLimiter>;

macro_rules! suite {
    ($place:expr) => {
        crate::laws! { $place, buckets:
            a_bucket_is_full_at_first,
            an_empty_bucket_lets_nobody_through,
            whoever_is_refused_takes_nothing,
            tokens_flow_in_one_by_one,
            a_bucket_overflows,
            a_bucket_tells_when_to_come_again,
            buckets_do_not_mix,
            of_many_at_once_no_more_pass_than_there_are_tokens,
            in_the_long_run_no_more_pass_than_flows_in,
            a_clock_that_runs_backwards_fills_no_bucket,
            a_clock_that_runs_backwards_locks_nobody_out,
        }
    };
}
pub(crate) use suite;

/// A bucket that nobody else takes from.
fn bucket(per_minute: u32) -> RateLimitRequest {
    RateLimitRequest {
        key: format!("bucket:{}", somebody()),
        policy: RateLimitPolicy { per_minute },
        min_interval: Duration::ZERO,
    }
}

async fn take(store: &dyn RateLimiter, rate_limit: &RateLimitRequest, now: Timestamp) -> RateLimitStatus {
    let state = store.take(rate_limit, now).await.expect("the store answers");
    assert_eq!(state.limit, rate_limit.policy.per_minute);
    assert!(state.remaining < state.limit, "{state:?}");
    assert!(state.taken || state.remaining == 0, "{state:?}");
    state
}

/// How many of `count` takes get a token.
async fn take_many(store: &dyn RateLimiter, rate_limit: &RateLimitRequest, count: usize, now: Timestamp) -> usize {
    let mut taken = 0;
    for _ in 0..count {
        taken += usize::from(take(store, rate_limit, now).await.taken);
    }
    taken
}

pub(crate) async fn a_bucket_is_full_at_first(place: BucketPlace<'_>) {
    let store = place.open().await;
    let rate_limit = bucket(10);
    for left in (0..10).rev() {
        let state = take(&*store, &rate_limit, second(0)).await;
        assert_eq!((state.taken, state.remaining), (true, left));
    }
}

pub(crate) async fn an_empty_bucket_lets_nobody_through(place: BucketPlace<'_>) {
    let store = place.open().await;
    for size in [1, 2, 7, 10, 13, 20, 59, 60, 61, 600] {
        assert_eq!(take_many(&*store, &bucket(size), size as usize + 5, second(0)).await, size as usize);
    }
}

pub(crate) async fn whoever_is_refused_takes_nothing(place: BucketPlace<'_>) {
    let store = place.open().await;
    let rate_limit = bucket(10);
    assert_eq!(take_many(&*store, &rate_limit, 100, second(0)).await, 10);
    assert_eq!(take_many(&*store, &rate_limit, 100, second(5)).await, 0);
    assert_eq!(take_many(&*store, &rate_limit, 100, second(6)).await, 1);
}

pub(crate) async fn tokens_flow_in_one_by_one(place: BucketPlace<'_>) {
    let store = place.open().await;
    let rate_limit = bucket(20);
    take_many(&*store, &rate_limit, 20, second(0)).await;
    for (now, flowed) in [(2, 0), (3, 1), (9, 2), (10, 0), (39, 10), (60, 7)] {
        assert_eq!(take_many(&*store, &rate_limit, 30, second(now)).await, flowed, "at {now} s");
    }
}

pub(crate) async fn a_bucket_overflows(place: BucketPlace<'_>) {
    let store = place.open().await;
    let rate_limit = bucket(10);
    take_many(&*store, &rate_limit, 10, second(0)).await;
    for later in [60, 3_600, 1_000_000] {
        assert_eq!(take_many(&*store, &rate_limit, 30, second(later)).await, 10, "after {later} s");
    }
}

pub(crate) async fn a_bucket_tells_when_to_come_again(place: BucketPlace<'_>) {
    let store = place.open().await;
    let rate_limit = bucket(10);
    let first = take(&*store, &rate_limit, second(0)).await;
    assert_eq!((first.full_in, first.next_in), (6, 0));
    take_many(&*store, &rate_limit, 8, second(0)).await;
    let last = take(&*store, &rate_limit, second(0)).await;
    assert_eq!((last.taken, last.full_in, last.next_in), (true, 60, 6));
    let refused = take(&*store, &rate_limit, second(2)).await;
    assert_eq!((refused.taken, refused.full_in, refused.next_in), (false, 58, 4));
    for size in [1, 7, 13, 59] {
        let [again, full] = [bucket(size), bucket(size)];
        for rate_limit in [&again, &full] {
            take_many(&*store, rate_limit, size as usize, second(0)).await;
        }
        let next_in = take(&*store, &again, second(0)).await.next_in;
        assert!(take(&*store, &again, second(next_in.into())).await.taken, "{size} a minute, after {next_in} s");
        let full_in = take(&*store, &full, second(0)).await.full_in;
        let state = take(&*store, &full, second(full_in.into())).await;
        assert_eq!(state.remaining, size - 1, "{size} a minute, after {full_in} s");
    }
}

pub(crate) async fn buckets_do_not_mix(place: BucketPlace<'_>) {
    let store = place.open().await;
    let [one, other] = [bucket(10), bucket(10)];
    assert_eq!(take_many(&*store, &one, 20, second(0)).await, 10);
    assert_eq!(take_many(&*store, &other, 20, second(0)).await, 10);
}

pub(crate) async fn of_many_at_once_no_more_pass_than_there_are_tokens(place: BucketPlace<'_>) {
    let store = place.open().await;
    for _ in 0..20 {
        let rate_limit = bucket(10);
        let mut callers = JoinSet::new();
        for _ in 0..64 {
            let (store, rate_limit) = (store.clone(), rate_limit.clone());
            callers.spawn(async move { take(&*store, &rate_limit, second(0)).await.taken });
        }
        assert_eq!(callers.join_all().await.into_iter().filter(|taken| *taken).count(), 10);
    }
}

pub(crate) async fn in_the_long_run_no_more_pass_than_flows_in(place: BucketPlace<'_>) {
    let store = place.open().await;
    let rate_limit = bucket(10);
    // Steps of up to four seconds, in an order as good as any.
    let mut step = 12_345u64;
    let (mut now, mut taken) = (second(0), 0);
    for _ in 0..2_000 {
        step = step.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let micros = i64::try_from((step >> 33) % 4_000_000).expect("below four million");
        now = Timestamp::from_micros(now.micros() + micros);
        taken += i64::from(take(&*store, &rate_limit, now).await.taken);
        let flowed = (now.micros() - second(0).micros()) / 6_000_000;
        assert!(taken <= 10 + flowed, "{taken} of {flowed}");
    }
    let flowed = (now.micros() - second(0).micros()) / 6_000_000;
    assert!(taken >= flowed, "whoever asks often enough gets all that flows in: {taken} of {flowed}");
}

pub(crate) async fn a_clock_that_runs_backwards_fills_no_bucket(place: BucketPlace<'_>) {
    let store = place.open().await;
    let rate_limit = bucket(10);
    assert_eq!(take_many(&*store, &rate_limit, 20, second(100)).await, 10);
    for now in [99, 90, 100, 95, 100] {
        assert_eq!(take_many(&*store, &rate_limit, 20, second(now)).await, 0, "at {now} s");
    }
    assert_eq!(take_many(&*store, &rate_limit, 20, second(106)).await, 1);
}

pub(crate) async fn a_clock_that_runs_backwards_locks_nobody_out(place: BucketPlace<'_>) {
    let store = place.open().await;
    let rate_limit = bucket(10);
    take_many(&*store, &rate_limit, 10, second(100_000)).await;
    let set_right = take(&*store, &rate_limit, second(0)).await;
    assert!(set_right.full_in <= 60 && set_right.next_in <= 6, "no bucket takes more than a minute: {set_right:?}");
    assert!(take(&*store, &rate_limit, second(61)).await.taken);
}
