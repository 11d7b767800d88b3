use std::sync::Arc;

use tests::{Api, Backends, Emulator, Gateway, written_mail};

/// The functions that answer requests, and the stores that all functions share.
pub(crate) struct Cloud {
    pub(crate) api: Api,
    pub(crate) gateway: Arc<Gateway>,
    environment: Vec<(&'static str, String)>,
    _backends: Backends,
    folder: tempfile::TempDir,
}

impl Cloud {
    pub(crate) async fn start() -> Self {
        let folder = tests::scratch();
        let backends = Backends::servers().await;
        let mut environment = backends.settings.clone();
        environment.extend([
            ("JWT_SECRET", "a signing key for tests, 32 bytes".to_owned()),
            ("PUBLIC_URL", "https://sync.studio.example".to_owned()),
            ("DATA_DIR", folder.path().display().to_string()),
            ("RATE_LIMITS", "off".to_owned()),
        ]);
        let gateway = Arc::new(Gateway::start(&borrowed(&environment)).await);
        Self { api: Api::Lambda(gateway.clone()), gateway, environment, _backends: backends, folder }
    }

    /// A function that a schedule starts.
    pub(crate) async fn scheduled(&self, name: &str) -> Emulator {
        Emulator::start(name, &borrowed(&self.environment)).await
    }

    /// The text part of the newest mail of the kind `kind`.
    pub(crate) async fn mail(&self, kind: &str) -> String {
        std::fs::read_to_string(written_mail(self.folder.path(), kind).await).expect("the mail is whole")
    }
}

fn borrowed<'a>(environment: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    environment.iter().map(|(name, value)| (*name, value.as_str())).collect()
}
