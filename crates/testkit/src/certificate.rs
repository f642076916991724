//! A certificate that signs itself and says that it is an authority, as `openssl req -x509` makes it; and TLS with it.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// The certificate and its key.
pub struct SelfSigned {
    /// The certificate, as PEM.
    pub pem: String,
    /// The key, as PEM.
    pub key_pem: String,
    acceptor: TlsAcceptor,
}

impl SelfSigned {
    /// For these names and addresses.
    ///
    /// # Panics
    /// When a name is none.
    pub fn new(names: &[&str]) -> Self {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("valid names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("the system has random numbers");
        let made = params.self_signed(&key).expect("what it is made of is fixed");
        let der = PrivateKeyDer::try_from(key.serialize_der()).expect("a key is written as it is read");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring speaks the default versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.der().clone()], der)
            .expect("the key is the certificate's");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self { pem: made.pem(), key_pem: key.serialize_pem(), acceptor }
    }

    /// What speaks TLS with it.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.clone()
    }

    /// Serves TLS on a port of its own in front of a server that does not.
    ///
    /// # Panics
    /// When there is no free port on loopback.
    pub async fn in_front_of(&self, server: SocketAddr) -> TlsFront {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port on loopback");
        let addr = listener.local_addr().expect("a bound socket has an address");
        let acceptor = self.acceptor.clone();
        let accept_handle = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(pass(acceptor.clone(), near, server));
            }
        });
        TlsFront { addr, accept_handle }
    }
}

/// A connection that fails is the client's matter.
async fn pass(acceptor: TlsAcceptor, near: TcpStream, server: SocketAddr) {
    let Ok(mut near) = acceptor.accept(near).await else { return };
    if let Ok(mut far) = TcpStream::connect(server).await {
        let _ended = tokio::io::copy_bidirectional(&mut near, &mut far).await;
    }
}

/// TLS in front of a server; dropping it closes the port.
pub struct TlsFront {
    addr: SocketAddr,
    accept_handle: JoinHandle<()>,
}

impl TlsFront {
    /// Where it is.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.accept_handle.abort();
    }
}
