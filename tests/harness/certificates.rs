use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Test certificate authority with a certificate for `localhost`.
pub struct Certificates {
    folder: tempfile::TempDir,
}

impl Certificates {
    /// Generates an authority and a certificate for `localhost`.
    ///
    /// # Panics
    /// If the files cannot be written.
    pub fn generate() -> Self {
        let folder = super::scratch_dir();
        let authority_key = KeyPair::generate().expect("a key can be generated");
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // OpenSSL takes a certificate whose issuer and subject are equal for self-signed.
        authority.distinguished_name.push(DnType::CommonName, "test authority");
        let authority_certificate = authority.self_signed(&authority_key).expect("the authority can be self-signed");
        let key = KeyPair::generate().expect("a key can be generated");
        let params = CertificateParams::new(["localhost".to_owned()]).expect("a valid name");
        let certificate =
            params.signed_by(&key, &Issuer::new(authority, authority_key)).expect("the certificate can be signed");
        let generated = Self { folder };
        let write = |path: PathBuf, text: String| std::fs::write(path, text).expect("the folder can be written to");
        write(generated.authority(), authority_certificate.pem());
        write(generated.certificate(), certificate.pem());
        write(generated.key(), key.serialize_pem());
        // Servers may run under another user than the tests.
        let world_readable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(generated.folder.path(), world_readable).expect("the folder is ours");
        generated
    }

    /// Path of the authority's certificate.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    /// Path of the certificate for `localhost`.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    /// Path of the certificate's private key.
    pub fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    /// Starts a TLS server that forwards decrypted traffic to the port `target`, and returns its port.
    ///
    /// # Panics
    /// If no port is free.
    pub async fn start_tls_proxy(&self, target: u16) -> u16 {
        shared::root_certificates::install_crypto_provider();
        let chain = vec![CertificateDer::from_pem_file(self.certificate()).expect("it was written")];
        let key = PrivateKeyDer::from_pem_file(self.key()).expect("the file was written");
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("the key matches the certificate");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("the listener has an address").port();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(acceptor.clone(), client, target));
            }
        });
        port
    }
}

async fn forward(acceptor: TlsAcceptor, client: TcpStream, target: u16) -> std::io::Result<()> {
    let mut client = acceptor.accept(client).await?;
    let mut server = TcpStream::connect(("127.0.0.1", target)).await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await.map(drop)
}
