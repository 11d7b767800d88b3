//! Random schedules: several clients, all operations, any order.

use std::collections::BTreeSet;
use std::fmt;
use std::rc::Rc;

use fastrand::Rng;
use model::Call;

use crate::clients::Client;
use crate::executor::{Actor, Chooser, Point, run};
use crate::explore::{observe, write_run};
use crate::oracle;
use crate::scenes::{Scene, Start};
use crate::world::World;

/// Most things that one client does.
const MAX_ACTIONS: usize = 6;

/// A schedule: everything that happens in it follows from its seed, but for what was left out.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    seed: u64,
    /// The actions that are taken: of which client, and which of its own.
    actions: BTreeSet<(usize, usize)>,
}

/// A schedule that cannot be explained, as small as it was found to fail.
#[derive(Debug)]
pub(crate) struct Failure {
    schedule: Schedule,
    reason: String,
    trace: Vec<Point>,
    calls: Vec<Call>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Schedule { seed, actions } = &self.schedule;
        writeln!(f, "schedule {seed} fails; alone: SCHEDULE={seed} tests/run interleavings")?;
        writeln!(f, "the actions {actions:?} are enough: {}", self.reason)?;
        write_run(f, &self.trace, &self.calls)
    }
}

impl Schedule {
    /// The schedule of `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let clients = rng.usize(3..=5);
        let actions = (0..clients).flat_map(|client| {
            let count = rng.usize(2..=MAX_ACTIONS);
            (0..count).map(move |action| (client, action)).collect::<Vec<_>>()
        });
        Self { seed, actions: actions.collect() }
    }

    /// Lives through the schedule; where it fails, through ever smaller parts of it.
    pub(crate) async fn check(&self, world: &Rc<World>) -> Result<(), Box<Failure>> {
        let Err(mut failure) = self.once(world).await else { return Ok(()) };
        let mut is_smaller = true;
        while is_smaller {
            is_smaller = false;
            for action in failure.schedule.actions.clone() {
                let mut smaller = failure.schedule.clone();
                smaller.actions.remove(&action);
                if let Err(found) = smaller.once(world).await {
                    (failure, is_smaller) = (found, true);
                }
            }
        }
        Err(failure)
    }

    /// A source of choices for one purpose: what is drawn for another does not change it.
    fn rng(&self, client: usize, action: usize) -> Rng {
        Rng::with_seed(self.seed.wrapping_mul(1_000_003) ^ ((client as u64) << 32) ^ action as u64)
    }

    async fn once(&self, world: &Rc<World>) -> Result<(), Box<Failure>> {
        let start = *self.rng(99, 0).choice(&STARTS).expect("there are some");
        let scene = Scene::set(world, start).await;
        let count = self.actions.iter().map(|(client, _)| client + 1).max().unwrap_or(0);
        let mut actors = Vec::new();
        for client in 0..count {
            let tokens = scene.run.session().await;
            let actions: Vec<Rng> = self
                .actions
                .iter()
                .filter(|(who, _)| *who == client)
                .map(|(_, action)| self.rng(client, *action))
                .collect();
            let mut acting = Client::new(scene.run.clone(), client, tokens);
            let actor: Actor<'_> = Box::new(move |turns| {
                Box::pin(async move {
                    for mut rng in actions {
                        acting.act(&turns, &mut rng).await;
                    }
                })
            });
            actors.push(actor);
        }
        let mut choices = Choices(self.rng(99, 1));
        let trace = run(actors, &mut choices, |actor| scene.run.released(actor)).await;
        observe(&scene, false).await;
        let (start, calls) = scene.run.history();
        scene.run.clear().await;
        oracle::check(start, &calls)
            .map_err(|reason| Box::new(Failure { schedule: self.clone(), reason, trace, calls }))
    }
}

/// Where schedules start.
const STARTS: [Start; 5] = [Start::Nothing, Start::Item, Start::OpenConflict, Start::WonConflict, Start::PurgeDue];

struct Choices(Rng);

impl Chooser for Choices {
    fn choose(&mut self, waiting: &[Point]) -> usize {
        self.0.usize(..waiting.len())
    }

    fn returned(&mut self, _: usize) {}
}
