//! Contract of [`shared::storage::RateLimiter`]: a token bucket per key, refilled at a constant rate.

use std::slice;

use shared::models::{Timestamp, UserId};
use shared::storage::{RateLimitPolicy, RateLimitRequest, RateLimitStatus, RateLimiter};
use tokio::task::JoinSet;

use crate::fixtures::{at_second, new_user_id};
use crate::store_factory::StoreFactory;

type RateLimiterFactory<'a> = &'a dyn StoreFactory<dyn RateLimiter>;

macro_rules! suite {
    ($factory:expr) => {
        crate::contract_tests! { $factory, rate_limiter:
            a_new_bucket_is_full,
            an_empty_bucket_refuses,
            a_refused_request_takes_no_token,
            tokens_are_refilled_one_at_a_time,
            refill_stops_at_the_capacity,
            status_reports_the_seconds_until_the_next_token_and_until_full,
            buckets_are_independent,
            concurrent_requests_take_at_most_the_available_tokens,
            the_long_term_rate_equals_the_refill_rate,
            a_clock_that_runs_backwards_adds_no_tokens,
            a_clock_that_runs_backwards_delays_by_at_most_a_minute,
            a_window_may_be_longer_than_a_minute,
            a_token_is_taken_from_all_buckets_or_from_none,
            a_token_can_be_given_back,
            an_exchange_moves_a_token,
            an_exchange_without_a_token_to_take_gives_none_back,
            concurrent_exchanges_take_at_most_the_available_tokens,
        }
    };
}
pub(crate) use suite;

/// Returns a request against a bucket that no other test uses.
fn bucket(per_minute: u32) -> RateLimitRequest {
    bucket_of(new_user_id(), "bucket", per_minute)
}

/// Returns a bucket of `user`. In a cluster, all buckets of a user are in one slot.
fn bucket_of(user: UserId, name: &str, per_minute: u32) -> RateLimitRequest {
    RateLimitRequest::new(format!("{{{user}}}:{name}"), RateLimitPolicy::per_minute(per_minute))
}

/// Returns two buckets of one user.
fn two_buckets(first: u32, second: u32) -> [RateLimitRequest; 2] {
    let user = new_user_id();
    [bucket_of(user, "first", first), bucket_of(user, "second", second)]
}

async fn take(store: &dyn RateLimiter, rate_limit: &RateLimitRequest, now: Timestamp) -> RateLimitStatus {
    let status = store.take(slice::from_ref(rate_limit), now).await.expect("the read succeeds");
    assert_eq!(status.policy, rate_limit.policy);
    assert!(status.remaining < status.policy.tokens, "{status:?}");
    assert!(status.taken || status.remaining == 0, "{status:?}");
    status
}

/// Requests `count` tokens and returns the number of tokens taken.
async fn take_many(store: &dyn RateLimiter, rate_limit: &RateLimitRequest, count: usize, now: Timestamp) -> usize {
    let mut taken = 0;
    for _ in 0..count {
        taken += usize::from(take(store, rate_limit, now).await.taken);
    }
    taken
}

pub(crate) async fn a_new_bucket_is_full(factory: RateLimiterFactory<'_>) {
    let store = factory.open().await;
    let rate_limit = bucket(10);
    for remaining in (0..10).rev() {
        let status = take(&*store, &rate_limit, at_second(0)).await;
        assert_eq!((status.taken, status.remaining), (true, remaining));
    }
}

pub(crate) async fn an_empty_bucket_refuses(factory: RateLimiterFactory<'_>) {
    let store = factory.open().await;
    for capacity in [1, 2, 7, 10, 13, 20, 59, 60, 61, 600] {
        assert_eq!(take_many(&*store, &bucket(capacity), capacity as usize + 5, at_second(0)).await, capacity as usize);
    }
}

pub(crate) async fn a_refused_request_takes_no_token(factory: RateLimiterFactory<'_>) {
    let store = factory.open().await;
    let rate_limit = bucket(10);
    assert_eq!(take_many(&*store, &rate_limit, 100, at_second(0)).await, 10);
    assert_eq!(take_many(&*store, &rate_limit, 100, at_second(5)).await, 0);
    assert_eq!(take_many(&*store, &rate_limit, 100, at_second(6)).await, 1);
}

pub(crate) async fn tokens_are_refilled_one_at_a_time(factory: RateLimiterFactory<'_>) {
    let store = factory.open().await;
    let rate_limit = bucket(20);
    take_many(&*store, &rate_limit, 20, at_second(0)).await;
    for (now, refilled) in [(2, 0), (3, 1), (9, 2), (10, 0), (39, 10), (60, 7)] {
        assert_eq!(take_many(&*store, &rate_limit, 30, at_second(now)).await, refilled, "at {now} s");
    }
}

pub(crate) async fn refill_stops_at_the_capacity(factory: RateLimiterFactory<'_>) {
    let store = factory.open().await;
    let rate_limit = bucket(10);
    take_many(&*store, &rate_limit, 10, at_second(0)).await;
    for later in [60, 3_600, 1_000_000] {
        assert_eq!(take_many(&*store, &rate_limit, 30, at_second(later)).await, 10, "after {later} s");
    }
}

