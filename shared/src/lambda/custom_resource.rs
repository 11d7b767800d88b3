//! CloudFormation custom resources: steps of a deployment that a function runs
//! (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-custom-resources.html>).
//!
//! CloudFormation invokes the function asynchronously, and waits for the response for the `ServiceTimeout` of the resource. The
//! response is a request to a presigned URL. By default, Lambda repeats an asynchronous invocation that fails, twice. So a
//! function fails only if CloudFormation has no response, and its step may be repeated.

use std::time::Duration;

use lambda_http::Error;
use lambda_http::lambda_runtime::Context;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::clock::SystemClock;
use crate::http_client;

/// Timeout of the response to CloudFormation.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum size of the response
/// (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html>).
const MAX_RESPONSE_BYTES: usize = 4_096;

/// Maximum length of a reason, in characters. CloudFormation shows it in its list of events.
const REASON_CHARS: usize = 500;

/// Time before the function's timeout at which its step is aborted, to respond to CloudFormation.
const MARGIN: Duration = Duration::from_secs(15);

/// Keys of which each request has both, and no other event of the functions has one.
const KEYS: [&str; 2] = ["RequestType", "ResponseURL"];

/// Returns the time until the step must end.
pub fn time_left(context: &Context) -> Duration {
    SystemClock.until_ms(context.deadline).saturating_sub(MARGIN)
}

/// A request of CloudFormation
/// (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requests.html>).
///
/// Only what a response needs is required: a request without it cannot be answered.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CustomResourceRequest {
    request_type: String,
    #[serde(rename = "ResponseURL")]
    response_url: String,
    stack_id: String,
    request_id: String,
    logical_resource_id: String,
    physical_resource_id: Option<String>,
    #[serde(default)]
    resource_properties: Value,
    #[serde(default)]
    old_resource_properties: Value,
}

/// Change of the resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A stack is created, or a deployment adds the resource.
    Create,
    /// A deployment changes a property of the resource, or the rollback of one restores it.
    Update,
    /// The stack is deleted, or a failed creation rolled back.
    Delete,
}

impl CustomResourceRequest {
    /// Parses `event`. Returns `None` if the event does not come from CloudFormation.
    ///
    /// # Errors
    /// Fails if the event comes from CloudFormation, but lacks what a response needs. The function must not run its step then.
    pub fn parse(event: &Value) -> Result<Option<Self>, Error> {
        if KEYS.iter().all(|key| event.get(key).is_none()) {
            return Ok(None);
        }
        let request = Self::deserialize(event);
        request.map(Some).map_err(|error| format!("unusable request of CloudFormation: {error}").into())
    }

    /// Returns the change.
    ///
    /// # Errors
    /// Fails if the change is unknown.
    pub fn change(&self) -> Result<Change, Error> {
        match self.request_type.as_str() {
            "Create" => Ok(Change::Create),
            "Update" => Ok(Change::Update),
            "Delete" => Ok(Change::Delete),
            other => Err(format!("unknown request type {other:?}").into()),
        }
    }

    /// Whether the property `Version` names a later version of a function than before, or one of another function. The property is
    /// the ARN of a version, which ends in a number that each release increments. In a rollback it names an earlier one.
    pub fn is_newer_version(&self) -> bool {
        match (version(&self.resource_properties), version(&self.old_resource_properties)) {
            (Some((function, number)), Some((old_function, old_number))) => {
                function != old_function || number > old_number
            }
            (new, _) => new.is_some(),
        }
    }

    /// Returns a hash of the property `name`, in 16 hexadecimal digits. It does not depend on the order of keys. A property that is
    /// missing counts as null.
    pub fn property_hash(&self, name: &str) -> String {
        let property = self.resource_properties.get(name).unwrap_or(&Value::Null);
        // Canonical JSON (RFC 8785). Only numbers that JSON cannot express have none.
        let canonical = serde_json_canonicalizer::to_vec(property).unwrap_or_default();
        hex::encode(&Sha256::digest(canonical)[..8])
    }

    /// Sends the outcome to CloudFormation: success with the `attributes` of the resource, or the reason of the failure. The
    /// resource keeps its physical id, since CloudFormation deletes the old resource when the id changes; `id` is that of a new
    /// one.
    ///
    /// # Errors
    /// Fails if the request fails. CloudFormation still waits then.
    pub async fn respond<T>(&self, id: &str, outcome: &Result<T, Error>, attributes: Value) -> Result<(), Error> {
        let body = match outcome {
            Ok(_) => self.response(id, "SUCCESS", attributes, ""),
            Err(error) => self.response(id, "FAILED", json!({}), &error.to_string()),
        };
        // No content type: the presigned URL is signed without one.
        let request = http_client::new()?.put(&self.response_url).body(body).timeout(TIMEOUT);
        let response = request.send().await.map_err(http_client::describe)?;
        response.error_for_status().map_err(http_client::describe)?;
        Ok(())
    }

