/// Authentication that a route requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Auth {
    /// None.
    None,
    /// Access token.
    Bearer,
}
use Auth::{Bearer, None};

/// All routes: function, method, path and authentication. Clients rely on them, so changes must be deliberate.
pub const ROUTES: [(&str, &str, &str, Auth); 28] = [
    ("auth", "post", "/api/auth/signup", None),
    ("auth", "post", "/api/auth/login", None),
    ("auth", "post", "/api/auth/refresh", None),
    ("auth", "post", "/api/auth/verify-email", None),
    ("auth", "post", "/api/auth/request-password-reset", None),
    ("auth", "post", "/api/auth/reset-password", None),
    ("auth", "post", "/api/auth/logout", Bearer),
    ("auth", "post", "/api/auth/resend-verification", Bearer),
    ("auth", "post", "/api/auth/change-password", Bearer),
    ("auth", "get", "/api/auth/profile", Bearer),
    ("auth", "delete", "/api/auth/profile", Bearer),
    ("auth", "get", "/api/auth/sessions", Bearer),
    ("auth", "delete", "/api/auth/sessions", Bearer),
    ("auth", "delete", "/api/auth/sessions/{id}", Bearer),
    ("auth", "get", "/verify-email", None),
    ("auth", "get", "/reset-password", None),
    ("upload", "post", "/api/sync/upload", Bearer),
    ("download", "get", "/api/sync/download", Bearer),
    ("download", "get", "/api/sync/status", Bearer),
    ("download", "get", "/api/sync/limits", None),
    ("download", "get", "/api/sync/versions", Bearer),
    ("conflicts", "get", "/api/sync/conflicts", Bearer),
    ("conflicts", "post", "/api/sync/conflicts/{id}/resolve", Bearer),
    ("conflicts", "post", "/api/sync/restore", Bearer),
    ("health", "get", "/health", None),
    ("health", "get", "/ready", None),
    ("health", "get", "/openapi.json", None),
    ("health", "get", "/docs", None),
];
