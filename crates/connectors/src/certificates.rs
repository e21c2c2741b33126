//! Certificates that settings hold.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::error::ConnectorError;

/// Returns the authorities in a text of certificates (PEM).
pub fn authorities(text: &str) -> Result<RootCertStore, ConnectorError> {
    let invalid = || ConnectorError::InvalidSettings("ca_certificate contains no certificate in PEM form".to_owned());
    let found: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(text.as_bytes()).collect::<Result<_, _>>().map_err(|_| invalid())?;
    let mut roots = RootCertStore::empty();
    match roots.add_parsable_certificates(found) {
        (1.., 0) => Ok(roots),
        _ => Err(invalid()),
    }
}
