//! A browser, a site and the service.

use axum::middleware::from_fn_with_state;
use serde_json::{Value, json};
use shared::auth::PasswordCost;
use shared::clock::{Clock, SystemClock};
use tests::{Backends, Service, TestUser, try_login};
use tokio::net::TcpListener;

use super::browser::{Browser, Tab};
use super::site::Site;
use super::traffic::{Traffic, observe};

/// Logging in is not what these tests are about.
const CHEAP: PasswordCost = PasswordCost { memory_kib: 8, passes: 1, lanes: 1 };

/// Browser, site and service of a test. The service has another origin than the site.
pub(crate) struct World {
    pub(crate) browser: Browser,
    pub(crate) site: Site,
    pub(crate) service: Service,
    /// Base URL of the service.
    pub(crate) url: String,
    pub(crate) traffic: Traffic,
}

impl World {
    pub(crate) async fn start() -> Self {
        let mut service = Service::on_backends(Backends::none(), &[("RATE_LIMITS", "off")]).await;
        service.app.password_cost = CHEAP;
        service.clock.set(SystemClock.now());
        let traffic = Traffic::default();
        let router = service.app.router().expect("there is a signing key");
        let router = local::with_edge(router).layer(from_fn_with_state(traffic.clone(), observe));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("a bound listener has an address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { browser: Browser::start().await, site: Site::start(&traffic).await, service, url, traffic }
    }

    /// Opens a tab. `query` is described in `test/browser/environment.ts`.
    pub(crate) async fn tab(&self, query: &str) -> Tab<'_> {
        self.browser.open(&self.site, query).await
    }

    /// Opens a tab with a client whose data is in the IndexedDB database `database`.
    pub(crate) async fn client(&self, database: &str, query: &str) -> Tab<'_> {
        let tab = self.tab(query).await;
        tab.call("open", self.settings(database)).await;
        tab
    }

    /// Settings of a client.
    pub(crate) fn settings(&self, database: &str) -> Value {
        json!({ "url": self.url, "database": database })
    }

    /// Logs in with an account that a page has created.
    pub(crate) async fn user(&self, name: &str) -> TestUser {
        let session = try_login(&self.service.api, name, tests::PASSWORD).await.expect(200);
        TestUser::from_tokens(&self.service.api, name, &session)
    }

    /// Returns the saved queries that the service has for `user`, as pages return them.
    pub(crate) async fn texts(&self, user: &TestUser) -> Value {
        let page = user.full_download().await;
        assert_eq!(page["has_more"], false, "one page holds everything");
        let mut queries = page["saved_queries"].as_array().expect("a list").clone();
        queries.sort_by_key(|query| query["id"].as_str().map(str::to_owned));
        let texts = queries
            .iter()
            .map(|query| json!({ "id": query["id"], "text": query["query"], "version": query["sync_version"] }));
        texts.collect()
    }
}
