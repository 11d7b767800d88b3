//! Names of devices and clients. They are stored, so none may contain a credential.

use axum::extract::FromRequestParts;
use http::header;
use http::request::Parts;
use secret_scan::TooDense;

use super::ApiError;
use crate::models::{DeviceId, FieldError, limits};
use crate::telemetry::credentials_refused;

const VERSION_HEADER: &str = "x-client-version";

/// Parses the device id of an upload or a download.
///
/// # Errors
/// When it is too long, or contains a control character or a credential.
pub fn device_id(text: &str) -> Result<DeviceId, FieldError> {
    refuse_credential("device_id", text)?;
    DeviceId::parse(text).map_err(|message| FieldError::new("device_id", message))
}

/// Checks the device name of a login.
///
/// # Errors
/// When it contains a NUL character or a credential.
pub fn check_device_name(name: Option<&str>) -> Result<(), FieldError> {
    let Some(name) = name else { return Ok(()) };
    if name.contains('\0') {
        return Err(FieldError::new("device", "must not contain a NUL character"));
    }
    refuse_credential("device", name)
}

/// Extractor: the client's version, from `X-Client-Version`, otherwise from `User-Agent`.
#[derive(Debug, Clone)]
pub struct UserAgent(pub String);

impl<S: Send + Sync> FromRequestParts<S> for UserAgent {
    type Rejection = ApiError;

    /// Refuses a credential in the version header. Ignores a `User-Agent` with one: often the client does not control it.
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
            header(header::USER_AGENT.as_str()).filter(|agent| secret_scan::find(&agent.as_str().into()) == Ok(None));
        Ok(Self(agent.unwrap_or_default()))
    }
}

fn refuse_credential(field: &str, text: &str) -> Result<(), FieldError> {
    match secret_scan::find(&text.into()) {
        Ok(None) => Ok(()),
        Ok(Some(found)) => {
            credentials_refused([found.rule.id]);
            Err(FieldError::credential(field, &found))
        }
        Err(_) => Err(FieldError::new(field, TooDense::REASON)),
    }
}
