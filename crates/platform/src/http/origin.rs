//! The origin at which a request reached this server, and whether a page of another site sent it.

use actix_web::HttpRequest;
use actix_web::http::header::{HOST, HeaderMap, HeaderName, ORIGIN, REFERER};
use url::Url;

use super::caller::{comes_through_proxy, first_word};
use crate::config::Settings;

const FORWARDED_HOST: &str = "x-forwarded-host";
const FORWARDED_PROTO: &str = "x-forwarded-proto";
/// The browser's header about the site that a request comes from. Pages cannot set it.
const FETCH_SITE: &str = "sec-fetch-site";

/// Returns the address at which clients reach this server: scheme and host.
pub fn origin(request: &HttpRequest) -> String {
    let behind_proxy = comes_through_proxy(request);
    let forwarded = |name: &'static str| first_word(request.headers(), name).filter(|_| behind_proxy);
    let scheme = match forwarded(FORWARDED_PROTO) {
        Some(scheme) if scheme.eq_ignore_ascii_case("https") => "https",
        Some(_) => "http",
        None if request.app_config().secure() => "https",
        None => "http",
    };
    let host = forwarded(FORWARDED_HOST).or_else(|| named_host(request));
    format!("{scheme}://{}", host.unwrap_or(request.app_config().host()))
}

fn named_host(request: &HttpRequest) -> Option<&str> {
    let header = first_word(request.headers(), HOST.as_str());
    header.or_else(|| request.uri().authority().map(|authority| authority.as_str()))
}

/// Returns whether a request comes from a page of ours, or from a program that is no browser.
///
/// A page of ours is one whose origin is `public_url` or among `cors_allowed_origins`, or that the browser marks as same-origin.
/// Browsers do so over HTTPS only, so the origin header is enough as well: if it is absent (a program), or, without `public_url`,
/// names the host that the request was sent to.
pub fn is_same_site(request: &HttpRequest, settings: &Settings) -> bool {
    let named = named_origin(request.headers());
    let page = named.map(Url::parse);
    let mut listed = settings.public_url.iter().chain(&settings.cors_allowed_origins);
    if let Some(Ok(page)) = &page
        && listed.any(|allowed| is_origin_of(allowed, page))
    {
        return true;
    }
    match (request.headers().get(FETCH_SITE).map(|site| site.as_bytes()), page) {
        (Some(site), _) => matches!(site, b"same-origin" | b"none"),
        (None, None) => true,
        (None, Some(Ok(page))) => settings.public_url.is_none() && is_where_it_was_sent(request, &page),
        (None, Some(Err(_))) => false,
    }
}

/// Returns whether a page is of the host that the request was sent to. A host without a port matches all ports, because proxies
/// leave the port out. X-Forwarded-Host is used here from any sender: a page of another site cannot send this header, and proxies
/// that rewrite Host send it.
fn is_where_it_was_sent(request: &HttpRequest, page: &Url) -> bool {
    let hosts = [first_word(request.headers(), FORWARDED_HOST), named_host(request)];
    hosts.into_iter().flatten().any(|host| is_host_of(host, page))
}

/// Returns the origin that a browser names: `Origin`, or the address of the page where that is left out.
fn named_origin(headers: &HeaderMap) -> Option<&str> {
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    text(&ORIGIN).or_else(|| text(&REFERER))
}

fn is_host_of(host: &str, named: &Url) -> bool {
    // The scheme is that of the page: a proxy may use another to reach us, and a missing port is the page's.
    let Ok(ours) = Url::parse(&format!("{}://{host}", named.scheme())) else { return false };
    let any_port = port_in(host).is_none();
    named.host().is_some() && ours.host() == named.host() && (any_port || port_in(host) == named.port_or_known_default())
}

/// Returns the port that is written out, which [`Url`] drops if it is the default one.
fn port_in(host: &str) -> Option<u16> {
    host.rsplit_once(':')?.1.parse().ok()
}

