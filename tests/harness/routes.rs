/// Whether a route asks for an access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Auth {
    /// It does not.
    None,
    /// It does.
    Bearer,
}
use Auth::{Bearer, None};

/// What clients rely on, so that a change of it is deliberate: the function, the method, the path, and who may ask.
pub const ROUTES: [(&str, &str, &str, Auth); 25] = [
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
    ("conflicts", "get", "/api/sync/conflicts", Bearer),
    ("conflicts", "post", "/api/sync/conflicts/{id}/resolve", Bearer),
    ("health", "get", "/health", None),
    ("health", "get", "/ready", None),
    ("health", "get", "/openapi.json", None),
];
