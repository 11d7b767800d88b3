use std::net::IpAddr;

use super::TemporaryAccount;

/// Asserts that an account lists its sessions, and that a session that is ended loses its access at once.
///
/// # Panics
/// If not.
pub(super) async fn sessions_end(account: &TemporaryAccount) {
    let user = &account.user;
    let other = account.log_in().await;
    let sessions = user.sessions().await;
    assert_eq!(sessions.len(), 2, "{sessions:?}");
    let (current, others): (Vec<_>, Vec<_>) = sessions.iter().partition(|session| session["current"] == true);
    assert_eq!((current.len(), others.len()), (1, 1), "{sessions:?}");
    assert!(others[0]["ip"].as_str().is_some_and(|ip| ip.parse::<IpAddr>().is_ok()), "{others:?}");
    let id = others[0]["id"].as_str().expect("a session has an id");
    user.delete(&format!("/api/auth/sessions/{id}")).await.expect(200);
    other.get("/api/auth/profile").await.expect_error(401, "UNAUTHORIZED");
    assert!(user.is_authenticated().await);
}
