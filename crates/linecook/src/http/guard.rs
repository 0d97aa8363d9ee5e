//! Whom requests are taken from.
//!
//! A process that is bound to loopback trusts whoever is on its machine, and a browser there runs the pages of strangers.
//! Such a page may send a form to `http://localhost:5000`, or have its own name resolve to 127.0.0.1 and read the answers
//! (*DNS rebinding*). Browsers tell on both: in `Sec-Fetch-Site` and `Origin` where a page is from, in `Host` by which name
//! it asked. What counts as from elsewhere follows Go's `http.CrossOriginProtection`, whose documentation has the reasons,
//! the one for not looking at the scheme included; headers that are empty or given twice are trusted less here.

use std::net::{IpAddr, Ipv6Addr};

use axum::http::{HeaderMap, Request, StatusCode, Version, header, uri::Authority};

use super::{Problem, problem::shown};

/// See the [module](self).
#[derive(Debug, Clone)]
pub(crate) enum Guard {
    /// Of a server on loopback: it is asked by a name of this machine, or one of these.
    Loopback(Vec<String>),
    /// Of one that others reach, by whatever name.
    Reachable,
}

impl Guard {
    /// Of a server that listens there, and is known by these names.
    pub(crate) fn new(address: IpAddr, names: impl IntoIterator<Item = String>) -> Self {
        if !is_loopback(address) {
            return Self::Reachable;
        }
        Self::Loopback(names.into_iter().map(|name| name.to_ascii_lowercase()).collect())
    }

    /// That the request is not one of a page of a stranger.
    ///
    /// # Errors
    /// 421: asked by a name that is not this machine's. 403: a change that a page from elsewhere asks for. 400: no name
    /// where there has to be one, several, or what is no name.
    pub(crate) fn check<B>(&self, request: &Request<B>) -> Result<(), Problem> {
        let asked = asked(request)?;
        if let (Self::Loopback(names), Some(asked)) = (self, &asked)
            && !is_this_machine(asked.host(), names)
        {
            let host = shown(asked.host());
            let detail = format!(
                "it is bound to this machine alone, and was asked by another name; a proxy in front of it may have passed \
                 that on, then tell --http-hosts: host={host}"
            );
            return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, detail));
        }
        if request.method().is_safe() { Ok(()) } else { check_page(request.headers(), asked.as_ref()) }
    }
}

/// By which name. Requests of HTTP/1.0 need not say.
fn asked<B>(request: &Request<B>) -> Result<Option<Authority>, Problem> {
    let refused = |detail| Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (None, _) if request.version() < Version::HTTP_11 => None,
        (None, _) => return refused("the request has no Host"),
        (Some(_), Some(_)) => return refused("the request has more than one Host"),
        (Some(host), None) => Some(Authority::try_from(host.as_bytes())),
    };
    // What stands in the first line is what counts.
    let asked = match (request.uri().authority(), host) {
        (Some(authority), _) => authority.clone(),
        (None, Some(Ok(host))) => host,
        (None, Some(Err(_))) => return refused("the request's Host is not a host"),
        (None, None) => return Ok(None),
    };
    if is_host(&asked) { Ok(Some(asked)) } else { refused("the request's Host is not a host") }
}

/// A host, and a port if there is one: nobody's name before it, and nothing behind it.
fn is_host(asked: &Authority) -> bool {
    let host = asked.host();
    let is_whole = match asked.as_str().strip_prefix(host) {
        Some("") => true,
        Some(rest) => rest.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok()),
        None => false,
    };
    let bracketed = host.strip_prefix('[').map(|host| host.strip_suffix(']'));
    is_whole && bracketed.is_none_or(|address| address.is_some_and(|it| it.parse::<Ipv6Addr>().is_ok()))
}

fn is_this_machine(host: &str, names: &[String]) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).to_ascii_lowercase();
    let bare = bare.strip_suffix('.').unwrap_or(&bare);
    let is_own = bare == "localhost" || bare.ends_with(".localhost") || names.iter().any(|name| name == bare);
    is_own || bare.parse().is_ok_and(is_loopback)
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Programs send neither header, and old browsers no `Sec-Fetch-Site`. A browser that sends it is believed before `Origin`:
/// a proxy may ask by another name than the page's.
fn check_page(headers: &HeaderMap, asked: Option<&Authority>) -> Result<(), Problem> {
    let texts = |name| headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    let is_own = if headers.contains_key(SEC_FETCH_SITE) {
        texts(SEC_FETCH_SITE).all(|site| matches!(&*site, "same-origin" | "none"))
    } else {
        texts(header::ORIGIN.as_str()).all(|origin| is_origin_of(&origin, asked))
    };
    if is_own {
        return Ok(());
    }
    let origins: Vec<_> = texts(header::ORIGIN.as_str()).map(|origin| shown(&origin)).collect();
    let detail = format!("pages from elsewhere may not ask for changes: origin={}", origins.join(","));
    Err(Problem::new(StatusCode::FORBIDDEN, detail))
}

