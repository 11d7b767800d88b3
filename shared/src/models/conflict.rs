use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    ConflictId, Content, DeviceId, Item, ItemId, ItemKey, ItemRecord, ItemType, Stored, SyncVersion, Timestamp,
};

/// How conflicts are settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The later edit becomes the item; the other stays restorable.
    LastWriteWins,
    /// The stored item stays; the upload becomes a copy beside it.
    KeepBoth,
    /// The stored item stays until the user has chosen.
    UserChoice,
}

impl Strategy {
    /// Every strategy, the server's default first.
    pub const ALL: [Self; 3] = [Self::LastWriteWins, Self::KeepBoth, Self::UserChoice];

    /// Its name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LastWriteWins => "last_write_wins",
            Self::KeepBoth => "keep_both",
            Self::UserChoice => "user_choice",
        }
    }

    /// The strategy with this name on the wire.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|strategy| strategy.name() == name)
    }
}

/// Which version a settled conflict left as the item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Winner {
    /// What the uploading device sent.
    Local,
    /// What the server held.
    Remote,
    /// What the user made of both.
    Merged,
}

impl Winner {
    /// Its name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Remote => "remote",
            Self::Merged => "merged",
        }
    }

    /// The winner with this name on the wire.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Local, Self::Remote, Self::Merged].into_iter().find(|winner| winner.name() == name)
    }
}

/// One of the two versions that met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemVersion {
    /// The item; absent where this version is its deletion.
    pub item: Option<Item>,
    /// When it was edited or deleted.
    pub updated_at: Timestamp,
    /// Of what the server held: its version. Of what a device sent: the version it was based on.
    pub sync_version: SyncVersion,
    /// Who wrote it.
    pub device: DeviceId,
}

impl ItemVersion {
    /// The version that the store holds; `None` is an item whose very tombstone is gone.
    pub fn of(stored: Option<&Stored>) -> Self {
        match stored {
            Some(stored) => Self {
                item: stored.item.clone().filter(|_| stored.is_live()),
                updated_at: stored.updated_at,
                sync_version: stored.version,
                device: stored.device.clone(),
            },
            None => Self { item: None, updated_at: Timestamp::EPOCH, sync_version: 0, device: DeviceId::none() },
        }
    }
}

/// Two versions of an item that met: an upload, and what the server held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Its id, derived from the change that met it.
    pub id: ConflictId,
    /// The item.
    pub key: ItemKey,
    /// What the uploading device sent.
    pub local: ItemVersion,
    /// What the server held.
    pub remote: ItemVersion,
    /// The item's version as this conflict left it: what tells whether the item has moved on since.
    pub item_version: SyncVersion,
    /// When they met.
    pub detected_at: Timestamp,
    /// How it was settled; `None` while it is open.
    pub resolution: Option<Resolution>,
    /// Its place in the user's line of changes.
    pub seq: Timestamp,
}

impl Conflict {
    /// Tells this state of the conflict from all before it: every write of a conflict moves its [`seq`](Self::seq).
    pub const fn revision(&self) -> i64 {
        self.seq.micros()
    }
}

/// How a conflict was settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// When.
    pub at: Timestamp,
    /// Strategy that resolved it.
    pub strategy: Strategy,
    /// Which version became the item; `None` where both were kept.
    pub winner: Option<Winner>,
    /// The copy, where one was made.
    pub copy_id: Option<ItemId>,
}

/// A version as a client reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct VersionRecord {
    /// The item; absent where this version is its deletion, or where the answer would have grown too large.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub data: Option<ItemRecord<Content>>,
    /// When it was edited or deleted.
    pub updated_at: Timestamp,
    /// Of what the server held: its version. Of what a device sent: the version it was based on.
    pub sync_version: SyncVersion,
    /// The device that wrote it; empty where it came from settling a conflict.
    #[schema(value_type = String, max_length = 128)]
    pub device_id: DeviceId,
    /// Whether it is the item's deletion.
    pub deleted: bool,
}

impl VersionRecord {
    /// The record of `version` of the item `id`.
    pub fn new(id: &ItemId, version: &ItemVersion) -> Self {
        let record = |item: Item| ItemRecord::new(id.clone(), item, version.updated_at, version.sync_version);
        Self {
            data: version.item.clone().map(record),
            updated_at: version.updated_at,
            sync_version: version.sync_version,
            device_id: version.device.clone(),
            deleted: version.item.is_none(),
        }
    }
}

/// A conflict as a client reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Conflict)]
pub struct ConflictRecord {
    /// Its id.
    pub id: ConflictId,
    /// The item's kind.
    pub item_type: ItemType,
    /// The item's id.
    pub item_id: ItemId,
    /// What the uploading device sent.
    pub local_version: VersionRecord,
    /// What the server held.
    pub remote_version: VersionRecord,
    /// Changes whenever the conflict does. Only whether two revisions are equal means anything.
    pub revision: i64,
    /// When they met.
    pub detected_at: Timestamp,
    /// When it was settled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub resolved_at: Option<Timestamp>,
    /// How it was settled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub resolution: Option<Strategy>,
    /// Which version became the item; absent where both were kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub winner: Option<Winner>,
    /// The copy, where one was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub copy_id: Option<ItemId>,
}

impl From<&Conflict> for ConflictRecord {
    fn from(conflict: &Conflict) -> Self {
        let settled = conflict.resolution.as_ref();
        Self {
            id: conflict.id.clone(),
            item_type: conflict.key.item_type,
            item_id: conflict.key.id.clone(),
            local_version: VersionRecord::new(&conflict.key.id, &conflict.local),
            remote_version: VersionRecord::new(&conflict.key.id, &conflict.remote),
            revision: conflict.revision(),
            detected_at: conflict.detected_at,
            resolved_at: settled.map(|settled| settled.at),
            resolution: settled.map(|settled| settled.strategy),
            winner: settled.and_then(|settled| settled.winner),
            copy_id: settled.and_then(|settled| settled.copy_id.clone()),
        }
    }
}
