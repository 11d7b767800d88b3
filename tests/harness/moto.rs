use std::path::Path;

use serde_json::{Value, json};

use crate::servers::{Server, find_program, split_words};

/// Emulator of AWS Secrets Manager and of Systems Manager Parameter Store, moto (<https://docs.getmoto.org>).
pub struct Moto {
    server: Server,
    client: reqwest::Client,
}

impl Moto {
    /// Starts moto without secrets and parameters.
    ///
    /// # Panics
    /// If the program is missing or does not start.
    pub async fn start() -> Self {
        let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/python/bin");
        let moto = find_program("moto_server", &[tools]);
        let mut server = Server::start(|_, port| split_words(&format!("{moto} -H 127.0.0.1 -p {port}"))).await;
        server.wait_until_listening("moto").await;
        Self { server, client: shared::http_client::new().expect("an HTTP client can be created") }
    }

    /// Port.
    pub fn port(&self) -> u16 {
        self.server.port
    }

    /// Creates the secret `name`, and returns its ARN.
    ///
    /// # Panics
    /// If the secret exists.
    pub async fn create(&self, name: &str, value: &Value) -> String {
        let response = self
            .call_action("secretsmanager.CreateSecret", &json!({ "Name": name, "SecretString": value.to_string() }))
            .await;
        response["ARN"].as_str().expect("the secret was created").to_owned()
    }

    /// Sets the value of the secret `arn`.
    ///
    /// # Panics
    /// If the secret does not exist.
    pub async fn put(&self, arn: &str, value: &Value) {
        let response = self
            .call_action(
                "secretsmanager.PutSecretValue",
                &json!({ "SecretId": arn, "SecretString": value.to_string() }),
            )
            .await;
        assert_eq!(response["ARN"], arn);
    }

    /// Sets the parameter `name`.
    ///
    /// # Panics
    /// If moto refuses the name or the value.
    pub async fn put_parameter(&self, name: &str, value: &str) {
        let parameter = json!({ "Name": name, "Value": value, "Type": "String", "Overwrite": true });
        let response = self.call_action("AmazonSSM.PutParameter", &parameter).await;
        assert!(response["Version"].is_u64(), "{response}");
    }

    /// Calls `target`, the prefix of a service and an action.
    async fn call_action(&self, target: &str, body: &Value) -> Value {
        let service = if target.starts_with("AmazonSSM.") { "ssm" } else { "secretsmanager" };
        let authorization = format!("AWS4-HMAC-SHA256 Credential=test/20260101/eu-central-1/{service}/aws4_request");
        let request = self.client.post(format!("http://127.0.0.1:{}", self.port()));
        let request = request.header("x-amz-target", target).header("authorization", authorization);
        let response = request.header("content-type", "application/x-amz-json-1.1").body(body.to_string()).send();
        let bytes = response.await.expect("moto responds").bytes().await.expect("a complete body");
        serde_json::from_slice(&bytes).expect("JSON")
    }
}
