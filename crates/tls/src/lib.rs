//! Whom a protected connection trusts: the certificate authorities that browsers trust, and the certificates that an
//! operator names.
//!
//! A certificate that is named is trusted as a pin, for the server that presents this very certificate; one that says that it
//! is an authority's (`CA:TRUE`) also as an authority, for the certificates that it has signed. The first is what makes the
//! certificate of `openssl req -x509` usable: it signs itself and says that it is an authority, and as such it may not be a
//! server's (RFC 5280 §4.2.1.9 leaves that open, the verifier beneath does not). A pin must still be valid now and for the name.

mod authority;

use std::fmt::{self, Write as _};
use std::str::FromStr;
use std::sync::Arc;

use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
    client,
};

/// Certificates that an operator names: at least one, each of which can be trusted.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificates(Vec<CertificateDer<'static>>);

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Certificates").field(&self.0.len()).finish()
    }
}

impl FromStr for Certificates {
    type Err = BadCertificates;

    /// From PEM; what else the text holds is passed over.
    fn from_str(pem: &str) -> Result<Self, BadCertificates> {
        let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
        let all = all.map_err(|e| BadCertificates::Pem(e.to_string()))?;
        if all.is_empty() {
            return Err(BadCertificates::Empty);
        }
        let mut roots = RootCertStore::empty();
        for certificate in &all {
            let added = roots.add(certificate.clone());
            added.map_err(|e| BadCertificates::Unusable(e.to_string()))?;
        }
        Ok(Self(all))
    }
}

/// Who is trusted.
#[derive(Debug, Clone, Copy)]
pub enum Whom<'a> {
    /// The public authorities.
    Public,
    /// The public authorities, and these certificates.
    PublicAnd(&'a Certificates),
    /// These certificates alone.
    Alone(&'a Certificates),
}

/// Whom the connections are to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Servers {
    /// One server, which the certificates are named for: a pin that holds no name at all is that server's.
    One,
    /// Any: a pin holds for its own names alone.
    Any,
}

/// Why certificates cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCertificates {
    /// Not PEM.
    #[error("cannot be read as PEM: {0}")]
    Pem(String),
    /// None.
    #[error("holds no certificate (-----BEGIN CERTIFICATE-----)")]
    Empty,
    /// A certificate that is none.
    #[error("holds a certificate that cannot be used: {0}")]
    Unusable(String),
}

/// A server that is not trusted.
#[derive(Debug, thiserror::Error)]
#[error(
    "its certificate (SHA-256 {fingerprint}) is signed by nobody who is trusted here; if it is right, name its file by {named_by}"
)]
struct Stranger {
    fingerprint: String,
    named_by: &'static str,
}

/// How connections are protected. `named_by` is the setting by which an operator names certificates, for errors.
///
/// # Panics
/// Never: what it is built from is fixed, or was checked.
pub fn config(whom: Whom<'_>, servers: Servers, named_by: &'static str) -> ClientConfig {
    let public = || webpki_roots::TLS_SERVER_ROOTS.to_vec();
    let (roots, pins) = match whom {
        Whom::Public => (public(), Vec::new()),
        Whom::PublicAnd(named) => (public(), named.0.clone()),
        Whom::Alone(named) => (Vec::new(), named.0.clone()),
    };
    let (mut roots, mut own) = (RootCertStore { roots }, RootCertStore::empty());
    for certificate in &pins {
        add(&mut own, certificate);
        if authority::is_authority(certificate) {
            add(&mut roots, certificate);
        }
    }
    let provider = Arc::new(ring::default_provider());
    let verifier = Verifier {
        chains: chains(roots, &provider),
        own: chains(own, &provider),
        algorithms: provider.signature_verification_algorithms,
        pins,
        servers,
        named_by,
    };
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring speaks the default versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth()
}

fn add(roots: &mut RootCertStore, certificate: &CertificateDer<'static>) {
    roots.add(certificate.clone()).expect("it was added once, when it was read");
}

/// What verifies chains that end in one of the roots; nothing where there are none.
fn chains(roots: RootCertStore, provider: &Arc<CryptoProvider>) -> Option<Arc<WebPkiServerVerifier>> {
    if roots.is_empty() {
        return None;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
    Some(verifier.expect("there are roots, and no lists of revoked certificates"))
}

/// The digest by which people compare a certificate, as `openssl x509 -fingerprint -sha256` prints it.
pub fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    let digest = ::ring::digest::digest(&::ring::digest::SHA256, certificate);
    let mut text = String::new();
    for byte in digest.as_ref() {
        if !text.is_empty() {
            text.push(':');
        }
        let _ = write!(text, "{byte:02X}");
    }
    text
}

/// Verifies chains as usual, and takes a certificate that was named as it is.
#[derive(Debug)]
struct Verifier {
    /// To authorities; `None` where nobody is trusted but the pins.
    chains: Option<Arc<WebPkiServerVerifier>>,
    /// To the pins themselves: asked about a pin alone, because it takes what a server's certificate has signed, too.
    own: Option<Arc<WebPkiServerVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
    pins: Vec<CertificateDer<'static>>,
    servers: Servers,
    named_by: &'static str,
}

