//! Parallel exploration on several threads, each with its own cluster.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::LocalBoxFuture;

use crate::cluster::Cluster;

/// Constructor of a cluster.
pub(crate) type MakeCluster<'a> = &'a (dyn Fn() -> LocalBoxFuture<'static, Cluster> + Sync);

/// Runs `work` for each of `tasks` with its index, on one thread and cluster per processor; returns the results in
/// order.
pub(crate) fn for_each<T: Sync, R: Send>(
    make_cluster: MakeCluster<'_>,
    tasks: &[T],
    work: impl AsyncFn(&Rc<Cluster>, usize, &T) -> R + Sync,
) -> Vec<R> {
    let (next, results) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(tasks.len().max(1));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let runtime =
                    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("the runtime builds");
                runtime.block_on(async {
                    let cluster = Rc::new(make_cluster().await);
                    loop {
                        let index = next.fetch_add(1, Ordering::SeqCst);
                        let Some(task) = tasks.get(index) else { break };
                        let result = work(&cluster, index, task).await;
                        results.lock().expect("no worker panicked").insert(index, result);
                    }
                });
            });
        }
    });
    results.into_inner().expect("no worker panicked").into_values().collect()
}
