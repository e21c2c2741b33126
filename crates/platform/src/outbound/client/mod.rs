//! HTTP requests to other servers, with limits of time and size.

mod streaming;

pub use streaming::{Patience, Streamed, StreamedBody};

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, Request, StatusCode, redirect};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use secrecy::ExposeSecret;
use url::Url;

use super::error::OutboundError;
use super::policy::{Policy, Refusal};
use super::resolver::{JudgingResolver, Lookup, system};
use super::tls::{self, Authorities};
use crate::config::{OutboundSettings, Settings};

/// Time limit for connecting, for every request.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The port of a database whose URL names none.
const POSTGRESQL: u16 = 5_432;

/// The name of this program for other servers.
const USER_AGENT: &str = concat!("Recotem/", env!("CARGO_PKG_VERSION"));

/// Limits of one request.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Time limit from the first byte sent to the last one received.
    pub total: Duration,
    /// The largest number of bytes read of an answer's body; the rest is discarded.
    pub body: usize,
}

/// An answer of another server.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// The body, or its beginning if `is_cut`.
    pub body: Vec<u8>,
    pub is_cut: bool,
}

/// Sends requests to other servers, as far as the policy allows. Cloning is cheap.
#[derive(Clone)]
pub struct Outbound {
    pub(super) policy: Arc<Policy>,
    pub(super) lookup: Lookup,
    authorities: Authorities,
    client: Client,
    /// For ports that this server or its database listens on: refuses their addresses even in allowed networks.
    client_of_own_ports: Client,
}

impl Outbound {
    /// Creates the client of an installation, which reaches neither the server itself nor its database. Their names are resolved
    /// once.
    pub fn of(settings: &Settings) -> Result<Self, OutboundError> {
        Self::new(&settings.outbound, Policy::new(&settings.outbound, own_addresses(settings)))
    }

    /// Creates a client with another policy.
    pub fn new(settings: &OutboundSettings, policy: Policy) -> Result<Self, OutboundError> {
        Self::with_lookup(settings, policy, system())
    }

    pub(super) fn with_lookup(settings: &OutboundSettings, policy: Policy, lookup: Lookup) -> Result<Self, OutboundError> {
        let policy = Arc::new(policy);
        let authorities = tls::authorities(settings)?;
        let tls = tls::client_config(authorities.all.clone())?;
        let client = |is_own_port| {
            let resolver = JudgingResolver { policy: policy.clone(), lookup: lookup.clone(), is_own_port };
            Client::builder()
                .user_agent(USER_AGENT)
                .redirect(redirect::Policy::none())
                .no_proxy()
                .connect_timeout(CONNECT_TIMEOUT)
                .tls_backend_preconfigured(tls.clone())
                .dns_resolver(resolver)
                .build()
                .map_err(|error| OutboundError::Settings(in_words(&error)))
        };
        Ok(Self { client: client(false)?, client_of_own_ports: client(true)?, policy, lookup, authorities })
    }

    /// Returns the policy of connections.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Returns the authorities whose certificates are trusted, for protocols other than HTTP.
    pub fn authorities(&self) -> Arc<RootCertStore> {
        self.authorities.all.clone()
    }

    /// Returns those of them that the operator has added to the public ones.
    pub fn own_authorities(&self) -> &[CertificateDer<'static>] {
        &self.authorities.own
    }

    /// Sends a request and reads its answer, of any status; a redirect is an answer like any other.
    pub async fn send(&self, request: Request, limits: Limits) -> Result<Answer, OutboundError> {
        let client = self.client_for(request.url())?;
        let exchange = async { read(client.execute(request).await?, limits.body).await };
        match tokio::time::timeout(limits.total, exchange).await {
            Ok(answer) => answer.map_err(|error| cause_of(&error, limits.total)),
            Err(_) => Err(OutboundError::TimedOut(limits.total)),
        }
    }

    /// Returns the client that judges the addresses of an allowed URL.
    fn client_for(&self, url: &Url) -> Result<&Client, OutboundError> {
        self.policy.judge_url(url)?;
        let is_own_port = url.port_or_known_default().is_some_and(|port| self.policy.is_own_port(port));
        Ok(if is_own_port { &self.client_of_own_ports } else { &self.client })
    }
}

/// Returns the addresses that the server and its database listen on. What cannot be resolved has none.
fn own_addresses(settings: &Settings) -> Vec<SocketAddr> {
    let database = settings.database_url.as_ref().and_then(|url| Url::parse(url.expose_secret()).ok());
    let database = database.and_then(|url| Some((url.host_str()?.to_owned(), url.port().unwrap_or(POSTGRESQL))));
    let of_database = database.and_then(|(host, port)| (host.trim_matches(['[', ']']), port).to_socket_addrs().ok());
    let of_server = settings.bind.to_socket_addrs().ok();
    of_server.into_iter().flatten().chain(of_database.into_iter().flatten()).filter(|address| address.port() > 0).collect()
}

/// Reads at most `most` bytes of the body.
async fn read(mut response: reqwest::Response, most: usize) -> reqwest::Result<Answer> {
    let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
    let (mut body, mut is_cut) = (Vec::new(), false);
    while let Some(chunk) = response.chunk().await? {
        let room = most - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            is_cut = true;
            break;
        }
    }
    Ok(Answer { status, headers, body, is_cut })
}

/// Finds the refusal of the resolver, or the reason of the failure, in the chain of causes.
fn cause_of(error: &reqwest::Error, total: Duration) -> OutboundError {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(found) = cause {
        if let Some(refusal) = found.downcast_ref::<Refusal>() {
            return refusal.clone().into();
        }
        // An error of input and output does not name what it wraps as its cause.
        let wrapped = found.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        let tls = wrapped.and_then(|wrapped| wrapped.downcast_ref::<rustls::Error>());
        if let Some(tls) = tls.or_else(|| found.downcast_ref::<rustls::Error>()) {
            return OutboundError::Tls(tls.to_string());
        }
        cause = found.source();
    }
    if error.is_timeout() {
        let limit = if error.is_connect() { CONNECT_TIMEOUT.min(total) } else { total };
        return OutboundError::TimedOut(limit);
    }
    OutboundError::Unreachable(in_words(error))
}

/// Returns the innermost cause, which says what happened; the outer ones only repeat that a request failed, and show its URL.
fn in_words(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests;
