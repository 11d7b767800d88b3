//! Verifies TLS servers against the system root store, loaded lazily, with `ring` as the crypto provider.
//!
//! Reading the root store takes several milliseconds of a cold start. [`preload`] reads it on another thread; only the
//! first TLS handshake waits for the result.

use std::sync::{Arc, LazyLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// The verifier over the system root store, or the reason why it cannot be built.
static VERIFIER: LazyLock<Result<Arc<WebPkiServerVerifier>, Error>> = LazyLock::new(|| {
    let loaded = rustls_native_certs::load_native_certs();
    for error in &loaded.errors {
        tracing::warn!(%error, "root certificate unreadable");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(loaded.certs);
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider).build();
    verifier.map_err(|error| Error::General(format!("no usable root certificates: {error}")))
});

/// Installs `ring` as the rustls crypto provider of the process. Call it before opening a TLS connection. Idempotent.
pub fn install_crypto_provider() {
    // Fails if a provider is installed already, which is fine.
    ring::default_provider().install_default().ok();
}

/// Starts to load the root store on a thread of its own.
pub fn preload() {
    // If no thread can be spawned, the first handshake loads the store.
    std::thread::Builder::new().spawn(|| _ = LazyLock::force(&VERIFIER)).ok();
}

/// Returns the TLS configuration of outgoing connections.
pub(crate) fn client_config() -> ClientConfig {
    install_crypto_provider();
    // `dangerous` allows any verifier. `SystemVerifier` delegates to the one that rustls uses by default.
    ClientConfig::builder().dangerous().with_custom_certificate_verifier(Arc::new(SystemVerifier)).with_no_client_auth()
}

/// Verifies by [`VERIFIER`]; blocks while that is still loading.
#[derive(Debug)]
struct SystemVerifier;

fn algorithms() -> WebPkiSupportedAlgorithms {
    ring::default_provider().signature_verification_algorithms
}

impl ServerCertVerifier for SystemVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verifier = VERIFIER.as_ref().map_err(Clone::clone)?;
        verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &algorithms())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        algorithms().supported_schemes()
    }
}
