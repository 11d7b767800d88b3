use std::path::Path;

use serde_json::{Value, json};

use crate::servers::{Server, program, words};

/// AWS Secrets Manager, as moto (<https://docs.getmoto.org>) stands in for it.
pub struct Moto {
    server: Server,
    client: reqwest::Client,
}

impl Moto {
    /// Starts one without secrets.
    ///
    /// # Panics
    /// When the program is missing or does not come up.
    pub async fn start() -> Self {
        let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/python/bin");
        let moto = program("moto_server", &[tools]);
        let mut server = Server::start(|_, port| words(&format!("{moto} -H 127.0.0.1 -p {port}"))).await;
        server.until_it_listens("moto").await;
        Self { server, client: shared::http_client::new().expect("there can be a client") }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.server.port
    }

    /// Makes the secret `name`, and returns its ARN.
    ///
    /// # Panics
    /// When it is there already.
    pub async fn create(&self, name: &str, value: &Value) -> String {
        let answer = self.ask("CreateSecret", &json!({ "Name": name, "SecretString": value.to_string() })).await;
        answer["ARN"].as_str().expect("it is made").to_owned()
    }

    /// Gives the secret `arn` another value.
    ///
    /// # Panics
    /// When there is no such secret.
    pub async fn put(&self, arn: &str, value: &Value) {
        let answer = self.ask("PutSecretValue", &json!({ "SecretId": arn, "SecretString": value.to_string() })).await;
        assert_eq!(answer["ARN"], arn);
    }

    async fn ask(&self, action: &str, body: &Value) -> Value {
        let signed_for = "AWS4-HMAC-SHA256 Credential=test/20260101/eu-central-1/secretsmanager/aws4_request";
        let request = self.client.post(format!("http://127.0.0.1:{}", self.port()));
        let request =
            request.header("x-amz-target", format!("secretsmanager.{action}")).header("authorization", signed_for);
        let answer = request.header("content-type", "application/x-amz-json-1.1").body(body.to_string()).send();
        let bytes = answer.await.expect("moto answers").bytes().await.expect("whole");
        serde_json::from_slice(&bytes).expect("JSON")
    }
}