impl Verifier {
    /// Whether a pin is for the name.
    fn fits(&self, certificate: &CertificateDer<'_>, name: &ServerName<'_>) -> Result<(), Error> {
        match client::verify_server_name(&ParsedCertificate::try_from(certificate)?, name) {
            Err(Error::InvalidCertificate(CertificateError::NotValidForNameContext {
                presented, ..
            })) if presented.is_empty() && self.servers == Servers::One => Ok(()),
            other => other,
        }
    }

    /// What is said of a certificate that nobody signed who is trusted.
    fn stranger(&self, certificate: &CertificateDer<'_>) -> Error {
        let (fingerprint, named_by) = (fingerprint(certificate), self.named_by);
        // Not as an invalid certificate: that kind of error would print the types of this one, not its text.
        Error::Other(OtherError(Arc::new(Stranger { fingerprint, named_by })))
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let pinned = self.pins.iter().any(|pin| pin == certificate);
        let trusted = if pinned { &self.own } else { &self.chains };
        let Some(trusted) = trusted else { return Err(self.stranger(certificate)) };
        let Err(why) = trusted.verify_server_cert(certificate, intermediates, name, ocsp, now) else {
            return Ok(ServerCertVerified::assertion());
        };
        match why {
            // Whether it is valid now is looked at first, so that of a pin nothing else is left open but its name.
            Error::InvalidCertificate(
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. }
                | CertificateError::BadEncoding,
            ) => Err(why),
            Error::InvalidCertificate(_) if pinned => {
                self.fits(certificate, name).map(|()| ServerCertVerified::assertion())
            }
            // An authority that presents itself is one that signed itself; and a signature that does not fit is that of
            // somebody else who has the name of one that is trusted.
            Error::InvalidCertificate(
                CertificateError::UnknownIssuer | CertificateError::BadSignature | CertificateError::Other(_),
            ) => Err(self.stranger(certificate)),
            other => Err(other),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, Issuer, KeyPair, date_time_ymd,
    };
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::pki_types::PrivateKeyDer;
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    use super::*;

    const BY: &str = "ca_file";

    /// A certificate that signs itself, and its key.
    struct Made {
        pem: String,
        chain: Vec<CertificateDer<'static>>,
        key: KeyPair,
    }

    fn params(names: &[&str], is_ca: IsCa) -> CertificateParams {
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("plain names");
        params.distinguished_name.push(DnType::CommonName, "localhost");
        params.is_ca = is_ca;
        params
    }

    fn made(params: &CertificateParams) -> Made {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        Made { pem: certificate.pem(), chain: vec![certificate.der().clone()], key }
    }

    /// As `openssl req -x509` makes it.
    fn authority(names: &[&str]) -> Made {
        made(&params(names, IsCa::Ca(BasicConstraints::Unconstrained)))
    }

