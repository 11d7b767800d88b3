//! Error responses that several operations share, for the OpenAPI document.

use shared::http::ErrorBody;
use utoipa::IntoResponses;

use crate::change_password::changed_meanwhile;
use crate::verify_email::spent_link;

/// Response to a link in an email that cannot be used any more.
#[derive(IntoResponses)]
#[response(
    status = 410,
    description = "The link is no longer valid. `details` of `token` say why: `has expired`, or `was used or replaced`.",
    example = json!(spent_link(true).example())
)]
pub(crate) struct SpentLink(#[expect(dead_code, reason = "for the OpenAPI document alone")] ErrorBody);

/// Response to a request that confirms itself with a password which another request replaced.
#[derive(IntoResponses)]
#[response(
    status = 409,
    description = "Another request changed the password at the same time.",
    example = json!(changed_meanwhile().example())
)]
pub(crate) struct ChangedMeanwhile(#[expect(dead_code, reason = "for the OpenAPI document alone")] ErrorBody);
