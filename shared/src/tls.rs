//! The cryptography under every encrypted connection.

/// Makes `ring` the process's provider for rustls; connections are opened after this. Doing so again changes nothing.
pub fn provide() {
    // Refused where there is a provider already, which is as well.
    rustls::crypto::ring::default_provider().install_default().ok();
}