    /// Returns the body of a response. Shortens the reason until the body fits.
    fn response(&self, id: &str, status: &str, attributes: Value, reason: &str) -> String {
        let mut body = json!({
            "Status": status,
            "PhysicalResourceId": self.physical_resource_id.as_deref().unwrap_or(id),
            "StackId": self.stack_id,
            "RequestId": self.request_id,
            "LogicalResourceId": self.logical_resource_id,
            "Data": attributes,
        });
        let mut reason: String = reason.chars().take(REASON_CHARS).collect();
        loop {
            body["Reason"] = reason.as_str().into();
            let text = body.to_string();
            if text.len() <= MAX_RESPONSE_BYTES || reason.pop().is_none() {
                return text;
            }
        }
    }
}

/// Returns the function and the number of the version that `properties` name.
fn version(properties: &Value) -> Option<(&str, u64)> {
    let (function, number) = properties["Version"].as_str()?.rsplit_once(':')?;
    Some((function, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(change: impl FnOnce(&mut Value)) -> CustomResourceRequest {
        let mut event = json!({ "RequestType": "Update", "ResponseURL": "https://example.com", "StackId": "stack",
            "RequestId": "request", "LogicalResourceId": "Migrations", "PhysicalResourceId": "migrations" });
        change(&mut event);
        CustomResourceRequest::parse(&event).expect("usable").expect("of CloudFormation")
    }

    #[test]
    fn the_hash_of_a_property_depends_on_its_value_alone() {
        let hash = |settings: Value| {
            request(|event| event["ResourceProperties"] = json!({ "Settings": settings })).property_hash("Settings")
        };
        // printf '["a","b"]' | sha256sum
        assert_eq!(hash(json!(["a", "b"])), "0473ef2dc0d324ab");
        assert_eq!(hash(json!({ "b": "2", "a": "1" })), hash(json!({ "a": "1", "b": "2" })));
        assert_ne!(hash(json!(["a", "b"])), hash(json!(["b", "a"])));
        // printf null | sha256sum
        assert_eq!(request(|_| {}).property_hash("Settings"), "74234e98afe7498f");
        assert_eq!(hash(Value::Null), "74234e98afe7498f");
    }

    #[test]
    fn only_a_higher_number_is_a_newer_version() {
        let is_newer = |new: Value, old: Value| {
            let properties = |version| json!({ "Version": version });
            let change = |event: &mut Value| {
                event["ResourceProperties"] = properties(new);
                event["OldResourceProperties"] = properties(old);
            };
            request(change).is_newer_version()
        };
        let arn = |number: u64| json!(format!("arn:aws:lambda:eu-central-1:1:function:f:{number}"));
        assert!(is_newer(arn(10), arn(9)));
        assert!(!is_newer(json!("f:9"), json!("f:9")));
        assert!(!is_newer(json!("f:9"), json!("f:10")));
        assert!(is_newer(json!("g:1"), json!("f:9")), "the function was created anew");
        assert!(is_newer(json!("f:1"), Value::Null), "the template before had no such property");
        assert!(!is_newer(Value::Null, Value::Null));
    }

    #[test]
    fn a_response_fits_whatever_the_reason_is() {
        let long = request(|event| event["PhysicalResourceId"] = "x".repeat(1_024).into());
        for character in ["a", "\u{1}", "\"", "🦀"] {
            let body = long.response("new", "FAILED", json!({}), &character.repeat(10_000));
            assert!(body.len() <= MAX_RESPONSE_BYTES, "{}", body.len());
            let body: Value = serde_json::from_str(&body).expect("JSON");
            assert!(body["Reason"].as_str().is_some_and(|reason| reason.chars().count() > 400), "{body}");
        }
    }

    #[test]
    fn a_request_without_an_address_is_an_error() {
        for event in [json!({ "RequestType": "Create" }), json!({ "ResponseURL": "https://example.com" })] {
            assert!(CustomResourceRequest::parse(&event).is_err(), "{event}");
        }
        for event in [json!({}), json!(null), json!([]), json!({ "command": "invalidate-cursors" })] {
            assert!(CustomResourceRequest::parse(&event).expect("another event").is_none(), "{event}");
        }
        assert!(request(|event| event["RequestType"] = "Import".into()).change().is_err());
    }
}
