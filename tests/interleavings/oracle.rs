//! Checks of a finished run.

use std::collections::BTreeSet;

use model::{Call, Choice, Content, Model, Request, Response, linearize};
use shared::models::{ItemType, Timestamp, limits};

/// Checks the calls of one run: no response is a 5xx, except 503 during a move, some sequential history explains all responses,
/// and every accepted edit still exists.
///
/// # Errors
/// Returns a description of the first violation.
pub(crate) fn check(start: Model, calls: &[Call]) -> Result<(), String> {
    let is_refused_in_a_move = |response: &Response| start.has_moves && response.has_code("SERVICE_UNAVAILABLE");
    let is_server_error = |call: &&Call| {
        matches!(call.response, Response::Refused { status: 500.., .. }) && !is_refused_in_a_move(&call.response)
    };
    if let Some(call) = calls.iter().find(is_server_error) {
        return Err(format!("{:?} returned {:?}", call.request, call.response));
    }
    linearize(start, calls).map_err(|error| error.to_string())?;
    let lost = lost_edits(calls);
    if lost.is_empty() { Ok(()) } else { Err(format!("lost: {lost:?}")) }
}

/// Checks that no call is refused as unavailable. After all moves have ended, one database accepts writes.
///
/// # Errors
/// Returns a description of the first refusal.
pub(crate) fn check_available(calls: &[Call]) -> Result<(), String> {
    match calls.iter().find(|call| call.response.has_code("SERVICE_UNAVAILABLE")) {
        Some(call) => Err(format!("after all moves: {:?} returned {:?}", call.request, call.response)),
        None => Ok(()),
    }
}

/// Names and texts that exist at the end.
#[derive(Default)]
struct Remaining<'a> {
    names: BTreeSet<&'a str>,
    texts: BTreeSet<&'a str>,
}

impl<'a> Remaining<'a> {
    fn add(&mut self, contents: impl IntoIterator<Item = &'a Content>) {
        for content in contents {
            self.names.insert(&content.name);
            self.texts.insert(&content.text);
        }
    }

    /// Returns whether name and text exist, together or apart: a merged item has the name of one edit and the text of
    /// another. Each edit has a name or a text that no other edit has.
    fn contains(&self, content: &Content) -> bool {
        self.names.contains(&*content.name) && self.texts.contains(&*content.text)
    }
}

/// Returns the accepted edits of connections and saved queries that no item, no conflict and no listed version contains at the
/// end, unless a purge may have removed them. Linearizability implies that there are none if the model is correct; this check
/// does not use the model.
fn lost_edits(calls: &[Call]) -> Vec<Content> {
    let Some(mut remaining) = remaining(calls) else { return Vec::new() };
    let cutoff = purge_cutoff(calls);
    let (recent, old): (Vec<&Call>, Vec<&Call>) = calls.iter().partition(|call| call.clock >= cutoff);
    remaining.add(old.into_iter().flat_map(accepted_edits));
    recent.into_iter().flat_map(accepted_edits).filter(|content| !remaining.contains(content)).cloned().collect()
}

/// Returns what the last lists of conflicts, items and versions contain; `None` if the account is deleted.
fn remaining(calls: &[Call]) -> Option<Remaining<'_>> {
    let is_list = |call: &Call| matches!(call.request, Request::ListConflicts { .. });
    let observed = &calls[calls.iter().rposition(is_list)?..];
    let mut remaining = Remaining::default();
    for call in observed {
        match &call.response {
            Response::Conflicts(conflicts) => {
                let sides = conflicts.iter().flat_map(|conflict| [&conflict.local, &conflict.remote]);
                remaining.add(sides.filter_map(|side| side.content.as_ref()));
            }
            Response::Page(page) => remaining.add(page.items.iter().filter_map(|item| item.content.as_ref())),
            Response::Versions(versions) => {
                remaining.add(versions.iter().filter_map(|version| version.content.as_ref()));
            }
            _ => {}
        }
    }
    matches!(observed[0].response, Response::Conflicts(_)).then_some(remaining)
}

/// Returns the contents that a call has written to connections and saved queries. History entries are excluded, because
/// the first entry with an id is kept by contract.
fn accepted_edits(call: &Call) -> Vec<&Content> {
    match (&call.request, &call.response) {
        (Request::Upload { upload, .. }, Response::Uploaded(uploaded)) => {
            let results = upload.changes.iter().zip(&uploaded.results);
            let accepted = results
                .filter(|(change, result)| change.key.item_type != ItemType::QueryHistory && result.is_recorded());
            accepted.filter_map(|(change, _)| change.edit.content()).collect()
        }
        (Request::Resolve { choice: Choice::Merged(content), .. }, Response::Resolved { .. }) => vec![content],
        _ => Vec::new(),
    }
}

/// Returns the time before which a purge may have removed edits: 30 days before the last purge.
fn purge_cutoff(calls: &[Call]) -> Timestamp {
    let purges = calls.iter().filter(|call| matches!(call.response, Response::Purged { .. }));
    let last = purges.map(|call| call.clock).max();
    last.map_or(Timestamp::MIN, |clock| clock.plus_seconds(-limits::RETENTION_DAYS * 24 * 3_600))
}
