//! The CloudFormation custom resource through which a deployment runs the migrations.

use std::time::Duration;

use lambda_runtime::Error;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::http_client;

/// Timeout of the response to CloudFormation.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum length of a reason, in characters. The whole response has at most 4,096 bytes.
const REASON_CHARS: usize = 500;

/// A request from CloudFormation
/// (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requests.html>).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CustomResourceRequest {
    request_type: RequestType,
    #[serde(rename = "ResponseURL")]
    response_url: String,
    stack_id: String,
    request_id: String,
    logical_resource_id: String,
    resource_properties: Properties,
    #[serde(default)]
    old_resource_properties: Properties,
}

/// Properties of the resource in the template.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Properties {
    /// ARN of the version of this function. It ends in a number that each release increments.
    version: Option<String>,
}

impl Properties {
    fn version_number(&self) -> Option<u64> {
        self.version.as_ref()?.rsplit(':').next()?.parse().ok()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum RequestType {
    Create,
    Update,
    Delete,
}

impl CustomResourceRequest {
    /// Parses `event`. Returns `None` if the event does not come from CloudFormation.
    pub(crate) fn parse(event: &Value) -> Option<Self> {
        Self::deserialize(event).ok()
    }

    /// Whether the stack is being deleted, or a deployment rolled back. Neither needs migrations, and a rollback would get
    /// stuck if the databases were the reason for it.
    pub(crate) fn is_delete_or_rollback(&self) -> bool {
        let (new, old) = (self.resource_properties.version_number(), self.old_resource_properties.version_number());
        self.request_type == RequestType::Delete || new.zip(old).is_some_and(|(new, old)| new < old)
    }

    /// Sends the outcome to CloudFormation, which waits for it.
    ///
    /// # Errors
    /// Fails if the request fails.
    pub(crate) async fn respond(&self, outcome: &Result<Vec<String>, Error>) -> Result<(), Error> {
        let (status, reason) = match outcome {
            Ok(_) => ("SUCCESS", String::new()),
            Err(error) => ("FAILED", error.to_string().chars().take(REASON_CHARS).collect()),
        };
        let body = json!({
            "Status": status,
            "Reason": reason,
            // Constant: CloudFormation deletes the old resource when the id changes.
            "PhysicalResourceId": "migrations",
            "StackId": self.stack_id,
            "RequestId": self.request_id,
            "LogicalResourceId": self.logical_resource_id,
        });
        // No content type: the presigned URL is signed without one.
        let request = http_client::new()?.put(&self.response_url).body(body.to_string()).timeout(TIMEOUT);
        let response = request.send().await.map_err(http_client::describe)?;
        response.error_for_status().map_err(http_client::describe)?;
        Ok(())
    }
}
