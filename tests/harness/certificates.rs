use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// An authority of a test's own, and what it says of `localhost`.
pub struct Certificates {
    folder: tempfile::TempDir,
}

impl Certificates {
    /// Makes an authority, and a certificate for `localhost`.
    ///
    /// # Panics
    /// When they cannot be made or written.
    pub fn make() -> Self {
        let folder = super::scratch();
        let authority_key = KeyPair::generate().expect("a key can be made");
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_certificate = authority.self_signed(&authority_key).expect("it can sign itself");
        let key = KeyPair::generate().expect("a key can be made");
        let own = CertificateParams::new(["localhost".to_owned()]).expect("a name");
        let certificate = own.signed_by(&key, &Issuer::new(authority, authority_key)).expect("it can be signed");
        let made = Self { folder };
        let write = |path: PathBuf, text: String| std::fs::write(path, text).expect("the folder can be written to");
        write(made.authority(), authority_certificate.pem());
        write(made.certificate(), certificate.pem());
        write(made.key(), key.serialize_pem());
        // Whoever runs a server is not always who runs the tests.
        let anybody = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(made.folder.path(), anybody).expect("the folder is ours");
        made
    }

    /// The authority's certificate.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    /// The certificate.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    /// Its key.
    pub fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    /// Encrypts what comes to a port, and passes it on to the port `target`; where it listens.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn encrypt(&self, target: u16) -> u16 {
        shared::root_certificates::install_crypto_provider();
        let chain = vec![CertificateDer::from_pem_file(self.certificate()).expect("it was written")];
        let key = PrivateKeyDer::from_pem_file(self.key()).expect("it was written");
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).expect("they fit");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it has an address").port();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass_on(acceptor.clone(), client, target));
            }
        });
        port
    }
}

async fn pass_on(acceptor: TlsAcceptor, client: TcpStream, target: u16) -> std::io::Result<()> {
    let mut client = acceptor.accept(client).await?;
    let mut server = TcpStream::connect(("127.0.0.1", target)).await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await.map(drop)
}
