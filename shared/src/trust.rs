//! Which servers are believed: those whose certificates the system's trusted ones vouch for.
//!
//! Reading the system's takes several milliseconds, which a function that starts does not have. So they are read aside, and
//! only the first handshake waits for them.

use std::sync::{Arc, LazyLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// What verifies certificates, or why nothing can.
static VERIFIER: LazyLock<Result<Arc<WebPkiServerVerifier>, Error>> = LazyLock::new(|| {
    let read = rustls_native_certs::load_native_certs();
    for error in &read.errors {
        tracing::warn!(%error, "a trusted certificate cannot be read");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(read.certs);
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider).build();
    verifier.map_err(|error| Error::General(format!("no server can be trusted: {error}")))
});

/// Begins to read the certificates, on a thread of its own.
pub fn warm_up() {
    // Where there is no thread to be had, the first handshake reads them.
    std::thread::Builder::new().spawn(|| _ = LazyLock::force(&VERIFIER)).ok();
}

/// How encrypted connections are made.
pub(crate) fn client_config() -> ClientConfig {
    crate::tls::provide();
    // "Dangerous" is only what decides by other rules; this leaves deciding to what rustls itself would have taken.
    ClientConfig::builder().dangerous().with_custom_certificate_verifier(Arc::new(System)).with_no_client_auth()
}

/// The verifier that may still be reading.
#[derive(Debug)]
struct System;

fn algorithms() -> WebPkiSupportedAlgorithms {
    ring::default_provider().signature_verification_algorithms
}

impl ServerCertVerifier for System {
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
