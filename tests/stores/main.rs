//! The law of every store. Each suite is written once, against the traits alone, and runs on every implementation: a
//! further one needs a [`place::Place`] and a module here.

/// Makes a test of each law of a suite: on the place that the expression makes, which is empty.
macro_rules! laws {
    ($place:expr, $suite:ident: $($law:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $law() {
                let place = $place;
                crate::$suite::$law(&place).await;
            }
        )+
    };
}
pub(crate) use laws;

mod draft;
mod fixtures;
mod line;
mod place;

mod accounts;
mod appends;
mod buckets;
mod commits;
mod conflict_book;
mod deletions;
mod erasure;
mod expiry;
mod feed;
mod loads;
mod mail_tokens;
mod outbox;
mod page_bytes;
mod purge;
mod rotation;
mod session_expiry;
mod sessions;

mod corrupt_rows;
mod embedded_only;
mod queries;
mod redis_only;
mod remains;
mod servers;

/// The stores of one machine, in a file.
mod embedded {
    use crate::place::Folder;

    mod appends {
        crate::appends::suite!(super::Folder::new());
    }
    mod commits {
        crate::commits::suite!(super::Folder::new());
    }
    mod loads {
        crate::loads::suite!(super::Folder::new());
    }
    mod feed {
        crate::feed::suite!(super::Folder::new());
    }
    mod page_bytes {
        crate::page_bytes::suite!(super::Folder::new());
    }
    mod conflict_book {
        crate::conflict_book::suite!(super::Folder::new());
    }
    mod purge {
        crate::purge::suite!(super::Folder::new());
    }
    mod erasure {
        crate::erasure::suite!(super::Folder::new());
    }
    mod accounts {
        crate::accounts::suite!(super::Folder::new());
    }
    mod mail_tokens {
        crate::mail_tokens::suite!(super::Folder::new());
    }
    mod outbox {
        crate::outbox::suite!(super::Folder::new());
    }
    mod deletions {
        crate::deletions::suite!(super::Folder::new());
    }
    mod expiry {
        crate::expiry::suite!(super::Folder::new());
    }
    mod sessions {
        crate::sessions::suite!(super::Folder::new());
    }
    mod rotation {
        crate::rotation::suite!(super::Folder::new());
    }
    mod session_expiry {
        crate::session_expiry::suite!(super::Folder::new());
    }
    mod buckets {
        crate::buckets::suite!(super::Folder::new());
    }
    mod remains {
        crate::remains::suite!(super::Folder::new());
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
    mod feed {
        crate::feed::suite!(super::Turso::new());
    }
    mod page_bytes {
        crate::page_bytes::suite!(super::Turso::new());
    }
    mod conflict_book {
        crate::conflict_book::suite!(super::Turso::new());
    }
    mod purge {
        crate::purge::suite!(super::Turso::new());
    }
    mod erasure {
        crate::erasure::suite!(super::Turso::new());
    }
}

/// Sync data that is spread over three libSQL servers. What depends on who shares a database with whom; all else is as on one.
mod turso_shared {
    use crate::servers::Turso;

    mod commits {
        crate::commits::suite!(super::Turso::of(3));
    }
    mod purge {
        crate::purge::suite!(super::Turso::of(3));
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
    mod expiry {
        crate::expiry::suite!(super::Postgres::default());
    }
}

/// Sessions and token buckets on a Redis server.
mod redis {
    use crate::servers::Redis;

    mod sessions {
        crate::sessions::suite!(super::Redis::default());
    }
    mod rotation {
        crate::rotation::suite!(super::Redis::default());
    }
    mod buckets {
        crate::buckets::suite!(super::Redis::default());
    }
}

/// All stores of the production service.
mod all_servers {
    crate::remains::suite!(crate::servers::All::new());
}

/// Token buckets in memory.
mod memory {
    use crate::place::Memory;

    mod buckets {
        crate::buckets::suite!(super::Memory::default());
    }
}