pub(crate) async fn status_reports_the_seconds_until_the_next_token_and_until_full(factory: RateLimiterFactory<'_>) {
    let store = factory.open().await;
    let rate_limit = bucket(10);
    let first = take(&*store, &rate_limit, at_second(0)).await;
    assert_eq!((first.full_in, first.next_in), (6, 0));
    take_many(&*store, &rate_limit, 8, at_second(0)).await;
    let last = take(&*store, &rate_limit, at_second(0)).await;
    assert_eq!((last.taken, last.full_in, last.next_in), (true, 60, 6));
    let refused = take(&*store, &rate_limit, at_second(2)).await;
    assert_eq!((refused.taken, refused.full_in, refused.next_in), (false, 58, 4));
    for capacity in [1, 7, 13, 59] {
        let [next, full] = [bucket(capacity), bucket(capacity)];
        for rate_limit in [&next, &full] {
            take_many(&*store, rate_limit, capacity as usize, at_second(0)).await;
        }
        let next_in = take(&*store, &next, at_second(0)).await.next_in;
        assert!(take(&*store, &next, at_second(next_in.into())).await.taken, "{capacity} a minute, after {next_in} s");
        let full_in = take(&*store, &full, at_second(0)).await.full_in;
        let status = take(&*store, &full, at_second(full_in.into())).await;
        assert_eq!(status.remaining, capacity - 1, "{capacity} a minute, after {full_in} s");
    }
}

pub(crate) async fn buckets_are_independent(factory: RateLimiterFactory<'_>) {
    let store = factory.open().await;
    let [one, other] = [bucket(10), bucket(10)];
    assert_eq!(take_many(&*store, &one, 20, at_second(0)).await, 10);
    assert_eq!(take_many(&*store, &other, 20, at_second(0)).await, 10);
}

pub(crate) async fn concurrent_requests_take_at_most_the_available_tokens(factory: RateLimiterFactory<'_>) {
    let store = factory.open().await;
    for _ in 0..20 {
        let rate_limit = bucket(10);
        let mut tasks = JoinSet::new();
        for _ in 0..64 {
            let (store, rate_limit) = (store.clone(), rate_limit.clone());
            tasks.spawn(async move { take(&*store, &rate_limit, at_second(0)).await.taken });
        }
        assert_eq!(tasks.join_all().await.into_iter().filter(|taken| *taken).count(), 10);
    }
}

pub(crate) async fn the_long_term_rate_equals_the_refill_rate(factory: RateLimiterFactory<'_>) {
    let store = factory.open().await;
    let rate_limit = bucket(10);
    // Steps of up to four seconds from a fixed linear congruential generator.
    let mut step = 12_345u64;
    let (mut now, mut taken) = (at_second(0), 0);
    for _ in 0..2_000 {
        step = step.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let micros = i64::try_from((step >> 33) % 4_000_000).expect("less than four million");
        now = Timestamp::from_micros(now.micros() + micros);
        taken += i64::from(take(&*store, &rate_limit, now).await.taken);
        let refilled = (now.micros() - at_second(0).micros()) / 6_000_000;
        assert!(taken <= 10 + refilled, "{taken} of {refilled}");
    }
    let refilled = (now.micros() - at_second(0).micros()) / 6_000_000;
    assert!(taken >= refilled, "frequent requests take every refilled token: {taken} of {refilled}");
}

pub(crate) async fn a_clock_that_runs_backwards_adds_no_tokens(factory: RateLimiterFactory<'_>) {
    let store = factory.open().await;
    let rate_limit = bucket(10);
    assert_eq!(take_many(&*store, &rate_limit, 20, at_second(100)).await, 10);
    for now in [99, 90, 100, 95, 100] {
        assert_eq!(take_many(&*store, &rate_limit, 20, at_second(now)).await, 0, "at {now} s");
    }
    assert_eq!(take_many(&*store, &rate_limit, 20, at_second(106)).await, 1);
}

pub(crate) async fn a_clock_that_runs_backwards_delays_by_at_most_a_minute(factory: RateLimiterFactory<'_>) {
    let store = factory.open().await;
    let rate_limit = bucket(10);
    take_many(&*store, &rate_limit, 10, at_second(100_000)).await;
    let status = take(&*store, &rate_limit, at_second(0)).await;
    assert!(status.full_in <= 60 && status.next_in <= 6, "a bucket refills within a minute: {status:?}");
    assert!(take(&*store, &rate_limit, at_second(61)).await.taken);
}

pub(crate) async fn a_window_may_be_longer_than_a_minute(factory: RateLimiterFactory<'_>) {
    let store = factory.open().await;
    let policy = RateLimitPolicy { tokens: 10, seconds: 900 };
    let rate_limit = RateLimitRequest { policy, ..bucket(1) };
    assert_eq!(take_many(&*store, &rate_limit, 20, at_second(100)).await, 10);
    let status = take(&*store, &rate_limit, at_second(101)).await;
    assert_eq!((status.taken, status.full_in, status.next_in), (false, 899, 89));
    for (now, refilled) in [(189, 0), (190, 1), (639, 4), (640, 1), (600, 0), (100_000, 10)] {
        assert_eq!(take_many(&*store, &rate_limit, 20, at_second(now)).await, refilled, "at {now} s");
    }
    let after_clock_change = take(&*store, &rate_limit, at_second(0)).await;
    assert!(!after_clock_change.taken && after_clock_change.full_in <= 900, "{after_clock_change:?}");
    assert!(take(&*store, &rate_limit, at_second(91)).await.taken);
}

