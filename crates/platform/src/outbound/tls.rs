//! Which certificates of other servers are trusted.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::error::OutboundError;
use crate::config::OutboundSettings;

/// Sets the cryptography of TLS for HTTP clients created without their own settings. Creating one would panic without it, even
/// for plain HTTP. Only the first call has an effect.
pub fn install_cryptography() {
    // An error means that one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// The authorities whose certificates are trusted.
#[derive(Clone)]
pub struct Authorities {
    /// Mozilla's, and the operator's own.
    pub all: Arc<RootCertStore>,
    /// The operator's own.
    pub own: Arc<Vec<CertificateDer<'static>>>,
}

/// Returns the authorities whose certificates are trusted.
pub fn authorities(settings: &OutboundSettings) -> Result<Authorities, OutboundError> {
    let mut all = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let mut own = Vec::new();
    if let Some(path) = &settings.ca_file {
        let fault = |cause: String| OutboundError::Settings(format!("outbound.ca_file: {} {cause}", path.display()));
        let found = CertificateDer::pem_file_iter(path).map_err(|error| fault(format!("could not be read: {error}")))?;
        own = found.collect::<Result<_, _>>().map_err(|error| fault(format!("is not PEM: {error}")))?;
        if all.add_parsable_certificates(own.iter().cloned()).0 == 0 {
            return Err(fault("contains no certificate".to_owned()));
        }
    }
    Ok(Authorities { all: Arc::new(all), own: Arc::new(own) })
}

/// Returns the TLS settings of HTTP connections.
pub fn client_config(authorities: Arc<RootCertStore>) -> Result<ClientConfig, OutboundError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| OutboundError::Settings(error.to_string()))?;
    Ok(config.with_root_certificates(authorities).with_no_client_auth())
}