fn is_origin_of(allowed: &str, named: &Url) -> bool {
    Url::parse(allowed).is_ok_and(|allowed| allowed.origin().is_tuple() && allowed.origin() == named.origin())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn is_let_in(public_url: Option<&str>, headers: &[(&str, &str)]) -> bool {
        let settings = Settings {
            public_url: public_url.map(str::to_owned),
            cors_allowed_origins: vec!["https://shop.example.com".to_owned()],
            ..Settings::default()
        };
        let request = headers.iter().fold(TestRequest::post(), |request, header| request.append_header(*header));
        is_same_site(&request.to_http_request(), &settings)
    }

    fn is_ours(headers: &[(&str, &str)]) -> bool {
        is_let_in(None, headers)
    }

    fn is_ours_by_url(headers: &[(&str, &str)]) -> bool {
        is_let_in(Some("https://recotem.example.com/"), headers)
    }

    #[test]
    fn programs_and_pages_of_ours_are_told_from_pages_of_others() {
        assert!(is_ours(&[("host", "localhost:8000")]));
        assert!(is_ours(&[("host", "localhost:8000"), ("origin", "http://localhost:8000")]));
        assert!(is_ours(&[("host", "LOCALHOST:8000"), ("referer", "http://localhost:8000/projects?page=2")]));
        for foreign in ["https://evil.example", "null", "", "http://localhost:8001", "https://localhost", "file:///etc/passwd"] {
            assert!(!is_ours(&[("host", "localhost:8000"), ("origin", foreign)]), "{foreign}");
        }
        assert!(!is_ours(&[("host", "localhost:8000"), ("referer", "https://evil.example/localhost:8000")]));
        assert!(!is_ours(&[("host", "localhost"), ("origin", "http://localhost@evil.example")]));
    }

    #[test]
    fn a_host_without_a_port_stands_for_all_ports_and_the_usual_port_for_none() {
        assert!(is_ours(&[("host", "shop.example"), ("origin", "http://shop.example:8000")]));
        assert!(is_ours(&[("host", "shop.example:443"), ("origin", "https://shop.example")]));
        assert!(!is_ours(&[("host", "shop.example:443"), ("origin", "http://shop.example")]));
        assert!(is_ours(&[("host", "[::1]:8000"), ("origin", "http://[::1]:8000")]));
        assert!(is_ours(&[("host", "[::1]"), ("origin", "http://[::1]:8000")]));
        assert!(!is_ours(&[("host", "sub.shop.example"), ("origin", "http://shop.example")]));
    }

    #[test]
    fn origins_that_the_settings_name_are_ours_whatever_the_host() {
        for allowed in ["https://recotem.example.com", "https://shop.example.com"] {
            assert!(is_ours_by_url(&[("host", "127.0.0.1:8000"), ("origin", allowed)]), "{allowed}");
            let of_other_site = [("host", "127.0.0.1:8000"), ("origin", allowed), ("sec-fetch-site", "cross-site")];
            assert!(is_ours_by_url(&of_other_site), "{allowed}");
        }
        for other in ["http://shop.example.com", "https://shop.example.com:8443", "https://a.shop.example.com"] {
            assert!(!is_ours_by_url(&[("host", "127.0.0.1:8000"), ("origin", other)]), "{other}");
        }
        let through_proxy = [("host", "app:8000"), ("x-forwarded-host", "home.example"), ("origin", "https://home.example")];
        assert!(is_ours(&through_proxy));
        assert!(!is_ours_by_url(&through_proxy), "where people reach us is set");
        assert!(is_ours_by_url(&[("host", "app:8000")]), "a program");
    }

    #[test]
    fn what_the_browser_says_goes_before_what_the_host_looks_like() {
        // A proxy that leaves the port out of the host: only the browser can tell pages on other ports apart.
        let from =
            |site: &'static str, page: &'static str| [("host", "shop.example"), ("origin", page), ("sec-fetch-site", site)];
        assert!(is_ours(&from("same-origin", "https://shop.example:8443")));
        assert!(is_ours_by_url(&from("same-origin", "https://shop.example:8443")), "reached by another address than public_url");
        for (site, page) in [
            ("same-site", "https://shop.example:9000"),
            ("same-site", "http://shop.example"),
            ("cross-site", "https://shop.example"),
            ("nonsense", "https://shop.example"),
        ] {
            assert!(!is_ours(&from(site, page)), "{site} {page}");
        }
        // Pages that hide their address.
        assert!(!is_ours(&[("host", "shop.example"), ("sec-fetch-site", "cross-site")]));
        assert!(is_ours(&[("host", "shop.example"), ("sec-fetch-site", "none")]));
    }
}
