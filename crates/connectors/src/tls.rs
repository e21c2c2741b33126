//! Encryption of a connection: which certificates are trusted, and the handshake.

use std::sync::Arc;

use recotem_platform::outbound::Outbound;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::certificates::authorities;
use super::error::ConnectorError;
use super::settings::{ServerSettings, Tls};

/// Returns the TLS settings of connections to a server; `None` if they are not encrypted. Certificates of its own replace the
/// public authorities.
pub fn client_config(settings: &ServerSettings, outbound: &Outbound) -> Result<Option<Arc<ClientConfig>>, ConnectorError> {
    if settings.tls == Tls::Off {
        return Ok(None);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| ConnectorError::TlsFailed(error.to_string()))?;
    let config = match (settings.tls, &settings.ca_certificate) {
        (Tls::Require, _) => builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyServer(provider))),
        (_, Some(text)) => builder.with_root_certificates(authorities(text)?),
        (_, None) => builder.with_root_certificates(outbound.authorities()),
    };
    Ok(Some(Arc::new(config.with_no_client_auth())))
}

/// Encrypts a connection to a host.
pub async fn encrypt(stream: TcpStream, host: &str, config: Arc<ClientConfig>) -> Result<TlsStream<TcpStream>, ConnectorError> {
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned());
    let name =
        name.map_err(|_| ConnectorError::WrongCertificate(format!("\"{host}\" is not a name that certificates can hold")))?;
    TlsConnector::from(config).connect(name, stream).await.map_err(|error| {
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
        match cause {
            Some(rustls::Error::InvalidCertificate(cause)) => ConnectorError::WrongCertificate(words_for(cause)),
            Some(cause) => ConnectorError::TlsFailed(cause.to_string()),
            None => ConnectorError::TlsFailed(format!("the server ended the connection ({})", error.kind())),
        }
    })
}

/// Returns what is wrong with a certificate.
pub fn words_for(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer => "no trusted authority has issued it".to_owned(),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another name".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "it is not valid yet".to_owned(),
        other => other.to_string(),
    }
}

/// Accepts every certificate, for servers whose settings ask for encryption only.
#[derive(Debug)]
struct AnyServer(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
