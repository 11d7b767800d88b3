//! How clients name their devices and themselves. Like everything that is stored, none of it may hold a credential.

use axum::extract::FromRequestParts;
use http::header;
use http::request::Parts;

use super::ApiError;
use crate::models::{DeviceId, FieldError, limits};
use crate::telemetry::SecurityEvent;

const VERSION_HEADER: &str = "x-client-version";

/// The device id of an upload or a download.
///
/// # Errors
/// What is wrong with it: too long, control characters, a credential.
pub fn device_id(text: &str) -> Result<DeviceId, FieldError> {
    refuse_credential("device_id", text)?;
    DeviceId::parse(text).map_err(|message| FieldError::new("device_id", message))
}

/// Checks what a login says its device is called, if it does.
///
/// # Errors
/// What is wrong with it: a NUL character, a credential.
pub fn check_device_name(name: Option<&str>) -> Result<(), FieldError> {
    let Some(name) = name else { return Ok(()) };
    if name.contains('\0') {
        return Err(FieldError::new("device", "must not hold a NUL character"));
    }
    refuse_credential("device", name)
}

/// What the client says it is: its own version header, or else what any HTTP client says.
#[derive(Debug, Clone)]
pub struct UserAgent(pub String);

impl<S: Send + Sync> FromRequestParts<S> for UserAgent {
    type Rejection = ApiError;

    /// A credential in the version header is refused. A `User-Agent` is often out of the client's hands: it is left out.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let header = |name: &str| {
            let text = parts.headers.get(name)?.to_str().ok()?;
            Some(text.chars().take(limits::DEVICE_CHARS).collect::<String>())
        };
        if let Some(version) = header(VERSION_HEADER) {
            refuse_credential(VERSION_HEADER, &version).map_err(|error| ApiError::invalid(vec![error]))?;
            return Ok(Self(version));
        }
        let agent =
            header(header::USER_AGENT.as_str()).filter(|agent| secret_scan::find(&agent.as_str().into()).is_none());
        Ok(Self(agent.unwrap_or_default()))
    }
}

fn refuse_credential(field: &str, text: &str) -> Result<(), FieldError> {
    let Some(found) = secret_scan::find(&text.into()) else { return Ok(()) };
    SecurityEvent::CredentialRefused.log();
    Err(FieldError::new(field, found.kind.to_string()))
}
