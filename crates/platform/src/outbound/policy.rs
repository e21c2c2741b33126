//! Which URLs, hosts and addresses the program may reach.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use url::{Host, Url};

use super::reserved::{Reserved, reserved};
use crate::config::{Network, OutboundSettings};

/// Why a target may not be reached. [`Display`](std::fmt::Display) is for users, who must not learn the addresses in the
/// operator's network; [`Refusal::for_operator`] includes them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("\"{0}\" is not a valid URL. Enter one such as https://example.com/hook.")]
    NotAUrl(String),
    #[error("The URL begins with \"{0}:\". Enter one that begins with https://.")]
    Scheme(String),
    #[error("The URL is not encrypted. Enter one that begins with https://, or ask the operator to set outbound.allow_http.")]
    Unencrypted,
    #[error("The URL contains a user name or a password. Leave them out.")]
    Credentials,
    #[error("The port of \"{0}\" is missing or 0. Enter a port from 1 to 65535.")]
    Port(String),
    #[error("\"{0}\" could not be resolved to an address. Check the spelling.")]
    Unresolved(String),
    #[error("\"{host}\" may not be reached from this server: it has no public address. Ask the operator if this is intended.")]
    Reserved { host: String, address: IpAddr, reserved: Reserved },
    #[error("\"{host}\" may not be reached from this server: it has no public address. Ask the operator if this is intended.")]
    Own { host: String, address: IpAddr },
}

impl Refusal {
    /// Returns a stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAUrl(_) | Self::Port(_) => "invalid_url",
            Self::Scheme(_) | Self::Unencrypted => "scheme_not_allowed",
            Self::Credentials => "credentials_in_url",
            Self::Unresolved(_) => "unresolved_host",
            Self::Reserved { .. } | Self::Own { .. } => "address_not_allowed",
        }
    }

    /// Returns the reason with the address, and the setting that would allow it.
    pub fn for_operator(&self) -> String {
        match self {
            Self::Reserved { host, address, reserved } => format!(
                "{host} resolves to {address}, {}. To allow it, add {} to outbound.allow_networks.",
                reserved.as_str(),
                suggested_network(*address)
            ),
            Self::Own { host, address } => {
                format!("{host} resolves to {address}, where this server or its database listens. It cannot be allowed.")
            }
            other => other.to_string(),
        }
    }
}

/// Returns the network to put into `outbound.allow_networks` for an address: the private range it is from, or the address alone.
fn suggested_network(address: IpAddr) -> String {
    let ranges = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"];
    let holds = |range: &&str| range.parse::<Network>().is_ok_and(|network| network.contains(address));
    ranges.into_iter().find(holds).map_or_else(|| address.to_string(), str::to_owned)
}

/// The operator's policy for outgoing connections.
#[derive(Debug, Clone)]
pub struct Policy {
    allow_networks: Vec<Network>,
    allow_http: bool,
    own: Vec<SocketAddr>,
}

impl Policy {
    /// Creates the policy of a running program. `own` are the addresses that this server and its database listen on, which no
    /// setting allows.
    pub fn new(settings: &OutboundSettings, own: Vec<SocketAddr>) -> Self {
        Self { allow_networks: settings.allow_networks.clone(), allow_http: settings.allow_http, own }
    }

    /// Parses a URL, and checks all of it except the addresses its host name resolves to.
    pub fn read_url(&self, text: &str) -> Result<Url, Refusal> {
        let url = Url::parse(text.trim()).map_err(|_| Refusal::NotAUrl(text.to_owned()))?;
        self.judge_url(&url)?;
        Ok(url)
    }

