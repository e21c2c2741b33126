//! The origin of a request, and its id in the log. What a proxy says about the caller is used only if the settings trust the
//! proxy.

use std::net::{IpAddr, SocketAddr};

use actix_web::http::header::{FORWARDED, HeaderMap};
use actix_web::{HttpMessage, HttpRequest, web};
use ipnet::Ipv6Net;

use crate::config::Network;
use crate::services::Services;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// The id of a request, set by the tracing middleware.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// Returns the id of a request; empty where no middleware traces.
pub fn request_id(request: &HttpRequest) -> String {
    request.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default()
}

/// Bits of an IPv6 address that identify a client: each gets a network of this size and picks any addresses in it.
const CLIENT_BITS: u8 = 64;
/// Bits of an IPv6 address that identify a site: many providers give one customer all networks of this size.
const SITE_BITS: u8 = 48;

/// Returns the key that a client is counted under: its address, or for IPv6 the network of its address.
pub fn client_network(request: &HttpRequest) -> String {
    network_of(&client_address(request))
}

/// Returns the key that a client with this address is counted under; a text that is no address is its own key.
pub fn network_of(address: &str) -> String {
    network_of_size(address, CLIENT_BITS)
}

/// Returns the key that all clients of a site are counted under: the address, or for IPv6 the network of the site.
pub fn site_of(address: &str) -> String {
    network_of_size(address, SITE_BITS)
}

fn network_of_size(address: &str, bits: u8) -> String {
    match address.parse().map(|address: IpAddr| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => address.to_string(),
        Ok(IpAddr::V6(address)) => {
            Ipv6Net::new(address, bits).map_or_else(|_| address.to_string(), |network| network.trunc().to_string())
        }
        Err(_) => address.to_owned(),
    }
}

/// Returns the first address of the network that a client with this address is counted under.
pub(super) fn client_key(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => Ipv6Net::new(v6, CLIENT_BITS).map_or(address, |network| IpAddr::V6(network.trunc().addr())),
        IpAddr::V4(_) => address,
    }
}

/// Returns the network address of the caller: the connection's, or behind trusted proxies the last named address that is not one
/// of them.
pub fn client_address(request: &HttpRequest) -> String {
    let Some(peer) = request.peer_addr().map(|peer| peer.ip().to_canonical()) else { return "unknown".to_owned() };
    with_proxies(request, |proxies| {
        if names_clients_of_stranger(peer, request.headers(), proxies) {
            warn_of_unknown_proxy(peer);
        }
        address_behind(peer, request.headers(), proxies)
    })
    .to_string()
}

/// Returns whether a peer that the settings do not trust claims to forward a request.
fn names_clients_of_stranger(peer: IpAddr, headers: &HeaderMap, proxies: &[Network]) -> bool {
    headers.contains_key(FORWARDED_FOR) && !is_one_of(peer, proxies)
}

/// Warns once that all clients of an unknown proxy are counted as one: any client can send the header, so that more warnings
/// would only fill the log.
fn warn_of_unknown_proxy(peer: IpAddr) {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        tracing::warn!(
            %peer,
            "X-Forwarded-For came from an address that is not in trusted_proxies and is not believed. If this is a proxy of \
             yours, add it there: until then all its clients share one request limit, and one of them who guesses \
             passwords makes all of them wait."
        );
    });
}

/// Returns whether the connection is that of a proxy that the settings trust.
pub(super) fn comes_through_proxy(request: &HttpRequest) -> bool {
    let peer = request.peer_addr().map(|peer| peer.ip().to_canonical());
    peer.is_some_and(|peer| with_proxies(request, |proxies| is_one_of(peer, proxies)))
}

fn with_proxies<T>(request: &HttpRequest, ask: impl FnOnce(&[Network]) -> T) -> T {
    let services = request.app_data::<web::Data<Services>>();
    ask(services.map_or(&[], |services| services.settings.trusted_proxies.as_slice()))
}

pub(super) fn is_one_of(address: IpAddr, networks: &[Network]) -> bool {
    networks.iter().any(|network| network.contains(address))
}

fn address_behind(peer: IpAddr, headers: &HeaderMap, proxies: &[Network]) -> IpAddr {
    if !is_one_of(peer, proxies) {
        return peer;
    }
    let by_list = forwarded_for(headers).map(|chain| last_untrusted(peer, &chain, proxies));
    let by_standard = forwarded(headers).map(|chain| last_untrusted(peer, &chain, proxies));
    match (by_list, by_standard) {
        // The proxy cannot have set both to different values, so the client invented one of them.
        (Some(one), Some(other)) if one != other => peer,
        (Some(address), _) | (None, Some(address)) => address,
        (None, None) => peer,
    }
}

/// Returns the first hop, from the nearest outwards, that is no trusted proxy; the hops beyond it cannot be trusted.
fn last_untrusted(peer: IpAddr, chain: &[Option<IpAddr>], proxies: &[Network]) -> IpAddr {
    let mut nearest = peer;
    for hop in chain.iter().rev() {
        // A hop that hides its address, or is malformed, ends the trusted chain.
        let Some(address) = hop else { break };
        nearest = *address;
        if !is_one_of(nearest, proxies) {
            break;
        }
    }
    nearest
}

