use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use shared::http_client;

/// How long telling a deployment may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Most characters of a reason: an answer may have 4,096 bytes in all.
const REASON_CHARS: usize = 500;

/// What CloudFormation asks of a custom resource
/// (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requests.html>).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Deployment {
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

/// What the template says of the resource.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Properties {
    /// The ARN of this function's version, which ends in a number that rises.
    version: Option<String>,
}

impl Properties {
    fn number(&self) -> Option<u64> {
        self.version.as_ref()?.rsplit(':').next()?.parse().ok()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum RequestType {
    Create,
    Update,
    Delete,
}

impl Deployment {
    /// The deployment that `event` is part of, if it is part of any.
    pub(crate) fn of(event: &Value) -> Option<Self> {
        Self::deserialize(event).ok()
    }

    /// Whether there is nothing to bring up to date: the stack is being deleted, or a deployment rolled back, which would get
    /// stuck if its databases were what failed.
    pub(crate) fn goes_back(&self) -> bool {
        let (now, before) = (self.resource_properties.number(), self.old_resource_properties.number());
        self.request_type == RequestType::Delete || now.zip(before).is_some_and(|(now, before)| now < before)
    }

    /// Tells it how things went. Until then it waits.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub(crate) async fn tell(&self, outcome: &Result<Vec<String>, String>) -> Result<(), String> {
        let (status, reason) = match outcome {
            Ok(_) => ("SUCCESS", String::new()),
            Err(error) => ("FAILED", error.chars().take(REASON_CHARS).collect()),
        };
        let answer = json!({
            "Status": status,
            "Reason": reason,
            // The same for ever: another one would have the old resource deleted.
            "PhysicalResourceId": "migrations",
            "StackId": self.stack_id,
            "RequestId": self.request_id,
            "LogicalResourceId": self.logical_resource_id,
        });
        // Without a content type: the signature of the URL is for none.
        let request = http_client::new()?.put(&self.response_url).body(answer.to_string()).timeout(TIMEOUT);
        let answer = request.send().await.map_err(http_client::describe)?;
        answer.error_for_status().map(drop).map_err(http_client::describe)
    }
}
