//! Whom requests are taken from.
//!
//! A process that is bound to loopback trusts whoever is on its machine, and a browser there runs the pages of strangers.
//! Such a page may send a form to `http://localhost:5000`, or have its own name resolve to 127.0.0.1 and read the answers
//! (*DNS rebinding*). Browsers tell on both: in `Sec-Fetch-Site` and `Origin` where a page is from, in `Host` by which name
//! it asked. What counts as from elsewhere is as in Go's `http.CrossOriginProtection`, whose documentation has the reasons.

use axum::{
    extract::Request,
    http::{HeaderMap, Method, StatusCode, Version, header, uri::Authority},
};

use super::Problem;

/// See the [module](self).
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    /// The name that was bound, if the machine alone can ask by it.
    own_name: Option<String>,
}

impl Guard {
    /// Of a server that was bound as `host`, and listens on loopback or not.
    pub(crate) fn new(host: &str, is_loopback: bool) -> Self {
        Self { own_name: is_loopback.then(|| host.to_ascii_lowercase()) }
    }

    /// That the request is not one of a page of a stranger.
    ///
    /// # Errors
    /// 421: asked by a name that is not this machine's. 403: a change that a page from elsewhere asks for. 400: no name,
    /// or several.
    pub(crate) fn check(&self, request: &Request) -> Result<(), Problem> {
        let asked = asked(request)?;
        if let (Some(own), Some(asked)) = (&self.own_name, &asked)
            && !is_this_machine(asked.host(), own)
        {
            let detail = format!(
                "it is bound to this machine alone, and was asked by another name; bind it elsewhere with \
                 --http-address to be asked by others: host={}",
                asked.host()
            );
            return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, detail));
        }
        if is_change(request.method()) {
            check_page(request.headers(), asked.as_ref())?;
        }
        Ok(())
    }
}

fn is_change(method: &Method) -> bool {
    !method.is_safe()
}

/// By which name. Requests of HTTP/1.0 need not say.
fn asked(request: &Request) -> Result<Option<Authority>, Problem> {
    if let Some(authority) = request.uri().authority() {
        return Ok(Some(authority.clone()));
    }
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let refused = |detail| Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    match (hosts.next(), hosts.next()) {
        (None, _) if request.version() < Version::HTTP_11 => Ok(None),
        (None, _) => refused("the request has no Host"),
        (Some(_), Some(_)) => refused("the request has more than one Host"),
        (Some(host), None) => match Authority::try_from(host.as_bytes()) {
            Ok(authority) => Ok(Some(authority)),
            Err(_) => refused("the request's Host is none"),
        },
    }
}

fn is_this_machine(asked: &str, own: &str) -> bool {
    let bare = asked.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase();
    let is_loopback = bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    is_loopback || bare == "localhost" || bare.ends_with(".localhost") || bare == own
}

/// Programs send neither header, and old browsers no `Sec-Fetch-Site`.
fn check_page(headers: &HeaderMap, asked: Option<&Authority>) -> Result<(), Problem> {
    let text = |name| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let (site, origin) = (text("sec-fetch-site"), text(header::ORIGIN.as_str()));
    let is_own = match (site.as_deref(), origin.as_deref()) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => is_origin_of(origin, asked),
        (None, None) => true,
    };
    if is_own {
        return Ok(());
    }
    let shown: String = origin.unwrap_or_default().chars().take(100).collect();
    let detail = format!("pages from elsewhere may not ask for changes: origin={shown}");
    Err(Problem::new(StatusCode::FORBIDDEN, detail))
}

/// A page that does not tell where it is from has the origin `null`.
fn is_origin_of(origin: &str, asked: Option<&Authority>) -> bool {
    let from = origin.split_once("://").map(|(_, authority)| authority);
    from.is_some_and(|from| asked.is_some_and(|asked| asked.as_str().eq_ignore_ascii_case(from)))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn request(method: &str, uri: &str, headers: &[(&str, &str)]) -> Request {
        let mut request = axum::http::Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).unwrap()
    }

    fn status(guard: &Guard, request: &Request) -> u16 {
        guard.check(request).map_or_else(|problem| problem.status().as_u16(), |()| 200)
    }

    #[test]
    fn on_loopback_it_is_asked_by_a_name_of_this_machine() {
        let guard = Guard::new("pizza.test", true);
        let of_host = |host: &str| status(&guard, &request("GET", "/report", &[("host", host)]));
        for own in [
            "localhost:5000",
            "LOCALHOST",
            "127.0.0.1:5000",
            "127.9.9.9",
            "[::1]:5000",
            "shop.localhost:1",
            "localhost.",
        ] {
            assert_eq!(of_host(own), 200, "{own}");
        }
        assert_eq!(of_host("Pizza.test:80"), 200);
        for other in ["rebound.example:5000", "localhost.example", "10.0.0.1", "127.0.0.1.example", "[::2]"] {
            assert_eq!(of_host(other), 421, "{other}");
        }
        for none in ["", "a b", "http://localhost", "localhost/"] {
            assert_eq!(of_host(none), 400, "{none:?}");
        }
    }

    #[test]
    fn a_host_is_named_once_or_by_an_absolute_path() {
        let guard = Guard::new("127.0.0.1", true);
        assert_eq!(status(&guard, &request("GET", "/", &[])), 400);
        assert_eq!(status(&guard, &request("GET", "/", &[("host", "localhost"), ("host", "localhost")])), 400);
        assert_eq!(status(&guard, &request("GET", "http://rebound.example/", &[("host", "localhost")])), 421);
        let mut old = request("GET", "/", &[]);
        *old.version_mut() = Version::HTTP_10;
        assert_eq!(status(&guard, &old), 200);
    }

    #[test]
    fn who_is_bound_elsewhere_is_asked_by_any_name() {
        let guard = Guard::new("0.0.0.0", false);
        assert_eq!(status(&guard, &request("GET", "/report", &[("host", "pizza.example")])), 200);
    }

    #[test]
    fn a_page_from_elsewhere_may_ask_and_change_nothing() {
        let guard = Guard::new("0.0.0.0", false);
        let of = |method: &str, origin: &str| {
            status(&guard, &request(method, "/order/1", &[("host", "shop.example:5000"), ("origin", origin)]))
        };
        assert_eq!(of("POST", "http://shop.example:5000"), 200);
        assert_eq!(of("POST", "HTTPS://Shop.example:5000"), 200);
        for stranger in
            ["http://evil.example", "http://shop.example", "http://shop.example:5001", "null", "", "shop.example:5000"]
        {
            assert_eq!(of("POST", stranger), 403, "{stranger:?}");
            assert_eq!(of("DELETE", stranger), 403, "{stranger:?}");
            assert_eq!(of("GET", stranger), 200, "{stranger:?}");
        }
        assert_eq!(status(&guard, &request("POST", "/order/1", &[("host", "shop.example")])), 200, "no browser");
    }

    /// A proxy in front may ask by another name than the page's.
    #[test]
    fn a_browser_that_says_how_page_and_server_belong_together_is_believed() {
        let guard = Guard::new("127.0.0.1", true);
        let of = |site: &str| {
            let headers = [("host", "localhost:5000"), ("origin", "https://shop.example"), ("sec-fetch-site", site)];
            status(&guard, &request("POST", "/order/1", &headers))
        };
        assert_eq!([of("same-origin"), of("none")], [200, 200]);
        assert_eq!([of("same-site"), of("cross-site"), of("")], [403, 403, 403]);
    }
}
