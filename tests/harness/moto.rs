use std::path::Path;

use serde_json::{Value, json};

use crate::servers::{Server, find_program, split_words};

/// Emulator of AWS Secrets Manager, moto (<https://docs.getmoto.org>).
pub struct Moto {
    server: Server,
    client: reqwest::Client,
}

impl Moto {
    /// Starts moto without secrets.
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
        let response =
            self.call_action("CreateSecret", &json!({ "Name": name, "SecretString": value.to_string() })).await;
        response["ARN"].as_str().expect("the secret was created").to_owned()
    }

    /// Sets the value of the secret `arn`.
    ///
    /// # Panics
    /// If the secret does not exist.
    pub async fn put(&self, arn: &str, value: &Value) {
        let response =
            self.call_action("PutSecretValue", &json!({ "SecretId": arn, "SecretString": value.to_string() })).await;
        assert_eq!(response["ARN"], arn);
    }

    async fn call_action(&self, action: &str, body: &Value) -> Value {
        let authorization = "AWS4-HMAC-SHA256 Credential=test/20260101/eu-central-1/secretsmanager/aws4_request";
        let request = self.client.post(format!("http://127.0.0.1:{}", self.port()));
        let request =
            request.header("x-amz-target", format!("secretsmanager.{action}")).header("authorization", authorization);
        let response = request.header("content-type", "application/x-amz-json-1.1").body(body.to_string()).send();
        let bytes = response.await.expect("moto responds").bytes().await.expect("a complete body");
        serde_json::from_slice(&bytes).expect("JSON")
    }
}
