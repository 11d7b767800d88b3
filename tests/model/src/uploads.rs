//! Uploads.

use shared::models::{ItemType, Strategy, Timestamp, Winner};

use crate::call::{Applied, Change, Content, Edit, Key, Settled, Side, Upload, Uploaded};
use crate::data::{Accepted, Data, Known, Stored};
use crate::{Mismatch, same};

/// Each accepted change of an upload gets a server time, and these lie one millisecond apart.
const TICK: i64 = 1_000;

/// One upload as its changes are applied one after the other.
struct Pass<'a> {
    data: &'a mut Data,
    upload: &'a Upload,
    now: Timestamp,
    /// Server times given out so far.
    ticks: i64,
    /// Writes so far, each at its tick: times are known only when the number of ticks is.
    items: Vec<(Key, i64)>,
    conflicts: Vec<(String, i64)>,
    synced: i64,
    conflicted: i64,
}

impl Data {
    /// Applies `upload` at the time `now`, and checks its answer.
    ///
    /// # Errors
    /// When the answer is another than was promised.
    pub fn upload(&mut self, upload: &Upload, answer: &Uploaded, now: Timestamp) -> Result<(), Mismatch> {
        same("the number of results", &answer.results.len(), &upload.changes.len())?;
        let mut pass = Pass {
            data: self,
            upload,
            now,
            ticks: 0,
            items: Vec::new(),
            conflicts: Vec::new(),
            synced: 0,
            conflicted: 0,
        };
        for (change, instrumented) in upload.changes.iter().zip(&answer.results) {
            pass.apply(change, instrumented)?;
        }
        pass.finish(answer.at)?;
        // A conflict is shown as it is after the whole upload.
        answer.results.iter().try_for_each(|result| match result {
            Applied::Conflict(conflict) => self.see_conflict(conflict),
            Applied::Applied(_) | Applied::Rejected(_) => Ok(()),
        })
    }
}

