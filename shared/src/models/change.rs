use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ChangeId, Content, ItemKey, SyncVersion, Timestamp};

/// What a client did to an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Made it.
    Create,
    /// Changed it.
    Update,
    /// Deleted it.
    Delete,
}

/// One change of one item, as a device made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What recognises a repeat: the client's id, or one derived from the content.
    pub id: ChangeId,
    /// The item.
    pub key: ItemKey,
    /// What was done.
    pub edit: Edit,
    /// When it was done, by the device's clock.
    pub updated_at: Timestamp,
    /// The version of the item that the device last saw; 0 for none.
    pub base: SyncVersion,
}

/// What a change leaves behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// The item with this content.
    Put {
        /// The new content, whole.
        content: Arc<Content>,
        /// When the item was made, where the client says so.
        created_at: Option<Timestamp>,
        /// [`Action::Update`] rather than [`Action::Create`]: the device believes that the item exists.
        expects_item: bool,
    },
    /// No item.
    Delete,
}

/// What a change said of itself, for telling the client which one was rejected. Never its data: a refused credential
/// is not to be sent about once more.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChangeHead {
    /// Its place in the upload, from 0.
    pub index: usize,
    /// The change's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub id: Option<String>,
    /// The item's kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub item_type: Option<String>,
    /// The item's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub item_id: Option<String>,
    /// What was to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub action: Option<String>,
    /// When it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub updated_at: Option<String>,
    /// The version it was based on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub sync_version: Option<i64>,
}
