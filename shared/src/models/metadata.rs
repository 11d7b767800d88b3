use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

use super::limits;

/// Pattern of a string without a NUL character.
const NO_NUL: &str = r"^[^\x00]*$";

/// OpenAPI schema of a metadata map: strings by key, all of bounded length.
pub(super) enum Metadata {}

impl utoipa::PartialSchema for Metadata {
    fn schema() -> RefOr<Schema> {
        let text = |max_chars| {
            ObjectBuilder::new().schema_type(Type::String).max_length(Some(max_chars)).pattern(Some(NO_NUL))
        };
        ObjectBuilder::new()
            .description(Some("Further properties that clients store: strings by name."))
            .property_names(Some(text(limits::METADATA_KEY_CHARS).min_length(Some(1))))
            .additional_properties(Some(text(limits::METADATA_VALUE_CHARS)))
            .max_properties(Some(limits::METADATA_ENTRIES))
            .into()
    }
}

impl utoipa::ToSchema for Metadata {}