impl Pass<'_> {
    fn finish(self, at: Timestamp) -> Result<(), Mismatch> {
        if self.ticks == 0 {
            return self.data.see_head(at);
        }
        self.data.move_head(at)?;
        let time = |tick: i64| Timestamp::from_micros(at.micros() - (self.ticks - tick) * TICK);
        for (key, tick) in self.items {
            if let Some(stored) = self.data.items.get_mut(&key) {
                stored.at = time(tick);
            }
        }
        for (id, tick) in self.conflicts {
            let settled = self.data.conflicts.get_mut(&id).and_then(|known| known.settled.as_mut());
            settled.into_iter().for_each(|settled| settled.at = time(tick));
        }
        let device = self.data.devices.entry(self.upload.device.clone()).or_default();
        device.0 += self.synced;
        device.1 += self.conflicted;
        Ok(())
    }

    fn apply(&mut self, change: &Change, instrumented: &Applied) -> Result<(), Mismatch> {
        let expected = self.decide(change, instrumented)?;
        let matches = match (&expected, instrumented) {
            (Expected::Conflict(id), Applied::Conflict(conflict)) => *id == conflict.id,
            (Expected::Applied(version), Applied::Applied(given)) => version == given,
            (Expected::Rejected(code), Applied::Rejected(given)) => code == given,
            _ => false,
        };
        if matches { Ok(()) } else { Err(format!("{change:?} is {instrumented:?}, expected {expected:?}")) }
    }

    fn decide(&mut self, change: &Change, instrumented: &Applied) -> Result<Expected, Mismatch> {
        let receipt = (self.upload.device.clone(), change.id.clone());
        let is_append = change.key.item_type == ItemType::QueryHistory && change.edit != Edit::Delete;
        if let Some(accepted) = self.data.accepted.get(&receipt) {
            return Ok(self.repeat(accepted, change));
        }
        if is_append {
            return Ok(self.append(change));
        }
        let expected = self.edit(change, instrumented)?;
        let (version, conflict) = match &expected {
            Expected::Applied(version) => (*version, None),
            Expected::Conflict(id) => (self.data.side(&change.key).version, Some(id.clone())),
            Expected::Rejected(_) => return Ok(expected),
        };
        *if conflict.is_none() { &mut self.synced } else { &mut self.conflicted } += 1;
        self.data.accepted.insert(receipt, Accepted { key: change.key.clone(), version, conflict });
        Ok(expected)
    }

    /// A repeat changes nothing and is answered as the first time; as applied, where its conflict was purged.
    fn repeat(&self, accepted: &Accepted, change: &Change) -> Expected {
        if accepted.key != change.key {
            return Expected::Rejected("CHANGE_ID_REUSED");
        }
        match &accepted.conflict {
            Some(id) if self.data.conflicts.contains_key(id) => Expected::Conflict(id.clone()),
            _ => Expected::Applied(accepted.version),
        }
    }

    /// History is append-only: the same id again changes nothing, and what was deleted does not come back.
    fn append(&mut self, change: &Change) -> Expected {
        let is_known = self.data.items.contains_key(&change.key) || self.data.deleted_history.contains(&change.key.id);
        if !is_known {
            self.tick();
            self.write(change);
            self.synced += 1;
        }
        Expected::Applied(1)
    }

    fn edit(&mut self, change: &Change, instrumented: &Applied) -> Result<Expected, Mismatch> {
        let content = change.edit.content();
        let Some(stored) = self.data.items.get(&change.key) else {
            return Ok(self.edit_nothing(change));
        };
        let (version, is_own) = (stored.version, stored.device == self.upload.device);
        if stored.content.as_ref() == content {
            self.tick();
            return Ok(Expected::Applied(version));
        }
        let is_history = change.key.item_type == ItemType::QueryHistory;
        if is_history || is_own || version == change.base {
            self.tick();
            if is_history {
                self.data.deleted_history.insert(change.key.id.clone());
            }
            return Ok(Expected::Applied(self.write(change)));
        }
        self.conflict(change, instrumented)
    }

    fn edit_nothing(&mut self, change: &Change) -> Expected {
        let last_sync = self.upload.last_sync_at.unwrap_or(Timestamp::MIN);
        let purged_through = self.data.purged_through;
        match &change.edit {
            Edit::Update(_) if last_sync < purged_through && purged_through > Timestamp::EPOCH => {
                Expected::Rejected("RESYNC_REQUIRED")
            }
            Edit::Delete => {
                self.tick();
                Expected::Applied(0)
            }
            Edit::Create(_) | Edit::Update(_) => {
                self.tick();
                Expected::Applied(self.write(change))
            }
        }
    }

    fn tick(&mut self) {
        self.ticks += 1;
    }

    fn edited_at(&self, change: &Change) -> Timestamp {
        change.updated_at.min(self.now)
    }

    /// Makes `change` the item; its version.
    fn write(&mut self, change: &Change) -> i64 {
        let content = change.edit.content().cloned();
        self.write_as(&change.key, content, self.edited_at(change))
    }

    fn write_as(&mut self, key: &Key, content: Option<Content>, updated_at: Timestamp) -> i64 {
        let version = self.data.next_version(key);
        let device = self.upload.device.clone();
        let write = self.data.next_write();
        let stored = Stored { content, version, updated_at, device, at: Timestamp::EPOCH, write };
        self.data.items.insert(key.clone(), stored);
        self.items.push((key.clone(), self.ticks));
        version
    }

    fn conflict(&mut self, change: &Change, instrumented: &Applied) -> Result<Expected, Mismatch> {
        let Applied::Conflict(shown) = instrumented else {
            return Err(format!("{change:?} is {instrumented:?}, expected a conflict"));
        };
        let earlier = self.earlier(change).cloned();
        match &earlier {
            Some(earlier) => same("the conflict that is renewed", &shown.id, &earlier.id)?,
            None if self.data.conflicts.contains_key(&shown.id) => {
                return Err(format!("{change:?} renews {}, expected a new conflict", shown.id));
            }
            None => {}
        }
        self.tick();
        let remote = self.data.side(&change.key);
        let local = Side {
            content: change.edit.content().cloned(),
            updated_at: self.edited_at(change),
            version: change.base,
            device: self.upload.device.clone(),
        };
        let copy = shown.settled.as_ref().and_then(|settled| settled.copy.clone());
        let (winner, copy) = match (self.upload.strategy, &change.edit) {
            (Strategy::UserChoice, _) => (None, None),
            (Strategy::LastWriteWins, _) if local.updated_at > remote.updated_at => {
                self.write(change);
                (Some(Winner::Local), None)
            }
            (Strategy::LastWriteWins, _) | (Strategy::KeepBoth, Edit::Delete) => (Some(Winner::Remote), None),
            (Strategy::KeepBoth, _) => (None, Some(self.copy(change, earlier.as_ref(), copy)?)),
        };
        let strategy = self.upload.strategy;
        let settled =
            (strategy != Strategy::UserChoice).then_some(Settled { at: Timestamp::EPOCH, strategy, winner, copy });
        self.record(change, earlier, shown.id.clone(), (local, remote), settled);
        Ok(Expected::Conflict(shown.id.clone()))
    }

    fn record(
        &mut self,
        change: &Change,
        earlier: Option<Known>,
        id: String,
        (local, remote): (Side, Side),
        settled: Option<Settled>,
    ) {
        // A copy is written at the same moment as its conflict.
        let write = self.data.next_write();
        if let Some(copy) = settled.as_ref().and_then(|settled| settled.copy.clone()) {
            let key = Key { id: copy, ..change.key.clone() };
            self.data.items.get_mut(&key).into_iter().for_each(|copy| copy.write = write);
        }
        let detected = earlier.as_ref().map_or(write, |earlier| earlier.detected);
        let mut known = earlier.unwrap_or_else(|| Known {
            id: id.clone(),
            key: change.key.clone(),
            local: local.clone(),
            remote: remote.clone(),
            item_version: 0,
            settled: None,
            write,
            detected,
            revision: None,
            old_revisions: [].into(),
        });
        known.touch(write);
        (known.local, known.remote, known.settled) = (local, remote, settled);
        known.item_version = self.data.side(&change.key).version;
        self.data.conflicts.insert(id.clone(), known);
        self.conflicts.push((id, self.ticks));
    }

    /// Writes the copy that keeping both makes: the one of the renewed conflict, or a new one.
    fn copy(&mut self, change: &Change, earlier: Option<&Known>, shown: Option<String>) -> Result<String, Mismatch> {
        let id = shown.ok_or_else(|| format!("{change:?} made no copy"))?;
        let key = Key { id: id.clone(), ..change.key.clone() };
        match earlier.and_then(|earlier| earlier.settled.as_ref()?.copy.as_ref()) {
            Some(before) => same("the copy that is renewed", &id, before)?,
            None if self.data.items.contains_key(&key) => return Err(format!("the copy {id} is no new item")),
            None => {}
        }
        let content = change.edit.content().map(|content| copy_of(content, &self.upload.device, self.now));
        self.write_as(&key, content, self.edited_at(change));
        Ok(id)
    }

    /// The conflict that `change` renews: one of the same item, device and base. The open one, or the newest.
    fn earlier(&self, change: &Change) -> Option<&Known> {
        let of_branch = |known: &&Known| {
            known.key == change.key && known.local.device == self.upload.device && known.local.version == change.base
        };
        let branch: Vec<&Known> = self.data.conflicts.values().filter(of_branch).collect();
        // Of those that were settled alike, only the newest can go on.
        let kind = |known: &Known| known.settled.as_ref().map(|settled| (settled.strategy, settled.copy.is_some()));
        let is_newest =
            |known: &&&Known| !branch.iter().any(|other| kind(other) == kind(known) && other.write > known.write);
        let candidates = branch.iter().filter(is_newest).filter(|known| self.renews(known, change));
        candidates.max_by_key(|known| (known.settled.is_none(), known.write)).copied()
    }

    fn renews(&self, known: &Known, change: &Change) -> bool {
        let is_deletion = change.edit == Edit::Delete;
        let Some(settled) = &known.settled else {
            return !(self.upload.strategy == Strategy::KeepBoth && is_deletion);
        };
        match self.upload.strategy {
            Strategy::LastWriteWins => {
                known.is_settled_by(Strategy::LastWriteWins) && settled.winner == Some(Winner::Remote)
            }
            Strategy::KeepBoth if known.is_settled_by(Strategy::KeepBoth) && !is_deletion => {
                let copy = settled.copy.as_ref().map(|id| Key { id: id.clone(), ..known.key.clone() });
                let copy = copy.and_then(|key| self.data.items.get(&key));
                copy.is_some_and(|copy| copy.content.is_some() && copy.write == known.write)
            }
            _ => false,
        }
    }
}

/// `content` under the name of a copy that was made for `device` on the day of `now`.
pub(crate) fn copy_of(content: &Content, device: &str, now: Timestamp) -> Content {
    let name = format!("{} (conflicted copy, {device}, {})", content.name, now.date());
    Content { name, text: content.text.clone() }
}

/// The expected result of a change.
#[derive(Debug)]
enum Expected {
    Applied(i64),
    Conflict(String),
    Rejected(&'static str),
}