const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// A page that does not tell where it is from has the origin `null`.
fn is_origin_of(origin: &str, asked: Option<&Authority>) -> bool {
    let from = origin.split_once("://").map(|(_, authority)| authority);
    from.is_some_and(|from| asked.is_some_and(|asked| asked.as_str().eq_ignore_ascii_case(from)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, uri: &str, headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    fn on(address: &str, name: &str) -> Guard {
        Guard::new(address.parse().unwrap(), [name.to_owned()])
    }

    fn status(guard: &Guard, request: &Request<()>) -> u16 {
        guard.check(request).map_or_else(|problem| problem.status().as_u16(), |()| 200)
    }

    #[test]
    fn on_loopback_it_is_asked_by_a_name_of_this_machine() {
        for address in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            let guard = on(address, "pizza.test");
            let of_host = |host: &str| status(&guard, &request("GET", "/report", &[("host", host)]));
            let of_this_machine =
                ["localhost:5000", "LOCALHOST", "127.0.0.1:5000", "127.9.9.9", "[::1]:5000", "[::ffff:127.0.0.1]"];
            for own in of_this_machine.into_iter().chain(["shop.localhost:1", "localhost.", "Pizza.test:80"]) {
                assert_eq!(of_host(own), 200, "{own}");
            }
            let of_others =
                ["rebound.example:5000", "localhost.example", "10.0.0.1", "127.0.0.1.example", "[::2]", "localhost.."];
            for other in of_others {
                assert_eq!(of_host(other), 421, "{other}");
            }
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        let guards = [on("127.0.0.1", "127.0.0.1"), on("10.0.0.1", "10.0.0.1")];
        let odd = ["", "a b", "http://localhost", "localhost/", "user@localhost", "evil.example@localhost"];
        let odd_ends =
            ["localhost:junk", "localhost:99999999", "localhost:", "localhost:5000.evil.example", "[::1].evil.example"];
        for host in odd.into_iter().chain(odd_ends).chain(["[::1]evil", "[localhost]", "[::1"]) {
            for guard in &guards {
                assert_eq!(status(guard, &request("GET", "/report", &[("host", host)])), 400, "{host:?}");
            }
        }
    }

    #[test]
    fn a_host_is_named_once_and_one_in_the_first_line_counts() {
        let guard = on("127.0.0.1", "127.0.0.1");
        let of = |uri: &str, hosts: &[&str]| {
            let headers: Vec<_> = hosts.iter().map(|host| ("host", *host)).collect();
            status(&guard, &request("GET", uri, &headers))
        };
        assert_eq!([of("/", &[]), of("/", &["localhost", "localhost"])], [400, 400]);
        assert_eq!([of("http://localhost/", &[]), of("http://localhost/", &["localhost", "localhost"])], [400, 400]);
        assert_eq!(of("http://rebound.example/", &["localhost"]), 421);
        assert_eq!(of("http://localhost/", &["rebound.example"]), 200);
        let mut old = request("GET", "/", &[]);
        *old.version_mut() = Version::HTTP_10;
        assert_eq!(status(&guard, &old), 200);
    }

    #[test]
    fn who_is_bound_elsewhere_is_asked_by_any_name() {
        let guard = on("0.0.0.0", "0.0.0.0");
        assert_eq!(status(&guard, &request("GET", "/report", &[("host", "pizza.example")])), 200);
    }

    #[test]
    fn a_page_from_elsewhere_may_ask_and_change_nothing() {
        let guard = on("0.0.0.0", "0.0.0.0");
        let of = |method: &str, origins: &[&str]| {
            let mut headers = vec![("host", "shop.example:5000")];
            headers.extend(origins.iter().map(|origin| ("origin", *origin)));
            status(&guard, &request(method, "/order/1", &headers))
        };
        assert_eq!(of("POST", &["http://shop.example:5000"]), 200);
        assert_eq!(of("POST", &["HTTPS://Shop.example:5000"]), 200);
        let strangers = ["http://evil.example", "http://shop.example", "http://shop.example:5001", "null", ""];
        for stranger in strangers.into_iter().chain(["shop.example:5000"]) {
            assert_eq!(of("POST", &[stranger]), 403, "{stranger:?}");
            assert_eq!(of("POST", &["http://shop.example:5000", stranger]), 403, "behind its own, {stranger:?}");
            assert_eq!(of("DELETE", &[stranger]), 403, "{stranger:?}");
            assert_eq!(of("GET", &[stranger]), 200, "{stranger:?}");
        }
        assert_eq!(of("POST", &[]), 200, "no browser");
    }

    /// A proxy in front may ask by another name than the page's.
    #[test]
    fn a_browser_that_says_how_page_and_server_belong_together_is_believed() {
        let guard = on("127.0.0.1", "127.0.0.1");
        let of = |sites: &[&str]| {
            let mut headers = vec![("host", "localhost:5000"), ("origin", "https://shop.example")];
            headers.extend(sites.iter().map(|site| ("sec-fetch-site", *site)));
            status(&guard, &request("POST", "/order/1", &headers))
        };
        assert_eq!([of(&["same-origin"]), of(&["none"])], [200, 200]);
        assert_eq!([of(&["same-site"]), of(&["cross-site"]), of(&[""])], [403, 403, 403]);
        assert_eq!(of(&["none", "cross-site"]), 403);
    }
}
