use http::{HeaderMap, HeaderName, StatusCode};
use pingora_http::ResponseHeader;
use smallvec::SmallVec;

use super::fields::{Kind, is_one_of, nominations};
use crate::base::Fields;

/// Takes from a back end's answer what was only for this hop (RFC 9110 section 7.6.1); the rest is the client's.
///
/// For `upstream_response_filter`, before Pingora decides how to frame the answer for the client.
/// An upgrade's answer keeps its `Connection` and `Upgrade`: they are what makes it one.
pub fn clean_response(response: &mut ResponseHeader) {
    if response.status == StatusCode::SWITCHING_PROTOCOLS {
        return;
    }
    for name in &names_of_this_hop(&response.headers) {
        response.remove_header(name);
    }
}

/// Calls `each` with every field of a back end's answer that is the client's: what [`clean_response`] leaves.
pub fn for_each_clean_field<'a>(fields: &Fields<'a>, mut each: impl FnMut(&'a [u8], &'a [u8])) {
    let nominated = nominations(fields);
    fields.for_all(|name, value| {
        if !is_of_this_hop(name, &nominated) {
            each(name, value);
        }
    });
}

fn is_of_this_hop(name: &[u8], nominated: &[&[u8]]) -> bool {
    Kind::of(name) == Kind::HopByHop || is_one_of(name, nominated)
}

fn names_of_this_hop(fields: &HeaderMap) -> SmallVec<[HeaderName; 4]> {
    let nominated = nominations(&Fields::Map(fields));
    fields.keys().filter(|name| is_of_this_hop(name.as_str().as_bytes(), &nominated)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(status: u16, fields: &[(&'static str, &'static str)]) -> Vec<String> {
        let mut response = ResponseHeader::build(status, None).unwrap();
        for (name, value) in fields {
            response.append_header(*name, *value).unwrap();
        }
        clean_response(&mut response);
        let mut left: Vec<String> = response.headers.keys().map(ToString::to_string).collect();
        left.sort();
        left
    }

    #[test]
    fn what_was_for_this_hop_stays_on_this_hop() {
        let fields = [
            ("Connection", "close, X-Hop, Set-Cookie"),
            ("Keep-Alive", "timeout=5"),
            ("Transfer-Encoding", "chunked"),
            ("Proxy-Authenticate", "Basic"),
            ("Upgrade", "h2c"),
            ("X-Hop", "1"),
            ("Set-Cookie", "a=b"),
            ("Content-Type", "text/plain"),
        ];
        assert_eq!(cleaned(200, &fields), ["content-type", "set-cookie"]);
    }

    #[test]
    fn an_upgrade_keeps_what_makes_it_one() {
        assert_eq!(cleaned(101, &[("Connection", "Upgrade"), ("Upgrade", "websocket")]), ["connection", "upgrade"]);
    }
}
