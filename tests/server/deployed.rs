//! The checks of a deployment, on the server with its default settings.

use tests::ServerProcess;
use tests::deployment::Deployment;

#[tokio::test]
async fn the_server_passes_the_checks_of_a_deployment() {
    let folder = tests::scratch_dir();
    let server = ServerProcess::start_with(folder.path(), &[]).await;
    Deployment::at(&server.base_url, None, Some("http://localhost:3000".to_owned())).check().await;
}