    /// Checks a URL. An address in place of a host name is checked here, since it needs no resolver.
    pub fn judge_url(&self, url: &Url) -> Result<(), Refusal> {
        match url.scheme() {
            "https" => {}
            "http" if self.allow_http => {}
            "http" => return Err(Refusal::Unencrypted),
            scheme => return Err(Refusal::Scheme(scheme.to_owned())),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::Credentials);
        }
        let port = url.port_or_known_default().filter(|port| *port > 0).ok_or_else(|| Refusal::Port(url.to_string()))?;
        match url.host() {
            Some(Host::Ipv4(address)) => self.judge(&address.to_string(), address.into(), self.is_own_port(port)),
            Some(Host::Ipv6(address)) => self.judge(&address.to_string(), address.into(), self.is_own_port(port)),
            Some(Host::Domain(name)) if !name.trim_matches('.').is_empty() => Ok(()),
            _ => Err(Refusal::NotAUrl(url.to_string())),
        }
    }

    /// Checks every address that a host resolved to. One refused address refuses the host: a name with a public and a private
    /// address belongs to an attacker or to the operator's network.
    pub fn judge_all(&self, host: &str, addresses: &[IpAddr], is_own_port: bool) -> Result<(), Refusal> {
        if addresses.is_empty() {
            return Err(Refusal::Unresolved(host.to_owned()));
        }
        addresses.iter().try_for_each(|address| self.judge(host, *address, is_own_port))
    }

    fn judge(&self, host: &str, address: IpAddr, is_own_port: bool) -> Result<(), Refusal> {
        let address = address.to_canonical();
        if is_own_port && self.is_own_address(address) {
            return Err(Refusal::Own { host: host.to_owned(), address });
        }
        if self.allow_networks.iter().any(|network| network.contains(address)) {
            return Ok(());
        }
        match reserved(address) {
            Some(reserved) => Err(Refusal::Reserved { host: host.to_owned(), address, reserved }),
            None => Ok(()),
        }
    }

    /// Returns whether this server or its database listens on a port, on any address.
    pub fn is_own_port(&self, port: u16) -> bool {
        self.own.iter().any(|own| own.port() == port)
    }

    fn is_own_address(&self, address: IpAddr) -> bool {
        self.own.iter().any(|own| match own.ip().to_canonical() {
            own if own.is_unspecified() || own.is_loopback() => is_of_this_machine(address),
            own => own == address,
        })
    }
}