    /// What a connection to a server with this certificate comes to, by this name.
    async fn connect(server: &Made, config: ClientConfig, name: &'static str) -> Result<(), String> {
        let key = PrivateKeyDer::try_from(server.key.serialize_der()).expect("a key");
        let accepts = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the default versions")
            .with_no_client_auth()
            .with_single_cert(server.chain.clone(), key)
            .expect("a key that fits");
        let (near, far) = tokio::io::duplex(64 * 1024);
        let accept = TlsAcceptor::from(Arc::new(accepts)).accept(far);
        let connect =
            TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(name).expect("a name"), near);
        let (connected, _) = tokio::join!(connect, accept);
        connected.map(drop).map_err(|e| e.to_string())
    }

    fn named(pem: &str) -> Certificates {
        pem.parse().expect("usable")
    }

    fn alone(pem: &str) -> ClientConfig {
        config(Whom::Alone(&named(pem)), Servers::One, BY)
    }

    #[tokio::test]
    async fn a_certificate_that_signs_itself_is_taken_once_it_is_named() {
        let ways = [IsCa::Ca(BasicConstraints::Unconstrained), IsCa::ExplicitNoCa, IsCa::NoCa];
        for server in ways.map(|is_ca| made(&params(&["localhost"], is_ca))) {
            let own = named(&server.pem);
            for servers in [Servers::One, Servers::Any] {
                for whom in [Whom::Alone(&own), Whom::PublicAnd(&own)] {
                    let named = config(whom, servers, BY);
                    assert_eq!(connect(&server, named, "localhost").await, Ok(()), "{servers:?}");
                }
            }
            let other = authority(&["localhost"]).pem;
            let both = format!("{other}{}", server.pem);
            assert_eq!(connect(&server, alone(&both), "localhost").await, Ok(()));
            let other = named(&other);
            for whom in [Whom::Public, Whom::PublicAnd(&other), Whom::Alone(&other)] {
                let strange = config(whom, Servers::One, BY);
                let why = connect(&server, strange, "localhost").await.expect_err("a stranger");
                assert!(why.contains("ca_file") && why.contains(&fingerprint(&server.chain[0])), "{why}");
            }
        }
    }

    #[tokio::test]
    async fn a_pin_holds_for_its_names_and_its_time() {
        let server = authority(&["mail.test", "127.0.0.1"]);
        assert_eq!(connect(&server, alone(&server.pem), "127.0.0.1").await, Ok(()));
        let why = connect(&server, alone(&server.pem), "other.test").await.expect_err("another name");
        assert!(why.contains("other.test"), "{why}");
        // Without any name it is that of the one server that it was named for.
        let nameless = authority(&[]);
        assert_eq!(connect(&nameless, alone(&nameless.pem), "mail.test").await, Ok(()));
        let any = config(Whom::PublicAnd(&named(&nameless.pem)), Servers::Any, BY);
        connect(&nameless, any, "mail.test").await.expect_err("it could be anybody's");
        for (from, to) in [((2001, 1, 1), (2002, 1, 1)), ((2199, 1, 1), (2200, 1, 1))] {
            let mut params = params(&["mail.test"], IsCa::Ca(BasicConstraints::Unconstrained));
            params.not_before = date_time_ymd(from.0, from.1, from.2);
            params.not_after = date_time_ymd(to.0, to.1, to.2);
            let server = made(&params);
            let why = connect(&server, alone(&server.pem), "mail.test").await.expect_err("not now");
            assert!(why.contains("expired") || why.contains("not valid yet"), "{why}");
        }
    }

    #[tokio::test]
    async fn what_a_named_authority_has_signed_is_taken_and_no_more() {
        let ours = params(&[], IsCa::Ca(BasicConstraints::Unconstrained));
        let ours =
            CertifiedIssuer::self_signed(ours, KeyPair::generate().expect("a key")).expect("an authority");
        let key = KeyPair::generate().expect("a key");
        let leaf = params(&["mail.test"], IsCa::NoCa).signed_by(&key, &ours).expect("signed");
        let server = Made { pem: leaf.pem(), chain: vec![leaf.der().clone()], key };
        assert_eq!(connect(&server, alone(&ours.pem()), "mail.test").await, Ok(()));
        connect(&server, alone(&ours.pem()), "other.test").await.expect_err("another name");
        // The leaf itself may be named, too, without its authority.
        assert_eq!(connect(&server, alone(&server.pem), "mail.test").await, Ok(()));
        let public = config(Whom::Public, Servers::Any, BY);
        connect(&server, public, "mail.test").await.expect_err("a stranger");
    }

    /// A server for `other.test` whose certificate the key of another certificate has signed; it shows both.
    fn signed_by(pin: &Made, is_ca: IsCa) -> Made {
        let params_of_pin = params(&["mail.test"], is_ca);
        let issuer = Issuer::from_params(&params_of_pin, &pin.key);
        let key = KeyPair::generate().expect("a key");
        let leaf = params(&["other.test"], IsCa::NoCa).signed_by(&key, &issuer).expect("signed");
        Made { pem: leaf.pem(), chain: vec![leaf.der().clone(), pin.chain[0].clone()], key }
    }

    #[tokio::test]
    async fn what_is_no_authority_signs_for_nobody() {
        let ways = [
            (IsCa::Ca(BasicConstraints::Unconstrained), true),
            (IsCa::ExplicitNoCa, false),
            (IsCa::NoCa, false),
        ];
        for (is_ca, signs) in ways {
            let pin = made(&params(&["mail.test"], is_ca));
            let forged = signed_by(&pin, is_ca);
            let own = named(&pin.pem);
            for servers in [Servers::One, Servers::Any] {
                for whom in [Whom::Alone(&own), Whom::PublicAnd(&own)] {
                    let told = format!("{is_ca:?} {servers:?} {whom:?}");
                    let said = connect(&pin, config(whom, servers, BY), "mail.test").await;
                    assert_eq!(said, Ok(()), "itself: {told}");
                    connect(&pin, config(whom, servers, BY), "other.test").await.expect_err(&told);
                    let said = connect(&forged, config(whom, servers, BY), "other.test").await;
                    assert_eq!(said.is_ok(), signs, "{told}: {said:?}");
                    if let Err(why) = said {
                        assert!(why.contains(BY) && why.contains(&fingerprint(&forged.chain[0])), "{why}");
                    }
                }
            }
        }
    }

    #[tokio::test]
    async fn a_pin_that_is_no_authority_has_its_time_too() {
        let mut params = params(&["mail.test"], IsCa::ExplicitNoCa);
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
        let server = made(&params);
        let why = connect(&server, alone(&server.pem), "mail.test").await.expect_err("it is over");
        assert!(why.contains("expired"), "{why}");
    }

    #[test]
    fn what_is_no_certificate_is_told() {
        let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        let junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let read = |pem: &str| pem.parse::<Certificates>();
        for pem in ["", "hello", key] {
            assert_eq!(read(pem), Err(BadCertificates::Empty), "{pem}");
        }
        assert!(matches!(read(junk), Err(BadCertificates::Unusable(_))), "{:?}", read(junk));
        let cut = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
        assert!(matches!(read(cut), Err(BadCertificates::Pem(_))), "{:?}", read(cut));
        assert_eq!(format!("{:?}", named(&authority(&["h.test"]).pem)), "Certificates(1)");
    }
}
