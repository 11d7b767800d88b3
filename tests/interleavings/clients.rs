//! Clients that perform random actions.

use std::collections::BTreeMap;
use std::rc::Rc;

use fastrand::Rng;
use model::{Change, ChangeResult, Choice, Conflict, Content, Edit, Key, Page, Request, Response, Upload};
use shared::models::{ItemType, Strategy, Timestamp};

use crate::executor::ActorScheduler;
use crate::operations::CHANGED;
use crate::run::{PASSWORD, Run, Tokens, saved_query};

/// Device of the account, with its local state.
pub(crate) struct Client {
    run: Rc<Run>,
    actor: usize,
    device: String,
    tokens: Tokens,
    /// Version and content of each item that the client knows.
    items: BTreeMap<Key, (i64, Option<Content>)>,
    /// Cursor of the downloads of each type, and of all types.
    since: BTreeMap<Option<ItemType>, Timestamp>,
    /// Conflicts that responses contained, with their revisions.
    conflicts: BTreeMap<String, i64>,
    /// Upload whose response is treated as lost; the client sends it again.
    unacknowledged: Option<Upload>,
}

impl Client {
    /// Creates a client with its own session.
    pub(crate) fn new(run: Rc<Run>, actor: usize, tokens: Tokens) -> Self {
        Self {
            run,
            actor,
            device: format!("device-{actor}"),
            tokens,
            items: BTreeMap::new(),
            since: BTreeMap::new(),
            conflicts: BTreeMap::new(),
            unacknowledged: None,
        }
    }

    /// Performs one random action.
    pub(crate) async fn act(&mut self, actor_scheduler: &ActorScheduler, rng: &mut Rng) {
        let request = self.random_request(rng);
        let response = self.run.call_as(actor_scheduler, self.actor, request.clone()).await;
        self.apply_response(&request, response, rng);
    }

    fn random_request(&mut self, rng: &mut Rng) -> Request {
        let token = self.tokens.access.clone();
        match rng.u8(..100) {
            0..38 => self.upload(rng),
            38..51 => {
                let limit = [1, 2, 1_000][rng.usize(..3)];
                let item_type = [None, None, Some(ItemType::SavedQuery), Some(ItemType::Connection)][rng.usize(..4)];
                // Sometimes starts another full sync.
                let since = self.since.get(&item_type).copied().filter(|_| rng.u8(..6) > 0);
                Request::Download { token, device: self.device.clone(), since, limit, item_type }
            }
            51..70 => self.resolve(rng),
            70..74 => self.restore(rng),
            74..76 => Request::ListVersions { token, key: self.known_item(rng) },
            76..80 => Request::ListConflicts { token },
            80..83 => Request::Status { token },
            83..88 => Request::Purge,
            88..92 => Request::Refresh { refresh_token: self.tokens.refresh.clone() },
            92..94 => Request::LogIn { password: PASSWORD.to_owned() },
            94..95 => Request::ChangePassword { token, current: PASSWORD.to_owned(), new: CHANGED.to_owned() },
            95..96 => Request::LogOut { token },
            96..97 => Request::RequestReset,
            97..98 => Request::DeliverEmail,
            98..99 => Request::AdvanceClock { seconds: [1, 11, 61][rng.usize(..3)] },
            _ if rng.u8(..4) == 0 => Request::DeleteAccount { token, password: PASSWORD.to_owned() },
            _ => Request::ShowProfile { token },
        }
    }

    fn upload(&mut self, rng: &mut Rng) -> Request {
        let token = self.tokens.access.clone();
        if let Some(mut upload) = self.unacknowledged.take() {
            if rng.bool() {
                upload.changes.push(self.change(rng));
            }
            return Request::Upload { token, upload };
        }
        let strategy = Strategy::ALL[rng.usize(..Strategy::ALL.len())];
        let changes = (0..=rng.usize(..2)).map(|_| self.change(rng)).collect();
        let upload =
            Upload { device: self.device.clone(), last_sync_at: self.since.get(&None).copied(), strategy, changes };
        Request::Upload { token, upload }
    }

