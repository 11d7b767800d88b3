use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ChangeId, Content, ItemKey, SyncVersion, Timestamp};

/// The kind of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// The device created the item.
    Create,
    /// The device edited an item that it believes to exist.
    Update,
    /// The device deleted the item.
    Delete,
}

/// One change of one item, as a device made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Identifies repeats of the change: the client's id, or one derived from the content.
    pub id: ChangeId,
    /// The changed item.
    pub key: ItemKey,
    /// State of the item after the change.
    pub edit: Edit,
    /// Time of the change, by the device's clock.
    pub updated_at: Timestamp,
    /// Base version: the version of the item that the device last saw; 0 for none.
    pub base: SyncVersion,
}

/// State of an item after a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// The item exists, with this content.
    Put {
        /// The complete new content.
        content: Arc<Content>,
        /// Time of creation, if the client sent it.
        created_at: Option<Timestamp>,
        /// True for [`Action::Update`], false for [`Action::Create`].
        expects_item: bool,
    },
    /// The item is deleted.
    Delete,
}

/// Summary of a rejected change, to identify it. It omits the data, so that a response never repeats a credential.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChangeSummary {
    /// Index of the change in the upload, starting at 0.
    #[schema(value_type = i32, minimum = 0, maximum = 4999)]
    pub index: usize,
    /// Id of the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 128)]
    pub id: Option<String>,
    /// Type of the item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 128)]
    pub item_type: Option<String>,
    /// Id of the item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 128)]
    pub item_id: Option<String>,
    /// Kind of the change: `create`, `update` or `delete`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 128)]
    pub action: Option<String>,
    /// Time of the change, by the device's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 128)]
    pub updated_at: Option<String>,
    /// Version of the item that the change is based on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = -9223372036854775808i64, maximum = 9223372036854775807i64)]
    pub sync_version: Option<i64>,
}
