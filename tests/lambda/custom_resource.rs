use serde_json::Value;
use tests::Emulator;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::cloud::example_event;

/// Maximum size of a response
/// (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html>).
const MAX_RESPONSE_BYTES: usize = 4_096;

/// CloudFormation deployment that waits for the response of a custom resource.
pub(crate) struct CloudFormation {
    server: MockServer,
    example: &'static str,
}

impl CloudFormation {
    /// Starts a deployment whose requests are variants of the example event `example`.
    pub(crate) async fn start(example: &'static str) -> Self {
        let server = MockServer::start().await;
        Mock::given(method("PUT")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
        Self { server, example }
    }

    /// Invokes `function` with an event of `request_type` and returns the response that the deployment receives.
    pub(crate) async fn request(&self, function: &Emulator, request_type: &str) -> Value {
        self.request_with(function, request_type, |_| {}).await
    }

    /// Invokes `function` with a modified event.
    pub(crate) async fn request_with(
        &self,
        function: &Emulator,
        request_type: &str,
        change: impl FnOnce(&mut Value),
    ) -> Value {
        let event = self.event(request_type, change);
        let before = self.responses().await.len();
        let result = function.invoke(&event).await;
        assert!(result["errorMessage"].is_null(), "Lambda would repeat the event: {result}");
        let responses = self.responses().await;
        assert_eq!(responses.len(), before + 1, "the function sends one response: {}", function.log());
        let response = &responses[before];
        assert!(!response.headers.contains_key("content-type"));
        assert!(response.body.len() <= MAX_RESPONSE_BYTES, "{}", response.body.len());
        let response: Value = serde_json::from_slice(&response.body).expect("JSON");
        for key in ["RequestId", "LogicalResourceId", "StackId"] {
            assert_eq!(response[key], event[key], "{key}");
        }
        response
    }

    /// Returns an event of `request_type`.
    pub(crate) fn event(&self, request_type: &str, change: impl FnOnce(&mut Value)) -> Value {
        let mut event = example_event(self.example);
        event["RequestType"] = request_type.into();
        event["ResponseURL"] = format!("{}/response?signature=abc", self.server.uri()).into();
        change(&mut event);
        event
    }

    async fn responses(&self) -> Vec<wiremock::Request> {
        self.server.received_requests().await.expect("requests are recorded")
    }
}
