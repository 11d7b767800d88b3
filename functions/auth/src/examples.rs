//! Values in the examples of the OpenAPI document: the user `ada` on a laptop.

use serde_json::{Value, json};

/// Access token of the examples; its signature is invalid.
const ACCESS_TOKEN: &str =
    "eyJhbGciOiJIUzI1NiIsImtpZCI6IjEifQ.eyJyb2xlIjoidXNlciJ9.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Refresh token or token of an emailed link.
pub(crate) const OPAQUE_TOKEN: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Password of the examples.
pub(crate) const PASSWORD: &str = "Sesame42";

/// Id of the session in the examples.
pub(crate) const SESSION_ID: &str = "6f1d1e0a-3f5b-4c57-9d1c-0a5d7d6b3c11";

/// The account of `ada`.
pub(crate) fn user() -> Value {
    json!({
        "id": "3d0ca315-aff9-4fc2-be61-3b76b9a2d798",
        "username": "ada",
        "email": "ada@example.com",
        "role": "user",
        "email_verified": false,
        "created_at": "2026-01-31T12:00:00.000000Z"
    })
}

/// Tokens of a session of `ada`.
pub(crate) fn authenticated() -> Value {
    json!({
        "user": user(),
        "token": ACCESS_TOKEN,
        "refresh_token": OPAQUE_TOKEN,
        "expires_at": "2026-02-01T12:00:00.000000Z"
    })
}