/// Returns the hops in X-Forwarded-For, the client first.
fn forwarded_for(headers: &HeaderMap) -> Option<Vec<Option<IpAddr>>> {
    let hops: Vec<_> = words(headers, FORWARDED_FOR).map(hop).collect();
    (!hops.is_empty()).then_some(hops)
}

/// Returns the hops in the standard's header (RFC 7239), the client first.
fn forwarded(headers: &HeaderMap) -> Option<Vec<Option<IpAddr>>> {
    let parameter = |element: &str| {
        let pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
        let mut named = pairs.filter(|(name, _)| name.eq_ignore_ascii_case("for")).map(|(_, value)| value.trim_matches('"'));
        named.next().and_then(hop)
    };
    let hops: Vec<_> = words(headers, FORWARDED.as_str()).map(parameter).collect();
    (!hops.is_empty()).then_some(hops)
}

fn words<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|word| !word.is_empty())
}

/// Returns the first word of a header that is a list.
pub(super) fn first_word<'a>(headers: &'a HeaderMap, name: &'a str) -> Option<&'a str> {
    words(headers, name).next()
}

/// Reads an address with or without brackets and port.
fn hop(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let parsed = bare.parse::<IpAddr>().or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip()));
    parsed.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn behind(peer: &str, headers: &[(&str, &str)]) -> String {
        let proxies: Vec<Network> = ["10.0.0.0/8", "::1"].iter().map(|text| text.parse().unwrap()).collect();
        let request = headers.iter().fold(TestRequest::get(), |request, header| request.append_header(*header));
        address_behind(peer.parse().unwrap(), request.to_http_request().headers(), &proxies).to_string()
    }

    #[test]
    fn a_stranger_cannot_pass_for_somebody_else() {
        assert_eq!(behind("203.0.113.9", &[("x-forwarded-for", "198.51.100.1")]), "203.0.113.9");
        // The client's own claims are left of the address that our proxy added.
        assert_eq!(behind("10.0.0.1", &[("x-forwarded-for", "1.2.3.4, 198.51.100.1")]), "198.51.100.1");
        assert_eq!(behind("10.0.0.1", &[("x-forwarded-for", "1.2.3.4, 198.51.100.1, 10.9.9.9")]), "198.51.100.1");
        assert_eq!(behind("10.0.0.1", &[("x-forwarded-for", "198.51.100.1"), ("forwarded", "for=6.6.6.6")]), "10.0.0.1");
        assert_eq!(behind("10.0.0.1", &[("x-forwarded-for", "1.2.3.4, nonsense")]), "10.0.0.1");
    }

    #[test]
    fn every_way_to_write_an_address_is_understood() {
        assert_eq!(behind("10.0.0.1", &[("forwarded", "for=\"[2001:db8::7]:4711\";proto=https, for=10.1.1.1")]), "2001:db8::7");
        assert_eq!(behind("::1", &[("x-forwarded-for", "198.51.100.1:555")]), "198.51.100.1");
        assert_eq!(behind("::1", &[("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "::ffff:198.51.100.1")]), "198.51.100.1");
        assert_eq!(behind("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(behind("10.0.0.1", &[("x-forwarded-for", "10.2.2.2, 10.3.3.3")]), "10.2.2.2");
    }

    #[test]
    fn clients_are_counted_by_the_network_they_pick_addresses_in() {
        assert_eq!(network_of("203.0.113.9"), "203.0.113.9");
        assert_eq!(network_of("::ffff:203.0.113.9"), "203.0.113.9");
        assert_eq!(network_of("2001:db8:1:2::7"), "2001:db8:1:2::/64");
        assert_eq!(network_of("2001:db8:1:2:ffff:1:2:3"), network_of("2001:db8:1:2::7"));
        assert_ne!(network_of("2001:db8:1:3::7"), network_of("2001:db8:1:2::7"));
        assert_eq!((site_of("203.0.113.9").as_str(), site_of("2001:db8:1:2::7").as_str()), ("203.0.113.9", "2001:db8:1::/48"));
        assert_ne!(site_of("2001:db8:2:2::7"), site_of("2001:db8:1:2::7"));
        let key = |text: &str| client_key(text.parse().unwrap());
        assert_eq!(key("2001:db8:1:2:ffff:1:2:3"), key("2001:db8:1:2::7"));
        assert_ne!(key("2001:db8:1:3::7"), key("2001:db8:1:2::7"));
        assert_ne!(key("203.0.113.9"), key("203.0.113.10"));
        for other in ["unknown", "2001:db8:1:2::/64"] {
            assert_eq!(network_of(other), other);
        }
    }

    #[test]
    fn a_proxy_that_the_settings_do_not_name_is_noticed() {
        let is_noticed = |peer: &str, name: &str| {
            let request = TestRequest::get().append_header((name, "198.51.100.1")).to_http_request();
            names_clients_of_stranger(peer.parse().unwrap(), request.headers(), &["10.0.0.0/8".parse().unwrap()])
        };
        assert!(is_noticed("172.18.0.2", "x-forwarded-for"));
        assert!(!is_noticed("10.0.0.1", "x-forwarded-for") && !is_noticed("172.18.0.2", "x-something"));
    }
}
