//! Resolutions of conflicts.

use shared::models::{Strategy, Timestamp, Winner};

use crate::call::{Choice, Conflict, Content, Key, PageItem, Response, Settled};
use crate::data::{Data, Known, Stored};
use crate::uploads::copy_of;
use crate::{Mismatch, same};

/// The state of a conflict that the client has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// The one with this revision.
    Revision(i64),
    /// That of this write; `None` for any.
    Write(Option<u64>),
}

impl Seen {
    fn is(self, known: &Known) -> bool {
        match self {
            Self::Revision(revision) => known.revision == Some(revision),
            Self::Write(write) => write.is_none_or(|write| known.write == write),
        }
    }
}

impl Choice {
    const fn strategy(&self) -> Strategy {
        match self {
            Self::LastWriteWins => Strategy::LastWriteWins,
            Self::KeepBoth => Strategy::KeepBoth,
            Self::Local | Self::Remote | Self::Merged(_) => Strategy::UserChoice,
        }
    }
}

impl Data {
    /// Resolves the conflict `id` at the time `now`, and checks the answer.
    ///
    /// # Errors
    /// When the answer is another than was promised.
    pub fn resolve(
        &mut self,
        id: &str,
        choice: &Choice,
        seen: Seen,
        answer: &Response,
        now: Timestamp,
    ) -> Result<(), Mismatch> {
        let Some(known) = self.conflicts.get(id).cloned() else { return refused(answer, 404).map(drop) };
        if self.resolutions.get(id) == Some(choice) || is_settled_so(&known, choice) {
            return self.see_repeat(&known, answer);
        }
        let is_other = known.settled.is_some()
            && !(known.is_settled_by(Strategy::LastWriteWins) && choice.strategy() == Strategy::UserChoice);
        if is_other {
            let shown = refused(answer, 409)?;
            return shown.map_or(Ok(()), |shown| self.see_conflict(&shown));
        }
        if self.side(&known.key).version != known.item_version {
            self.renew(known);
            return self.see_refusal(answer);
        }
        if !seen.is(&known) {
            return self.see_refusal(answer);
        }
        let Response::Resolved { at, item } = answer else { return Err(format!("{answer:?}, expected a resolution")) };
        self.settle(known, choice, *at, item.as_ref(), now)
    }

    /// The same again changes nothing, and is answered with the item as it is now.
    fn see_repeat(&self, known: &Known, answer: &Response) -> Result<(), Mismatch> {
        let Response::Resolved { at, item } = answer else { return Err(format!("{answer:?}, expected a resolution")) };
        let settled = known.settled.as_ref().ok_or("a resolution was accepted, but the conflict is open")?;
        same("resolved_at", at, &settled.at)?;
        let key = settled.copy.clone().map_or_else(|| known.key.clone(), |id| Key { id, ..known.key.clone() });
        same("the item", item, &self.show(&key))
    }

    /// The conflict is not what the request takes it for, and is shown as it is now.
    fn see_refusal(&mut self, answer: &Response) -> Result<(), Mismatch> {
        let shown = refused(answer, 409)?.ok_or("a 409 without the conflict")?;
        self.see_conflict(&shown)
    }

    /// The side that stands for the item becomes what is stored now.
    fn renew(&mut self, mut known: Known) {
        let current = self.side(&known.key);
        known.item_version = current.version;
        let local_won = known.settled.as_ref().is_some_and(|settled| settled.winner == Some(Winner::Local));
        *if local_won { &mut known.local } else { &mut known.remote } = current;
        known.touch(self.next_write());
        self.conflicts.insert(known.id.clone(), known);
        self.move_head_unseen();
    }

    fn settle(
        &mut self,
        mut known: Known,
        choice: &Choice,
        at: Timestamp,
        shown: Option<&PageItem>,
        now: Timestamp,
    ) -> Result<(), Mismatch> {
        self.move_head(at)?;
        let winner = match choice {
            Choice::Merged(_) => Some(Winner::Merged),
            Choice::Local => Some(Winner::Local),
            Choice::LastWriteWins if known.local.updated_at > known.remote.updated_at => Some(Winner::Local),
            Choice::KeepBoth if known.local.content.is_some() => None,
            Choice::Remote | Choice::LastWriteWins | Choice::KeepBoth => Some(Winner::Remote),
        };
        let (key, content) = match (choice, winner) {
            (Choice::Merged(content), _) => (known.key.clone(), Some(content.clone())),
            (_, Some(Winner::Local)) => (known.key.clone(), known.local.content.clone()),
            (_, Some(_)) => (known.key.clone(), known.remote.content.clone()),
            (_, None) => {
                let content = known.local.content.as_ref().map(|local| copy_of(local, &known.local.device, now));
                let shown = shown.ok_or("both are kept, but no copy is shown")?;
                if self.items.contains_key(&shown.key) {
                    return Err(format!("the copy {:?} is no new item", shown.key));
                }
                (shown.key.clone(), content)
            }
        };
        let write = self.next_write();
        let copy = winner.is_none().then(|| key.id.clone());
        self.write_resolution(&key, content, (at, write), now);
        same("the item", &shown.cloned(), &self.show(&key))?;
        if copy.is_none() {
            known.item_version = self.side(&key).version;
        }
        self.resolutions.insert(known.id.clone(), choice.clone());
        known.settled = Some(Settled { at, strategy: choice.strategy(), winner, copy });
        known.touch(write);
        self.conflicts.insert(known.id.clone(), known);
        Ok(())
    }

    /// Where there is nothing, and nothing is what was chosen, nothing is written.
    fn write_resolution(&mut self, key: &Key, content: Option<Content>, (at, write): (Timestamp, u64), now: Timestamp) {
        if content.is_none() && !self.items.contains_key(key) {
            return;
        }
        let version = self.next_version(key);
        let stored = Stored { content, version, updated_at: now, device: String::new(), at, write };
        self.items.insert(key.clone(), stored);
    }
}

/// Whether the conflict was settled by this choice already.
fn is_settled_so(known: &Known, choice: &Choice) -> bool {
    let winner = known.settled.as_ref().and_then(|settled| settled.winner);
    known.is_settled_by(choice.strategy())
        && match choice {
            Choice::LastWriteWins | Choice::KeepBoth => true,
            Choice::Local => winner == Some(Winner::Local),
            Choice::Remote => winner == Some(Winner::Remote),
            Choice::Merged(_) => false,
        }
}

/// Checks that `answer` is an error with `expected`; the conflict that it shows.
fn refused(answer: &Response, expected: u16) -> Result<Option<Conflict>, Mismatch> {
    match answer {
        Response::Refused { status, conflict, .. } if *status == expected => {
            Ok(conflict.as_ref().map(|conflict| (**conflict).clone()))
        }
        _ => Err(format!("{answer:?}, expected {expected}")),
    }
}