/// Returns whether an address belongs to this machine: only those can be bound.
fn is_of_this_machine(address: IpAddr) -> bool {
    address.is_unspecified() || address.is_loopback() || UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(networks: &[&str], allow_http: bool) -> Policy {
        let allow_networks = networks.iter().map(|text| text.parse().unwrap()).collect();
        Policy::new(&OutboundSettings { allow_networks, allow_http, ca_file: None }, vec!["127.0.0.1:8000".parse().unwrap()])
    }

    fn code(policy: &Policy, url: &str) -> Result<(), &'static str> {
        policy.read_url(url).map(drop).map_err(|refusal| refusal.code())
    }

    #[test]
    fn only_https_without_credentials_is_taken() {
        let policy = policy(&[], false);
        assert_eq!(code(&policy, "https://example.com/hook?x=1"), Ok(()));
        assert_eq!(code(&policy, " https://example.com:8443 "), Ok(()));
        for (url, wanted) in [
            ("example.com", "invalid_url"),
            ("https://", "invalid_url"),
            ("https://.", "invalid_url"),
            ("https://example.com:0/", "invalid_url"),
            ("http://example.com", "scheme_not_allowed"),
            ("ftp://example.com", "scheme_not_allowed"),
            ("file:///etc/passwd", "scheme_not_allowed"),
            ("unix:/run/x.sock", "scheme_not_allowed"),
            ("gopher://example.com", "scheme_not_allowed"),
            ("javascript:alert(1)", "scheme_not_allowed"),
            ("https://user@example.com", "credentials_in_url"),
            ("https://user:password@example.com", "credentials_in_url"),
            ("https://public.example@10.0.0.1/", "credentials_in_url"),
        ] {
            assert_eq!(code(&policy, url), Err(wanted), "{url}");
        }
    }

    /// Notations of addresses that must not be reached, collected from published reports of attacks.
    const EVASIONS: [&str; 48] = [
        "https://127.0.0.1/",
        "https://127.1/",
        "https://127.0.1/",
        "https://0x7f.1/",
        "https://0x7f000001/",
        "https://2130706433/",
        "https://017700000001/",
        "https://0177.0.0.1/",
        "https://0177.0.0.0x1/",
        "https://127.0.0.1./",
        "https://%31%32%37.0.0.1/",
        "https://127。0。0。1/",
        "https://127.0.0.1/",
        "https://①②⑦.⓪.⓪.①/",
        "https://0/",
        "https://0.0.0.0/",
        "https://[::]/",
        "https://[::1]/",
        "https://[0:0:0:0:0:0:0:1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[::127.0.0.1]/",
        "https://[::ffff:0:127.0.0.1]/",
        "https://[64:ff9b::127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[64:ff9b:1::7f00:1]/",
        "https://[2002:7f00:1::]/",
        "https://169.254.169.254/latest/meta-data/",
        "https://0xa9fea9fe/",
        "https://2852039166/",
        "https://0251.0376.0251.0376/",
        "https://[::ffff:169.254.169.254]/",
        "https://[::ffff:a9fe:a9fe]/",
        "https://[2002:a9fe:a9fe::]/",
        "https://[fd00:ec2::254]/",
        "https://[fe80::1]/",
        "https://[fec0::1]/",
        "https://10.0.0.1/",
        "https://10.1/",
        "https://172.16.0.1/",
        "https://192.168.0.1/",
        "https://192.168.257/",
        "https://100.64.0.1/",
        "https://198.18.0.1/",
        "https://224.0.0.1/",
        "https://255.255.255.255/",
        "https://[ff02::1]/",
        "https:\\\\10.0.0.1\\",
    ];

    #[test]
    fn no_spelling_of_an_inner_address_gets_through() {
        for url in EVASIONS {
            assert!(policy(&[], true).read_url(url).is_err(), "{url}");
        }
    }

    #[test]
    fn one_inner_address_among_public_ones_refuses_the_host() {
        let policy = policy(&[], false);
        let all = |texts: &[&str]| {
            let addresses: Vec<IpAddr> = texts.iter().map(|text| text.parse().unwrap()).collect();
            policy.judge_all("mixed.example", &addresses, false).map_err(|refusal| refusal.code())
        };
        assert_eq!(all(&["93.184.215.14", "2606:2800:21f::1"]), Ok(()));
        assert_eq!(all(&["93.184.215.14", "10.0.0.1"]), Err("address_not_allowed"));
        assert_eq!(all(&[]), Err("unresolved_host"));
    }

    #[test]
    fn the_operator_allows_networks_but_never_the_server_itself() {
        let policy = policy(&["10.0.0.0/8", "127.0.0.0/8", "::1"], true);
        assert_eq!(code(&policy, "http://10.9.8.7/"), Ok(()));
        assert_eq!(code(&policy, "http://[::ffff:10.9.8.7]/"), Ok(()));
        assert_eq!(code(&policy, "http://127.0.0.1:9999/"), Ok(()));
        assert_eq!(code(&policy, "http://192.168.0.1/"), Err("address_not_allowed"));
        for own in ["http://127.0.0.1:8000/", "http://[::1]:8000/", "http://[::ffff:127.0.0.1]:8000/", "http://127.0.0.2:8000/"] {
            assert_eq!(code(&policy, own), Err("address_not_allowed"), "{own}");
        }
    }

    #[test]
    fn users_do_not_learn_the_address_and_operators_learn_what_to_set() {
        let address = "10.0.3.7".parse().unwrap();
        let refusal = policy(&[], false).judge_all("db.internal", &[address], false).unwrap_err();
        assert!(!refusal.to_string().contains("10.0.3.7"), "{refusal}");
        assert_eq!(
            refusal.for_operator(),
            "db.internal resolves to 10.0.3.7, a private address. To allow it, add 10.0.0.0/8 to outbound.allow_networks."
        );
    }
}
