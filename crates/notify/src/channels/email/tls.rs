//! Whom a protected connection to a mail server trusts.

use std::sync::Arc;

use posthaste_tls::{BadCertificates, Certificates, Servers, Whom};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::reply::Stream;

/// How connections to one server are encrypted.
pub(super) struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Tls {
    /// For the server named `host`; trusts the public certificate authorities and the certificates of `trust`, as PEM.
    ///
    /// # Errors
    /// What is wrong with `trust`, for people.
    pub(super) fn new(host: &str, trust: Option<&str>) -> Result<Self, String> {
        let own: Option<Certificates> =
            trust.map(str::parse).transpose().map_err(|e: BadCertificates| format!("ca_file {e}"))?;
        let whom = own.as_ref().map_or(Whom::Public, Whom::PublicAnd);
        let config = posthaste_tls::config(whom, Servers::One, "ca_file");
        let name = ServerName::try_from(host.to_owned()).map_err(|e| format!("the host {host}: {e}"))?;
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), name })
    }

    /// Encrypts a connection.
    pub(super) async fn protect(&self, tcp: TcpStream) -> std::io::Result<Stream> {
        let tls = self.connector.connect(self.name.clone(), tcp).await?;
        Ok(Stream::Tls(Box::new(tls)))
    }
}
