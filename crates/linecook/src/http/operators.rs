//! Who may change what a service has, beyond placing an order.
//!
//! Whoever is on this machine may, unless a token is set; from anywhere else it takes one, as RFC 6750 has it:
//! `Authorization: Bearer <token>`. What a proxy passes on is from anywhere, whatever the server is bound to:
//! who has one says so by the names that it is asked by, and the proxy by its headers.

use axum::http::{HeaderMap, StatusCode, header};

use super::{Guard, Problem};
use crate::settings::Secret;

/// See the [module](self).
#[derive(Debug, Clone)]
pub(crate) struct Operators {
    token: Option<Secret>,
    /// Whether nobody else reaches the server.
    is_this_machine: bool,
}

/// What proxies add: RFC 7239, what was there before it, and RFC 9110.
const FORWARDED: [&str; 5] = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"];

impl Operators {
    /// Those of a server with that guard. With a token nobody gets by without it.
    pub(crate) fn new(guard: &Guard, token: Option<Secret>, has_proxy: bool) -> Self {
        Self { token, is_this_machine: matches!(guard, Guard::Loopback(_)) && !has_proxy }
    }

    /// Whoever asks.
    pub(crate) fn anybody() -> Self {
        Self { token: None, is_this_machine: true }
    }

    /// That a request is an operator's.
    ///
    /// # Errors
    /// 401: without the token, or with another. 403: there is none, and others than this machine reach the server.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Problem> {
        match &self.token {
            Some(token) if given(headers).is_some_and(|given| is_same(given, token.expose().as_bytes())) => Ok(()),
            Some(_) => Err(Problem::new(
                StatusCode::UNAUTHORIZED,
                "this takes the token of operators: Authorization: Bearer TOKEN, on the command line --operator-token",
            )),
            None if self.is_this_machine && !FORWARDED.iter().any(|name| headers.contains_key(*name)) => Ok(()),
            None => Err(Problem::new(
                StatusCode::FORBIDDEN,
                "others than this machine reach this server, so this takes a token, and none is set: --operator-token",
            )),
        }
    }
}

/// The token that came with the request. The scheme is compared as RFC 9110 has it, without regard to case.
fn given(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// Takes as long wherever they differ, so that nobody finds the token byte by byte.
fn is_same(given: &[u8], token: &[u8]) -> bool {
    let difference = given.iter().zip(token).fold(0, |difference, (one, other)| difference | (one ^ other));
    given.len() == token.len() && difference == 0 && !token.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(operators: &Operators, authorization: Option<&str>) -> u16 {
        let mut headers = HeaderMap::new();
        headers.extend(authorization.map(|text| (header::AUTHORIZATION, text.parse().unwrap())));
        operators.check(&headers).map_or_else(|problem| problem.status().as_u16(), |()| 200)
    }

    fn operators(address: &str, token: Option<&str>) -> Operators {
        Operators::new(&Guard::new(address.parse().unwrap(), []), token.map(Secret::new), false)
    }

    /// What it passes on came to loopback like anything that was sent here, and whoever reached the proxy was an operator.
    #[test]
    fn what_a_proxy_passes_on_needs_a_token() {
        let guard = Guard::new("127.0.0.1".parse().unwrap(), ["pizza.test".to_owned()]);
        assert_eq!(status(&Operators::new(&guard, None, true), None), 403);
        let here = operators("127.0.0.1", None);
        for name in FORWARDED {
            let mut headers = HeaderMap::new();
            headers.insert(name, "10.0.0.7".parse().unwrap());
            assert_eq!(here.check(&headers).unwrap_err().status(), StatusCode::FORBIDDEN, "{name}");
        }
    }

    #[test]
    fn this_machine_needs_a_token_only_if_one_is_set() {
        let here = operators("127.0.0.1", None);
        assert_eq!([status(&here, None), status(&here, Some("Bearer x"))], [200, 200]);
        let here = operators("127.0.0.1", Some("basil"));
        assert_eq!([status(&here, None), status(&here, Some("Bearer basil"))], [401, 200]);
    }

    #[test]
    fn from_elsewhere_nothing_goes_without_the_token() {
        let there = operators("0.0.0.0", None);
        assert_eq!([status(&there, None), status(&there, Some("Bearer "))], [403, 403]);
        let there = operators("0.0.0.0", Some("basil"));
        for odd in ["Bearer", "Bearer ", "Bearer basi", "Bearer basilx", "Basic basil", "basil", "Bearer oregano"] {
            assert_eq!(status(&there, Some(odd)), 401, "{odd}");
        }
        assert_eq!([status(&there, Some("Bearer basil")), status(&there, Some("bearer  basil"))], [200, 200]);
        assert_eq!(status(&operators("0.0.0.0", Some("")), Some("Bearer ")), 401, "an empty token is none");
    }
}
