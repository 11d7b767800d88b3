//! Merges two edits of one item, field by field, against the version that both started from.
//!
//! A field that one side changed is taken from that side. `tags` are merged as a set; `metadata` and the fields that the server
//! does not know, key by key. If both sides changed one field to different values, there is no merge.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::models::{Connection, Content, Extra, SavedQuery};

/// Returns `local` and `remote` merged. `base` is the version that both started from. Returns `None` if both changed one field
/// to different values.
pub(super) fn merge(base: &Arc<Content>, local: &Arc<Content>, remote: &Arc<Content>) -> Option<Arc<Content>> {
    if let Some(side) = pick(base, local, remote) {
        return Some(Arc::clone(side));
    }
    match (&**base, &**local, &**remote) {
        (Content::Connection(base), Content::Connection(local), Content::Connection(remote)) => {
            merge_connections(base, local, remote).map(Content::Connection)
        }
        (Content::SavedQuery(base), Content::SavedQuery(local), Content::SavedQuery(remote)) => {
            merge_saved_queries(base, local, remote).map(Content::SavedQuery)
        }
        // History is append-only.
        _ => None,
    }
    .map(Arc::new)
}

/// Returns the side that changed the value of `base`; either if both made the same change.
fn pick<'v, T: PartialEq>(base: &T, local: &'v T, remote: &'v T) -> Option<&'v T> {
    if local == base || local == remote {
        Some(remote)
    } else if remote == base {
        Some(local)
    } else {
        None
    }
}

/// Merges each named field by [`pick`], and the others by their own expression. A field of the type that is not listed does
/// not compile.
macro_rules! merge_fields {
    ($type:ident($base:ident, $local:ident, $remote:ident) { $($field:ident),* ; $($own:ident: $merged:expr),* }) => {
        Some($type {
            $($field: pick(&$base.$field, &$local.$field, &$remote.$field)?.clone(),)*
            $($own: $merged,)*
        })
    };
}

fn merge_connections(base: &Connection, local: &Connection, remote: &Connection) -> Option<Connection> {
    merge_fields!(Connection(base, local, remote) {
        name, database_type, host, port, database, username, use_ssh, ssh_host, ssh_port, ssh_user, color, icon;
        metadata: merge_maps(&base.metadata, &local.metadata, &remote.metadata)?,
        extra: merge_extra(&base.extra, &local.extra, &remote.extra)?
    })
}

fn merge_saved_queries(base: &SavedQuery, local: &SavedQuery, remote: &SavedQuery) -> Option<SavedQuery> {
    merge_fields!(SavedQuery(base, local, remote) {
        name, description, query, connection_id, favorite;
        tags: merge_tags(&base.tags, &local.tags, &remote.tags),
        metadata: merge_maps(&base.metadata, &local.metadata, &remote.metadata)?,
        extra: merge_extra(&base.extra, &local.extra, &remote.extra)?
    })
}

/// Merges tags as sets: those of `base` that neither side removed, in their order, then the added ones, sorted. The order of
/// the uploads therefore makes no difference.
fn merge_tags(base: &Vec<String>, local: &Vec<String>, remote: &Vec<String>) -> Vec<String> {
    if let Some(tags) = pick(base, local, remote) {
        return tags.clone();
    }
    let mut seen = BTreeSet::new();
    let kept = base.iter().filter(|tag| local.contains(tag) && remote.contains(tag) && seen.insert(*tag));
    let kept: Vec<String> = kept.cloned().collect();
    let added: BTreeSet<&String> = local.iter().chain(remote).filter(|tag| !base.contains(tag)).collect();
    kept.into_iter().chain(added.into_iter().cloned()).collect()
}

type Metadata = BTreeMap<String, String>;

fn merge_maps(base: &Metadata, local: &Metadata, remote: &Metadata) -> Option<Metadata> {
    let mut merged = Metadata::new();
    for key in local.keys().chain(remote.keys()) {
        if let Some(value) = pick(&base.get(key), &local.get(key), &remote.get(key))? {
            merged.insert(key.clone(), (*value).clone());
        }
    }
    Some(merged)
}

fn merge_extra(base: &Extra, local: &Extra, remote: &Extra) -> Option<Extra> {
    let names = local.iter().chain(remote.iter()).map(|(name, _)| name);
    let pairs: Option<Vec<_>> = names
        .map(|name| {
            let (base, local, remote) = (base.get(name), local.get(name), remote.get(name));
            let value = *pick(&base, &local, &remote)?;
            Some(value.map(|value| (name.clone(), value.clone())))
        })
        .collect();
    Some(pairs?.into_iter().flatten().collect())
}
