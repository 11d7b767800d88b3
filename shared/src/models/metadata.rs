use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

use super::limits;

/// What the OpenAPI document says of a metadata map, all of whose texts are bounded.
pub(super) enum Metadata {}

impl utoipa::PartialSchema for Metadata {
    fn schema() -> RefOr<Schema> {
        let text = |most| ObjectBuilder::new().schema_type(Type::String).max_length(Some(most));
        ObjectBuilder::new()
            .description(Some("Whatever else a client keeps: texts by name."))
            .property_names(Some(text(limits::METADATA_KEY_CHARS).min_length(Some(1))))
            .additional_properties(Some(text(limits::METADATA_VALUE_CHARS)))
            .max_properties(Some(limits::METADATA_ENTRIES))
            .into()
    }
}

impl utoipa::ToSchema for Metadata {}
