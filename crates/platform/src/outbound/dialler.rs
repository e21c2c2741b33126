//! TCP connections to other servers, for protocols other than HTTP.

use std::net::{IpAddr, SocketAddr};

use tokio::net::TcpStream;

use super::client::{CONNECT_TIMEOUT, Outbound};
use super::error::OutboundError;
use super::policy::Refusal;
use super::resolver::JudgingResolver;

impl Outbound {
    /// Connects to a host, which is a name or an address. The name is resolved once, and the connection goes to one of the judged
    /// addresses.
    pub async fn dial(&self, host: &str, port: u16) -> Result<TcpStream, OutboundError> {
        let addresses = self.addresses(host, port).await?;
        let addresses: Vec<SocketAddr> = addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect();
        match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(&addresses[..])).await {
            Ok(stream) => stream.map_err(|error| OutboundError::Unreachable(error.to_string())),
            Err(_) => Err(OutboundError::TimedOut(CONNECT_TIMEOUT)),
        }
    }

    /// Returns the judged addresses of a host, for a library that makes the connection itself. It must connect to one of these and
    /// resolve nothing.
    pub async fn addresses(&self, host: &str, port: u16) -> Result<Vec<IpAddr>, OutboundError> {
        if port == 0 {
            return Err(Refusal::Port(host.to_owned()).into());
        }
        let is_own_port = self.policy.is_own_port(port);
        match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) => {
                self.policy.judge_all(host, &[address], is_own_port)?;
                Ok(vec![address])
            }
            Err(_) => {
                let resolver = JudgingResolver { policy: self.policy.clone(), lookup: self.lookup.clone(), is_own_port };
                Ok(resolver.resolve(host).await?)
            }
        }
    }
}
