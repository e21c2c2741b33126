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
        if port == 0 {
            return Err(Refusal::Port(host.to_owned()).into());
        }
        let is_own_port = self.policy.is_own_port(port);
        let addresses = match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) => {
                self.policy.judge_all(host, &[address], is_own_port)?;
                vec![address]
            }
            Err(_) => {
                let resolver = JudgingResolver { policy: self.policy.clone(), lookup: self.lookup.clone(), is_own_port };
                resolver.resolve(host).await?
            }
        };
        let addresses: Vec<SocketAddr> = addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect();
        match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(&addresses[..])).await {
            Ok(stream) => stream.map_err(|error| OutboundError::Unreachable(error.to_string())),
            Err(_) => Err(OutboundError::TimedOut(CONNECT_TIMEOUT)),
        }
    }
}
