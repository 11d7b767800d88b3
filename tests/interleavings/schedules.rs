//! Random schedules: several clients that perform random operations in random order.

use std::collections::BTreeSet;
use std::fmt;
use std::rc::Rc;

use fastrand::Rng;
use model::Call;

use crate::clients::Client;
use crate::cluster::Cluster;
use crate::executor::{Actor, Chooser, SchedulingPoint, run};
use crate::explore::{observe, write_run};
use crate::oracle;
use crate::scenarios::{InitialState, Scenario};

/// Maximum number of actions of one client.
const MAX_ACTIONS: usize = 6;

/// Schedule, determined by its seed and the set of remaining actions.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    seed: u64,
    /// Actions to perform: index of the client, and index of the action of that client.
    actions: BTreeSet<(usize, usize)>,
}

/// Smallest failing schedule that was found.
#[derive(Debug)]
pub(crate) struct Failure {
    schedule: Schedule,
    reason: String,
    trace: Vec<SchedulingPoint>,
    calls: Vec<Call>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Schedule { seed, actions } = &self.schedule;
        writeln!(f, "schedule {seed} failed; rerun: SCHEDULE={seed} tests/run interleavings")?;
        writeln!(f, "the actions {actions:?} suffice: {}", self.reason)?;
        write_run(f, &self.trace, &self.calls)
    }
}

impl Schedule {
    /// Returns the schedule of `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let clients = rng.usize(3..=5);
        let actions = (0..clients).flat_map(|client| {
            let count = rng.usize(2..=MAX_ACTIONS);
            (0..count).map(move |action| (client, action)).collect::<Vec<_>>()
        });
        Self { seed, actions: actions.collect() }
    }

    /// Runs the schedule. If it fails, removes actions one by one while the rest still fails.
    pub(crate) async fn check(&self, cluster: &Rc<Cluster>) -> Result<(), Box<Failure>> {
        let Err(mut failure) = self.run_once(cluster).await else { return Ok(()) };
        let mut shrunk = true;
        while shrunk {
            shrunk = false;
            for action in failure.schedule.actions.clone() {
                let mut candidate = failure.schedule.clone();
                candidate.actions.remove(&action);
                if let Err(smaller_failure) = candidate.run_once(cluster).await {
                    (failure, shrunk) = (smaller_failure, true);
                }
            }
        }
        Err(failure)
    }

    /// Returns an independent random generator for one action of one client.
    fn rng(&self, client: usize, action: usize) -> Rng {
        Rng::with_seed(self.seed.wrapping_mul(1_000_003) ^ ((client as u64) << 32) ^ action as u64)
    }

    async fn run_once(&self, cluster: &Rc<Cluster>) -> Result<(), Box<Failure>> {
        let start = *self.rng(99, 0).choice(&INITIAL_STATES).expect("the list is not empty");
        let scenario = Scenario::new(cluster, start).await;
        let count = self.actions.iter().map(|(client, _)| client + 1).max().unwrap_or(0);
        let mut actors = Vec::new();
        for client in 0..count {
            let tokens = scenario.run.new_session().await;
            let actions: Vec<Rng> = self
                .actions
                .iter()
                .filter(|(owner, _)| *owner == client)
                .map(|(_, action)| self.rng(client, *action))
                .collect();
            let mut client_state = Client::new(scenario.run.clone(), client, tokens);
            let actor: Actor<'_> = Box::new(move |actor_scheduler| {
                Box::pin(async move {
                    for mut rng in actions {
                        client_state.act(&actor_scheduler, &mut rng).await;
                    }
                })
            });
            actors.push(actor);
        }
        let mut chooser = RandomChooser(self.rng(99, 1));
        let trace = run(actors, &mut chooser, |actor| scenario.run.request_released(actor)).await;
        observe(&scenario, false).await;
        let (start, calls) = scenario.run.history();
        scenario.run.delete_account().await;
        oracle::check(start, &calls)
            .map_err(|reason| Box::new(Failure { schedule: self.clone(), reason, trace, calls }))
    }
}

/// Initial states of schedules.
const INITIAL_STATES: [InitialState; 5] = [
    InitialState::Empty,
    InitialState::Item,
    InitialState::OpenConflict,
    InitialState::LocalWonConflict,
    InitialState::PurgeDue,
];

struct RandomChooser(Rng);

impl Chooser for RandomChooser {
    fn choose(&mut self, waiting: &[SchedulingPoint]) -> usize {
        self.0.usize(..waiting.len())
    }

    fn returned(&mut self, _: usize) {}
}
