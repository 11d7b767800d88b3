use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    ConflictId, Content, DeviceId, Item, ItemId, ItemKey, ItemRecord, ItemType, Stored, SyncVersion, SyncVersionSchema,
    Timestamp, json_bytes,
};

/// Rule for resolving conflicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The later edit becomes the item. The other edit can be restored.
    LastWriteWins,
    /// The stored item stays. The upload becomes a conflicted copy.
    KeepBoth,
    /// The stored item stays until the user resolves the conflict.
    UserChoice,
    /// The upload and the stored item are merged field by field. Where that is not possible, as `user_choice`.
    Merge,
    /// The change is applied only if the stored item is at the version that it names: a compare-and-swap, for clients that
    /// merge themselves. Otherwise nothing is recorded, and the response has the stored item.
    Refuse,
}

impl Strategy {
    /// Every strategy, the server's default first.
    pub const ALL: [Self; 5] = [Self::LastWriteWins, Self::KeepBoth, Self::UserChoice, Self::Merge, Self::Refuse];
    /// The strategies that resolve a conflict by a request of the user. The others are for uploads alone.
    pub const OF_RESOLUTIONS: [Self; 3] = [Self::LastWriteWins, Self::KeepBoth, Self::UserChoice];

    /// Name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LastWriteWins => "last_write_wins",
            Self::KeepBoth => "keep_both",
            Self::UserChoice => "user_choice",
            Self::Merge => "merge",
            Self::Refuse => "refuse",
        }
    }

    /// Returns the strategy with this name on the wire.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|strategy| strategy.name() == name)
    }
}

/// Means by which a conflict was resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Resolution)]
pub enum ResolvedBy {
    /// [`Strategy::LastWriteWins`].
    LastWriteWins,
    /// [`Strategy::KeepBoth`].
    KeepBoth,
    /// A choice of the user.
    UserChoice,
    /// A later edit of the same branch took the place of this one. Its conflict has another id.
    Renewed,
}

impl ResolvedBy {
    const ALL: [Self; 4] = [Self::LastWriteWins, Self::KeepBoth, Self::UserChoice, Self::Renewed];

    /// Name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LastWriteWins => "last_write_wins",
            Self::KeepBoth => "keep_both",
            Self::UserChoice => "user_choice",
            Self::Renewed => "renewed",
        }
    }

    /// Returns the resolution with this name on the wire.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|resolved_by| resolved_by.name() == name)
    }
}

/// The version that a resolved conflict left as the item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Winner {
    /// The version that the uploading device sent.
    Local,
    /// The version that the server held.
    Remote,
    /// A version that the user merged from both.
    Merged,
}

impl Winner {
    /// Name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Remote => "remote",
            Self::Merged => "merged",
        }
    }

    /// Returns the winner with this name on the wire.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Local, Self::Remote, Self::Merged].into_iter().find(|winner| winner.name() == name)
    }
}

/// One side of a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemVersion {
    /// The item; `None` if this version is a deletion.
    pub item: Option<Item>,
    /// Time of the edit or deletion.
    pub updated_at: Timestamp,
    /// For the remote side, its own version. For the local side, the version that it is based on.
    pub sync_version: SyncVersion,
    /// The device that wrote this version.
    pub device: DeviceId,
}

impl ItemVersion {
    /// Returns the stored version as one side of a conflict. `None` stands for an item of which not even the tombstone
    /// is left: a deletion at version 0.
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

/// A conflict: a change of an item met a stored version that the changing device had not seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Id, derived from the change that caused the conflict.
    pub id: ConflictId,
    /// The item.
    pub key: ItemKey,
    /// The version that the uploading device sent.
    pub local: ItemVersion,
    /// The version that the server held.
    pub remote: ItemVersion,
    /// Version of the item when this conflict was last written. The item has changed since if its version differs.
    pub item_version: SyncVersion,
    /// Server time at which the conflict was first recorded.
    pub detected_at: Timestamp,
    /// Resolution of the conflict; `None` while it is open.
    pub resolution: Option<Resolution>,
    /// Position in the user's change sequence: the server time of the last write of this conflict.
    pub seq: Timestamp,
}