pub(crate) async fn a_token_is_taken_from_all_buckets_or_from_none(factory: RateLimiterFactory<'_>) {
    let store = factory.open().await;
    let [small, large] = two_buckets(2, 5);
    let both = [small.clone(), large.clone()];
    let take_both = async || store.take(&both, at_second(0)).await.expect("the write succeeds");
    for remaining in [4, 3] {
        let status = take_both().await;
        assert_eq!((status.taken, status.policy, status.remaining), (true, large.policy, remaining));
    }
    for _ in 0..3 {
        let status = take_both().await;
        assert_eq!((status.taken, status.policy, status.remaining), (false, small.policy, 0));
    }
    assert_eq!(take_many(&*store, &large, 9, at_second(0)).await, 3, "refused calls took none");
    assert!(!take_both().await.taken);
    assert_eq!(take_many(&*store, &small, 9, at_second(30)).await, 1, "the other one was empty");
}

pub(crate) async fn a_token_can_be_given_back(factory: RateLimiterFactory<'_>) {
    let store = factory.open().await;
    let rate_limit = bucket(10);
    take_many(&*store, &rate_limit, 10, at_second(0)).await;
    for _ in 0..3 {
        store.give_back(slice::from_ref(&rate_limit), at_second(0)).await.expect("the write succeeds");
    }
    assert_eq!(take_many(&*store, &rate_limit, 10, at_second(0)).await, 3);
    for _ in 0..20 {
        store.give_back(slice::from_ref(&rate_limit), at_second(60)).await.expect("the write succeeds");
    }
    assert_eq!(take_many(&*store, &rate_limit, 20, at_second(60)).await, 10, "no more than a full bucket");
}

/// Takes `count` tokens of `wanted` in exchange for tokens of `taken`, and returns the number taken.
async fn exchange_many(
    store: &dyn RateLimiter,
    [taken, wanted]: &[RateLimitRequest; 2],
    count: usize,
    now: Timestamp,
) -> usize {
    let mut exchanged = 0;
    for _ in 0..count {
        let status = store.exchange(taken, wanted, now).await.expect("the write succeeds");
        assert_eq!(status.policy, wanted.policy);
        exchanged += usize::from(status.taken);
    }
    exchanged
}

/// Takes tokens of a bucket by exchanges for an unlimited number of others.
async fn drain(store: &dyn RateLimiter, bucket: &RateLimitRequest, now: Timestamp) -> usize {
    let other = RateLimitRequest { key: format!("{}:other", bucket.key), ..self::bucket(1) };
    let count = bucket.policy.tokens as usize + 1;
    exchange_many(store, &[other, bucket.clone()], count, now).await
}

pub(crate) async fn an_exchange_moves_a_token(factory: RateLimiterFactory<'_>) {
    let store = factory.open().await;
    let [taken, wanted] = two_buckets(3, 5);
    assert_eq!(drain(&*store, &taken, at_second(1)).await, 3, "the bucket is empty");
    let pair = [taken.clone(), wanted.clone()];
    assert_eq!(exchange_many(&*store, &pair, 2, at_second(1)).await, 2);
    assert_eq!(drain(&*store, &taken, at_second(1)).await, 2, "two tokens were given back");
    assert_eq!(drain(&*store, &wanted, at_second(1)).await, 3, "two tokens were taken");
    assert_eq!(exchange_many(&*store, &pair, 9, at_second(121)).await, 5);
    assert_eq!(drain(&*store, &taken, at_second(121)).await, 3, "no more than a full bucket");
}

pub(crate) async fn an_exchange_without_a_token_to_take_gives_none_back(factory: RateLimiterFactory<'_>) {
    let store = factory.open().await;
    let pair = two_buckets(3, 2);
    for bucket in &pair {
        drain(&*store, bucket, at_second(1)).await;
    }
    assert_eq!(exchange_many(&*store, &pair, 4, at_second(1)).await, 0);
    assert_eq!(drain(&*store, &pair[0], at_second(1)).await, 0);
}

pub(crate) async fn concurrent_exchanges_take_at_most_the_available_tokens(factory: RateLimiterFactory<'_>) {
    let store = factory.open().await;
    let pair = two_buckets(20, 30);
    drain(&*store, &pair[0], at_second(1)).await;
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let (store, pair) = (store.clone(), pair.clone());
        tasks.spawn(async move { exchange_many(&*store, &pair, 10, at_second(1)).await });
    }
    assert_eq!(tasks.join_all().await.into_iter().sum::<usize>(), 30);
    assert_eq!(drain(&*store, &pair[0], at_second(1)).await, 20, "thirty were given back; it holds twenty");
}
