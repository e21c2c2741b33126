//! Resolves host names to addresses that the policy allows.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::policy::{Policy, Refusal};

type Found = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// A look-up of the addresses of a host name.
pub(super) type Lookup = Arc<dyn Fn(String) -> Found + Send + Sync>;

/// Returns the resolver of the operating system.
pub(super) fn system() -> Lookup {
    Arc::new(|host| {
        Box::pin(async move {
            let addresses = tokio::net::lookup_host((host.as_str(), 0)).await?;
            Ok(addresses.map(|address| address.ip()).collect())
        })
    })
}

/// Resolves names once per connection and returns checked addresses: the connection goes to one of them and to no other.
#[derive(Clone)]
pub(super) struct JudgingResolver {
    pub policy: Arc<Policy>,
    pub lookup: Lookup,
    /// Whether the connections go to a port that this server or its database listens on.
    pub is_own_port: bool,
}

impl JudgingResolver {
    /// Returns the addresses of a host, all of them allowed.
    pub async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, Refusal> {
        let found = (self.lookup)(host.to_owned()).await.map_err(|_| Refusal::Unresolved(host.to_owned()))?;
        self.policy.judge_all(host, &found, self.is_own_port)?;
        Ok(found)
    }
}

impl Resolve for JudgingResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let addresses = resolver.resolve(name.as_str()).await?;
            let addresses: Addrs = Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}