/// Bytes of a conflict in a response besides its versions and its ids.
const RECORD_BYTES: usize = 1_024;

impl Conflict {
    /// Size, in bytes: at least that of the conflict in a response. Pages are divided by it, and the quota counts it.
    pub fn bytes(&self) -> usize {
        let side = |version: &ItemVersion| {
            let item = version.item.as_ref().map_or(0, |item| json_bytes(&*item.content) + json_bytes(&self.key.id));
            json_bytes(&version.device) + item
        };
        RECORD_BYTES + json_bytes(&self.key.id) + side(&self.local) + side(&self.remote)
    }

    /// Revision of the conflict. It changes with every write, because every write moves [`seq`](Self::seq).
    pub const fn revision(&self) -> i64 {
        self.seq.micros()
    }

    /// The version that the resolution made the item; `None` for an open conflict and where both were kept.
    pub fn winner(&self) -> Option<Winner> {
        self.resolution.as_ref()?.winner
    }

    /// The conflicted copy that the resolution made, if any.
    pub fn copy_id(&self) -> Option<&ItemId> {
        self.resolution.as_ref()?.copy_id.as_ref()
    }
}

/// Resolution of a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// Server time of the resolution.
    pub at: Timestamp,
    /// Means of resolution.
    pub by: ResolvedBy,
    /// The version that became the item; `None` if both were kept.
    pub winner: Option<Winner>,
    /// Id of the conflicted copy, if one was made.
    pub copy_id: Option<ItemId>,
}

/// One side of a conflict, as a client reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct VersionRecord {
    /// The item. Absent if this version is a deletion, or if the response would have grown too large.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub data: Option<ItemRecord<Content>>,
    /// Time of the edit or deletion.
    pub updated_at: Timestamp,
    /// For the remote version, its own version. For the local version, the version that it is based on.
    #[schema(value_type = SyncVersionSchema)]
    pub sync_version: SyncVersion,
    /// The device that wrote the version. Empty if the resolution of a conflict wrote it.
    #[schema(value_type = String, max_length = 128, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub device_id: DeviceId,
    /// Whether this version is a deletion.
    pub deleted: bool,
}

impl VersionRecord {
    /// Returns the record of `version` of the item `id`.
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

/// A conflict, as a client reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Conflict)]
pub struct ConflictRecord {
    /// Id of the conflict.
    pub id: ConflictId,
    /// Type of the item.
    pub item_type: ItemType,
    /// Id of the item.
    pub item_id: ItemId,
    /// The version that the uploading device sent.
    pub local_version: VersionRecord,
    /// The version that the server held.
    pub remote_version: VersionRecord,
    /// Changes whenever the conflict does. Compare revisions for equality only.
    #[schema(minimum = 0, maximum = 253402207200000000i64)]
    pub revision: i64,
    /// Server time at which the conflict was first recorded.
    pub detected_at: Timestamp,
    /// Server time of the resolution; absent while the conflict is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub resolved_at: Option<Timestamp>,
    /// Means of resolution; absent while the conflict is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub resolution: Option<ResolvedBy>,
    /// The version that became the item; absent if both were kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub winner: Option<Winner>,
    /// Id of the conflicted copy, if one was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub copy_id: Option<ItemId>,
}

impl From<&Conflict> for ConflictRecord {
    fn from(conflict: &Conflict) -> Self {
        let resolution = conflict.resolution.as_ref();
        Self {
            id: conflict.id.clone(),
            item_type: conflict.key.item_type,
            item_id: conflict.key.id.clone(),
            local_version: VersionRecord::new(&conflict.key.id, &conflict.local),
            remote_version: VersionRecord::new(&conflict.key.id, &conflict.remote),
            revision: conflict.revision(),
            detected_at: conflict.detected_at,
            resolved_at: resolution.map(|resolution| resolution.at),
            resolution: resolution.map(|resolution| resolution.by),
            winner: conflict.winner(),
            copy_id: conflict.copy_id().cloned(),
        }
    }
}