    fn change(&self, rng: &mut Rng) -> Change {
        let item_type = [ItemType::SavedQuery, ItemType::SavedQuery, ItemType::Connection, ItemType::QueryHistory];
        let item_type = item_type[rng.usize(..4)];
        let copies: Vec<&Key> = self.items.keys().filter(|key| key.item_type == item_type).collect();
        // Sometimes edits the copy of a conflict.
        let key = match rng.choice(copies) {
            Some(key) if rng.u8(..3) == 0 => key.clone(),
            _ => Key { item_type, id: ["i", "j"][rng.usize(..2)].to_owned() },
        };
        let (base, known) = self.items.get(&key).cloned().unwrap_or_default();
        let is_history = item_type == ItemType::QueryHistory;
        let name = if is_history { String::new() } else { "n".to_owned() };
        let content = Content { name, text: self.run.unique_text() };
        let edit = match known {
            Some(_) if rng.u8(..4) == 0 => Edit::Delete,
            Some(known) if !is_history && rng.u8(..3) == 0 => Edit::Update(Content { name: content.text, ..known }),
            Some(known) if !is_history => Edit::Update(Content { name: known.name, ..content }),
            _ => Edit::Create(content),
        };
        let updated_at = self.run.now().plus_seconds([0, 0, -5, 5][rng.usize(..4)]);
        let id = format!("{} {}", self.device, self.run.unique_text());
        Change { id, key, edit, base, updated_at }
    }

    fn resolve(&self, rng: &mut Rng) -> Request {
        let token = self.tokens.access.clone();
        let Some((conflict, revision)) = rng.choice(&self.conflicts) else {
            return Request::ListConflicts { token };
        };
        let choice = match rng.u8(..5) {
            0 => Choice::LastWriteWins,
            1 => Choice::KeepBoth,
            2 => Choice::Local,
            3 => Choice::Remote,
            _ => Choice::Merged(Content { name: "n".to_owned(), text: self.run.unique_text() }),
        };
        let revision = rng.bool().then_some(*revision);
        Request::Resolve { token, conflict: conflict.clone(), choice, revision }
    }

    /// Restores one of the versions of an item, and sometimes expects another version than the newest known one.
    fn restore(&self, rng: &mut Rng) -> Request {
        let (token, key) = (self.tokens.access.clone(), self.known_item(rng));
        let (newest, _) = self.items.get(&key).cloned().unwrap_or_default();
        let (version, expected) = (rng.i64(1..=newest.max(1)), newest + i64::from(rng.u8(..4) == 0));
        Request::Restore { token, key, version, expected }
    }

    /// Returns the key of a connection or saved query.
    fn known_item(&self, rng: &mut Rng) -> Key {
        let known: Vec<&Key> = self.items.keys().filter(|key| key.item_type != ItemType::QueryHistory).collect();
        rng.choice(known).cloned().unwrap_or_else(|| saved_query("i"))
    }

    fn apply_response(&mut self, request: &Request, response: Response, rng: &mut Rng) {
        match (request, response) {
            (Request::Upload { upload, .. }, Response::Uploaded(uploaded)) => {
                if rng.u8(..8) == 0 {
                    self.unacknowledged = Some(upload.clone());
                    return;
                }
                for (change, result) in upload.changes.iter().zip(uploaded.results) {
                    if let ChangeResult::Conflict { conflict, .. } = &result {
                        self.record_conflict(conflict);
                    }
                    if let Some(current) = result.current() {
                        self.items.insert(change.key.clone(), (current.version, current.content.clone()));
                    } else if let ChangeResult::Applied { version, .. } = result {
                        self.items.insert(change.key.clone(), (version, change.edit.content().cloned()));
                    }
                }
            }
            (Request::Download { item_type, .. }, Response::Page(page)) => self.apply_page(*item_type, page),
            (_, Response::Restored { item: Some(item), .. }) => {
                self.items.insert(item.key, (item.version, item.content));
            }
            (_, Response::Conflicts(conflicts)) => conflicts.iter().for_each(|conflict| self.record_conflict(conflict)),
            (_, Response::Refused { conflict: Some(conflict), .. }) => self.record_conflict(&conflict),
            (Request::LogIn { .. } | Request::Refresh { .. }, Response::Tokens { access, refresh }) => {
                self.tokens = Tokens { access, refresh };
            }
            _ => {}
        }
    }

    fn apply_page(&mut self, item_type: Option<ItemType>, page: Page) {
        if page.reset {
            self.items.retain(|key, _| item_type.is_some_and(|item_type| item_type != key.item_type));
        }
        self.since.insert(item_type, page.sync_timestamp);
        self.items.extend(page.items.into_iter().map(|item| (item.key, (item.version, item.content))));
        page.conflicts.iter().for_each(|conflict| self.record_conflict(conflict));
    }

    /// Records a conflict of a saved query. The clients generate merged content for saved queries only.
    fn record_conflict(&mut self, conflict: &Conflict) {
        if conflict.key.item_type == ItemType::SavedQuery {
            self.conflicts.insert(conflict.id.clone(), conflict.revision);
        }
    }
}
