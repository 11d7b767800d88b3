//! Contract tests of the storage traits. Each suite depends on a trait only and runs on every implementation. A new
//! implementation needs a [`store_factory::StoreFactory`] and a module here.

/// Defines one test per contract of a suite. Each test runs on a new, empty store that `$factory` creates.
macro_rules! contract_tests {
    ($factory:expr, $suite:ident: $($contract:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $contract() {
                let factory = $factory;
                crate::$suite::$contract(&factory).await;
            }
        )+
    };
}
pub(crate) use contract_tests;

mod fixtures;
mod plan_builder;
mod store_factory;
mod user_store;

mod accounts;
mod appends;
mod change_feed;
mod commits;
mod conflict_store;
mod database_hints;
mod deletions;
mod erasure;
mod expiry;
mod invalidation;
mod loads;
mod mail_tokens;
mod outbox;
mod page_bytes;
mod placed_users;
mod purge;
mod rate_limiter;
mod registrations;
mod rotation;
mod session_expiry;
mod sessions;
mod totals;
mod versions;

mod account_eraser;
mod corrupt_rows;
mod databases;
mod existing_users;
mod libsql_transport;
mod lists;
mod moves;
mod placements;
mod previous_release;
mod redis_cluster_only;
mod redis_only;
mod servers;
mod sqlx_metadata;

/// The embedded stores, in a file.
mod embedded {
    use crate::store_factory::EmbeddedFolder;

    mod appends {
        crate::appends::suite!(super::EmbeddedFolder::new());
    }
    mod commits {
        crate::commits::suite!(super::EmbeddedFolder::new());
    }
    mod loads {
        crate::loads::suite!(super::EmbeddedFolder::new());
    }
    mod versions {
        crate::versions::suite!(super::EmbeddedFolder::new());
    }
    mod totals {
        crate::totals::suite!(super::EmbeddedFolder::new());
    }
    mod change_feed {
        crate::change_feed::suite!(super::EmbeddedFolder::new());
    }
    mod page_bytes {
        crate::page_bytes::suite!(super::EmbeddedFolder::new());
    }
    mod conflict_store {
        crate::conflict_store::suite!(super::EmbeddedFolder::new());
    }
    mod invalidation {
        crate::invalidation::suite!(super::EmbeddedFolder::new());
    }
    mod purge {
        crate::purge::suite!(super::EmbeddedFolder::new());
    }
    mod erasure {
        crate::erasure::suite!(super::EmbeddedFolder::new());
    }
    mod accounts {
        crate::accounts::suite!(super::EmbeddedFolder::new());
    }
    mod mail_tokens {
        crate::mail_tokens::suite!(super::EmbeddedFolder::new());
    }
    mod outbox {
        crate::outbox::suite!(super::EmbeddedFolder::new());
    }
    mod deletions {
        crate::deletions::suite!(super::EmbeddedFolder::new());
    }
    mod registrations {
        crate::registrations::suite!(super::EmbeddedFolder::new());
    }
    mod placed_users {
        crate::placed_users::suite!(super::EmbeddedFolder::new());
    }
    mod expiry {
        crate::expiry::suite!(super::EmbeddedFolder::new());
    }
    mod sessions {
        crate::sessions::suite!(super::EmbeddedFolder::new());
    }
    mod database_hints {
        crate::database_hints::suite!(super::EmbeddedFolder::new());
    }
    mod rotation {
        crate::rotation::suite!(super::EmbeddedFolder::new());
    }
    mod session_expiry {
        crate::session_expiry::suite!(super::EmbeddedFolder::new());
    }
    mod rate_limiter {
        crate::rate_limiter::suite!(super::EmbeddedFolder::new());
    }
    mod account_eraser {
        crate::account_eraser::suite!(super::EmbeddedFolder::new());
    }
}

/// Sync data on a libSQL server.
mod turso {
    use crate::servers::Turso;

    mod appends {
        crate::appends::suite!(super::Turso::new());
    }
    mod commits {
        crate::commits::suite!(super::Turso::new());
    }
    mod loads {
        crate::loads::suite!(super::Turso::new());
    }
    mod versions {
        crate::versions::suite!(super::Turso::new());
    }
    mod totals {
        crate::totals::suite!(super::Turso::new());
    }
    mod change_feed {
        crate::change_feed::suite!(super::Turso::new());
    }
    mod page_bytes {
        crate::page_bytes::suite!(super::Turso::new());
    }
    mod conflict_store {
        crate::conflict_store::suite!(super::Turso::new());
    }
    mod invalidation {
        crate::invalidation::suite!(super::Turso::new());
    }
    mod purge {
        crate::purge::suite!(super::Turso::new());
    }
    mod erasure {
        crate::erasure::suite!(super::Turso::new());
    }
}

/// Sync data sharded over three libSQL servers: the suites whose results depend on which users share a database.
mod turso_sharded {
    use crate::servers::Turso;

    mod commits {
        crate::commits::suite!(super::Turso::sharded(3));
    }
    mod invalidation {
        crate::invalidation::suite!(super::Turso::sharded(3));
    }
    mod purge {
        crate::purge::suite!(super::Turso::sharded(3));
    }
}

/// Accounts on a PostgreSQL server.
mod postgres {
    use crate::servers::Postgres;

    mod accounts {
        crate::accounts::suite!(super::Postgres::default());
    }
    mod mail_tokens {
        crate::mail_tokens::suite!(super::Postgres::default());
    }
    mod outbox {
        crate::outbox::suite!(super::Postgres::default());
    }
    mod deletions {
        crate::deletions::suite!(super::Postgres::default());
    }
    mod registrations {
        crate::registrations::suite!(super::Postgres::default());
    }
    mod placed_users {
        crate::placed_users::suite!(super::Postgres::default());
    }
    mod expiry {
        crate::expiry::suite!(super::Postgres::default());
    }
}

/// Sessions and rate limits on a Redis server.
mod redis {
    use crate::servers::Redis;

    mod sessions {
        crate::sessions::suite!(super::Redis::default());
    }
    mod database_hints {
        crate::database_hints::suite!(super::Redis::default());
    }
    mod rotation {
        crate::rotation::suite!(super::Redis::default());
    }
    mod rate_limiter {
        crate::rate_limiter::suite!(super::Redis::default());
    }
}

/// Sessions and rate limits in a Redis Cluster of three masters.
mod redis_cluster {
    use crate::servers::Cluster;

    mod sessions {
        crate::sessions::suite!(super::Cluster::default());
    }
    mod rotation {
        crate::rotation::suite!(super::Cluster::default());
    }
    mod rate_limiter {
        crate::rate_limiter::suite!(super::Cluster::default());
    }
}

/// All stores of the production service.
mod all_servers {
    crate::account_eraser::suite!(crate::servers::All::new());
}

/// Rate limits in memory.
mod memory {
    use crate::store_factory::InMemory;

    mod rate_limiter {
        crate::rate_limiter::suite!(super::InMemory::default());
    }
}

/// Lists of databases, in files.
mod listed_files {
    mod lists {
        crate::lists::suite!(in_files);
    }
    mod existing_users {
        crate::existing_users::suite!(crate::databases::Kind::Files);
    }
}

/// Lists of databases, on servers.
mod listed_servers {
    mod lists {
        crate::lists::suite!(on_servers);
    }
    mod existing_users {
        crate::existing_users::suite!(crate::databases::Kind::Servers);
    }
}
