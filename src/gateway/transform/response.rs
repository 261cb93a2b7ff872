use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use pingora_http::ResponseHeader;
use smallvec::SmallVec;

use super::fields::{Kind, is_one_of, nominations};
use super::remap::{Fate, Remapping};
use crate::base::{Fields, is_token};

/// Fields under other names than their back end gave them.
type Renamed = SmallVec<[(&'static str, HeaderValue); 4]>;

/// What of a back end's answer is not the client's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Cleaning {
    pub(super) remapping: Remapping,
    /// Whether the gateway answers for CORS itself.
    pub(super) ignores_cors: bool,
}

impl Cleaning {
    /// Takes from an answer what was only for this hop (RFC 9110 section 7.6.1) and what the gateway says itself; the
    /// rest is the client's, under the names that it has there.
    ///
    /// For `upstream_response_filter`, before Pingora decides how to frame the answer for the client.
    /// An upgrade's answer keeps its `Connection` and `Upgrade`: they are what makes it one.
    pub fn clean(self, response: &mut ResponseHeader) {
        if response.status == StatusCode::SWITCHING_PROTOCOLS {
            return;
        }
        let (leaving, renamed) = self.changes(&response.headers);
        for name in &leaving {
            response.remove_header(name);
        }
        for (name, value) in renamed {
            // Refused only past the header map's bound of 32,768 fields, which no parser of ours lets in.
            let _ = response.append_header(HeaderName::from_static(name), value);
        }
    }

    /// Calls `each` with every field of an answer that is the client's: what [`Cleaning::clean`] leaves.
    pub fn for_each_field<'a>(self, fields: &Fields<'a>, mut each: impl FnMut(&'a [u8], &'a [u8])) {
        let nominated = nominations(fields);
        fields.for_all(|name, value| match self.fate(name, &nominated) {
            Fate::Passes => each(name, value),
            Fate::Drops => {}
            Fate::Renamed(other) => each(other.as_bytes(), value),
            Fate::Copied(other) => {
                each(name, value);
                each(other.as_bytes(), value);
            }
        });
    }

    fn fate(self, name: &[u8], nominated: &[&[u8]]) -> Fate {
        match self.remapping.fate(name) {
            Fate::Passes if Kind::of(name) == Kind::HopByHop || is_one_of(name, nominated) => Fate::Drops,
            Fate::Passes if self.ignores_cors && is_of_cors(name) => Fate::Drops,
            fate => fate,
        }
    }

    fn changes(self, fields: &HeaderMap) -> (SmallVec<[HeaderName; 4]>, Renamed) {
        let nominated = nominations(&Fields::Map(fields));
        let (mut leaving, mut renamed) = (SmallVec::new(), SmallVec::new());
        for name in fields.keys() {
            let fate = self.fate(name.as_str().as_bytes(), &nominated);
            if let Fate::Renamed(other) | Fate::Copied(other) = fate {
                renamed.extend(fields.get_all(name).iter().map(|value| (other, value.clone())));
            }
            if matches!(fate, Fate::Drops | Fate::Renamed(_)) {
                leaving.push(name.clone());
            }
        }
        (leaving, renamed)
    }
}

/// Whether the field `name`, in any case, is a server's word on CORS.
pub fn is_of_cors(name: &[u8]) -> bool {
    name.first_chunk().is_some_and(|start: &[u8; 15]| is_token(start, b"access-control-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(cleaning: Cleaning, status: u16, fields: &[(&'static str, &'static str)]) -> Vec<String> {
        let mut response = ResponseHeader::build(status, None).unwrap();
        for (name, value) in fields {
            response.append_header(*name, *value).unwrap();
        }
        cleaning.clean(&mut response);
        let list: Vec<(&str, &[u8])> = fields.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        let mut called = Vec::new();
        cleaning.for_each_field(&Fields::List(&list), |name, _| {
            called.push(String::from_utf8_lossy(name).to_lowercase());
        });
        let mut left: Vec<String> = response.headers.keys().map(ToString::to_string).collect();
        left.sort();
        called.sort();
        assert!(status == 101 || called == left, "{called:?} is not {left:?}");
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
        assert_eq!(cleaned(Cleaning::default(), 200, &fields), ["content-type", "set-cookie"]);
    }

    #[test]
    fn an_upgrade_keeps_what_makes_it_one() {
        let fields = [("Connection", "Upgrade"), ("Upgrade", "websocket")];
        assert_eq!(cleaned(Cleaning::default(), 101, &fields), ["connection", "upgrade"]);
    }

    #[test]
    fn in_aws_style_the_clients_sees_what_was_renamed() {
        let fields = [
            ("Connection", "keep-alive"),
            ("Date", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("Server", "nginx"),
            ("WWW-Authenticate", "Basic"),
            ("TE", "x"),
            ("X-Own", "1"),
        ];
        let cleaning = Cleaning { remapping: Remapping::HttpProxy, ignores_cors: false };
        let expected = [
            "date",
            "x-amzn-remapped-connection",
            "x-amzn-remapped-date",
            "x-amzn-remapped-server",
            "x-amzn-remapped-www-authenticate",
            "x-own",
        ];
        assert_eq!(cleaned(cleaning, 200, &fields), expected);
    }

    #[test]
    fn a_back_end_has_no_say_in_cors_where_the_gateway_has() {
        let fields = [("Access-Control-Allow-Origin", "*"), ("Vary", "Origin")];
        assert_eq!(cleaned(Cleaning { ignores_cors: true, ..Cleaning::default() }, 200, &fields), ["vary"]);
        assert_eq!(cleaned(Cleaning::default(), 200, &fields).len(), 2);
    }
}
