use std::sync::Arc;

use serde_json::Value;
use tests::{Api, Backends, Emulator, Gateway, Moto, wait_for_email};

const SIGNING_KEY: &str = "a signing key for tests, 32 bytes";

/// Parameter with the public URL of a stack without a domain, and its value.
pub(crate) const PARAMETER: &str = "/sql-studio-sync/studio/public-url";
pub(crate) const PARAMETER_URL: &str = "https://abc.execute-api.eu-central-1.amazonaws.com/dev";

/// Release of all functions.
pub(crate) const RELEASE: &str = "1a2b3c4.0123456789abcdef";

/// Emulated AWS environment: the functions behind API Gateway, the stores, and the secret with their URLs.
pub(crate) struct Cloud {
    pub(crate) api: Api,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) backends: Backends,
    environment: Vec<(&'static str, String)>,
    _moto: Moto,
    folder: tempfile::TempDir,
}

impl Cloud {
    /// Starts all functions behind API Gateway.
    pub(crate) async fn start() -> Self {
        Self::start_where(async |gateway, _| gateway).await
    }

    /// Starts the environment with a modified gateway. `change` receives the environment variables of all functions.
    pub(crate) async fn start_where(change: impl AsyncFnOnce(Gateway, &[(&str, &str)]) -> Gateway) -> Self {
        Self::with(&[], change).await
    }

    /// Starts the environment with additional entries in the secret and a modified gateway.
    pub(crate) async fn with(
        entries: &[(&str, String)],
        change: impl AsyncFnOnce(Gateway, &[(&str, &str)]) -> Gateway,
    ) -> Self {
        let folder = tests::scratch_dir();
        let (backends, moto) = (Backends::start_servers().await, Moto::start().await);
        let mut secret: serde_json::Map<String, Value> =
            backends.settings.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into())).collect();
        secret.insert("JWT_SECRET".to_owned(), SIGNING_KEY.into());
        secret.extend(entries.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into())));
        moto.put_parameter(PARAMETER, PARAMETER_URL).await;
        let environment = vec![
            ("RELEASE", RELEASE.to_owned()),
            ("SECRETS_ARN", moto.create("studio", &secret.into()).await),
            ("PUBLIC_URL", "https://sync.studio.example".to_owned()),
            ("DATA_DIR", folder.path().display().to_string()),
            ("RATE_LIMITS", "off".to_owned()),
            ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", moto.port())),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ];
        let variables = borrowed(&environment);
        let gateway = Arc::new(change(Gateway::start(&variables).await, &variables).await);
        Self { api: Api::Lambda(gateway.clone()), gateway, backends, environment, _moto: moto, folder }
    }

    /// Starts a function that a schedule invokes.
    pub(crate) async fn scheduled(&self, name: &str) -> Emulator {
        self.scheduled_with(name, &[]).await
    }

    /// Starts a function that a schedule invokes, with these changes of its environment.
    pub(crate) async fn scheduled_with(&self, name: &str, changes: &[(&str, &str)]) -> Emulator {
        Emulator::start(name, &[&borrowed(&self.environment), changes].concat()).await
    }

    /// Returns the confidential values of the secret.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = String> {
        let urls = self.backends.settings.iter().map(|(_, url)| url.clone());
        urls.chain([SIGNING_KEY.to_owned()])
    }

    /// Returns the text part of the newest email of the kind `kind`.
    pub(crate) async fn mail(&self, kind: &str) -> String {
        std::fs::read_to_string(wait_for_email(self.folder.path(), kind).await).expect("the mail is whole")
    }
}

fn borrowed<'a>(environment: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    environment.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

/// Reads the example event `name`.
pub(crate) fn example_event(name: &str) -> Value {
    let file = format!("{}/events/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(file).expect("the event exists")).expect("the event is JSON")
}
