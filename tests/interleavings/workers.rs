//! Explores on several threads, each with a world of its own.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::LocalBoxFuture;

use crate::world::World;

/// Makes a world.
pub(crate) type MakeWorld<'a> = &'a (dyn Fn() -> LocalBoxFuture<'static, World> + Sync);

/// Does `work` for each of `tasks` in worlds made by `make`, one on each processor; the results in order. `work` is told of a
/// task's place.
pub(crate) fn for_each<T: Sync, R: Send>(
    make: MakeWorld<'_>,
    tasks: &[T],
    work: impl AsyncFn(&Rc<World>, usize, &T) -> R + Sync,
) -> Vec<R> {
    let (next, results) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(tasks.len().max(1));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                runtime.block_on(async {
                    let world = Rc::new(make().await);
                    loop {
                        let place = next.fetch_add(1, Ordering::SeqCst);
                        let Some(task) = tasks.get(place) else { break };
                        let result = work(&world, place, task).await;
                        results.lock().expect("no worker panicked").insert(place, result);
                    }
                });
            });
        }
    });
    results.into_inner().expect("no worker panicked").into_values().collect()
}
