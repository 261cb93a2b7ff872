//! Which fields API Gateway drops and renames between a client and a back end: section 12.5 of its semantics, as it was
//! recorded from the service, and its documented table where nothing was recorded.

use crate::base::is_token;

/// Whose rules are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Remapping {
    /// HTTP's own: in standard style.
    #[default]
    Off,
    /// API Gateway's, of an `HTTP` integration.
    Http,
    /// API Gateway's, of an `HTTP_PROXY` integration.
    HttpProxy,
}

/// What becomes of a field of a back end's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Passes,
    Drops,
    /// Goes on under this name.
    Renamed(&'static str),
    /// Goes on under this name; what it says under its own is the gateway's.
    Copied(&'static str),
}

impl Remapping {
    pub fn new(is_aws: bool, is_proxy: bool) -> Remapping {
        match (is_aws, is_proxy) {
            (false, _) => Remapping::Off,
            (true, false) => Remapping::Http,
            (true, true) => Remapping::HttpProxy,
        }
    }

    /// Whether the client's field `name` (in any case) is dropped before anything is mapped.
    pub fn hides(self, name: &[u8]) -> bool {
        self != Remapping::Off && is_hidden(name)
    }

    /// Whether the client's field is sent on to the back end, where nothing is mapped to its name.
    pub(super) fn sends(self, name: &[u8], value: &[u8]) -> bool {
        match self {
            Remapping::Off => true,
            // It sends its own `Accept`, whatever the client's.
            Remapping::Http => !is_token(name, b"accept"),
            Remapping::HttpProxy => !is_hidden(name) && !is_token(name, b"via") && !is_signature(name, value),
        }
    }

    /// What becomes of the field `name` (in any case) of a back end's answer.
    pub fn fate(self, name: &[u8]) -> Fate {
        if self == Remapping::Off {
            return Fate::Passes;
        }
        match name.len() {
            2 if is_token(name, b"te") => Fate::Drops,
            3 if is_token(name, b"via") && self == Remapping::HttpProxy => Fate::Drops,
            4 if is_token(name, b"date") => Fate::Copied("x-amzn-remapped-date"),
            4 if is_token(name, b"host") => Fate::Drops,
            6 if is_token(name, b"expect") => Fate::Drops,
            6 if is_token(name, b"accept") && self == Remapping::Http => Fate::Drops,
            6 if is_token(name, b"server") => Fate::Renamed("x-amzn-remapped-server"),
            10 if is_token(name, b"connection") => Fate::Renamed("x-amzn-remapped-connection"),
            10 if is_token(name, b"user-agent") => Fate::Renamed("x-amzn-remapped-user-agent"),
            11 if is_token(name, b"content-md5") => Fate::Renamed("x-amzn-remapped-content-md5"),
            12 if is_token(name, b"max-forwards") => Fate::Renamed("x-amzn-remapped-max-forwards"),
            13 if is_token(name, b"authorization") => Fate::Renamed("x-amzn-remapped-authorization"),
            14 if is_token(name, b"content-length") => Fate::Copied("x-amzn-remapped-content-length"),
            // The gateway says these itself.
            14 if is_token(name, b"x-amz-apigw-id") => Fate::Drops,
            15 if is_token(name, b"x-amzn-trace-id") && self == Remapping::Http => Fate::Drops,
            16 if is_token(name, b"x-amzn-requestid") => Fate::Renamed("x-amzn-remapped-x-amzn-requestid"),
            16 if is_token(name, b"www-authenticate") => Fate::Renamed("x-amzn-remapped-www-authenticate"),
            _ => Fate::Passes,
        }
    }
}

/// The name under which a field comes back that an `HTTP` integration sets through `method.response.header.NAME`
/// (`name` in lower case); `None`: its own.
pub fn remapped(name: &str) -> Option<&'static str> {
    Some(match name {
        "authorization" => "x-amzn-remapped-authorization",
        "connection" => "x-amzn-remapped-connection",
        "content-length" => "x-amzn-remapped-content-length",
        "content-md5" => "x-amzn-remapped-content-md5",
        "date" => "x-amzn-remapped-date",
        "expect" => "x-amzn-remapped-expect",
        "host" => "x-amzn-remapped-host",
        "max-forwards" => "x-amzn-remapped-max-forwards",
        "proxy-authenticate" => "x-amzn-remapped-proxy-authenticate",
        "server" => "x-amzn-remapped-server",
        "trailer" => "x-amzn-remapped-trailer",
        "upgrade" => "x-amzn-remapped-upgrade",
        "user-agent" => "x-amzn-remapped-user-agent",
        "www-authenticate" => "x-amzn-remapped-www-authenticate",
        _ => return None,
    })
}

fn is_hidden(name: &[u8]) -> bool {
    match name.len() {
        2 => is_token(name, b"te"),
        6 => is_token(name, b"expect") || is_token(name, b"server"),
        7 => is_token(name, b"trailer") || is_token(name, b"upgrade"),
        10 => is_token(name, b"connection"),
        11 => is_token(name, b"content-md5"),
        12 => is_token(name, b"max-forwards"),
        14 => is_token(name, b"content-length"),
        16 => is_token(name, b"www-authenticate"),
        17 => is_token(name, b"transfer-encoding"),
        18 => is_token(name, b"proxy-authenticate"),
        _ => false,
    }
}

/// An AWS signature is for the gateway, not for what is behind it.
fn is_signature(name: &[u8], value: &[u8]) -> bool {
    is_token(name, b"authorization") && value.trim_ascii_start().starts_with(b"AWS4-HMAC-SHA256")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expected`: `P`, `D`, `R` or `RO` (renamed, and the gateway's own beside it).
    #[track_caller]
    fn check(remapping: Remapping, expected: &str, names: &[&str]) {
        for name in names {
            let told = match remapping.fate(name.as_bytes()) {
                Fate::Passes => "P",
                Fate::Drops => "D",
                Fate::Renamed(new) if new == format!("x-amzn-remapped-{}", name.to_lowercase()) => "R",
                Fate::Copied(new) if new == format!("x-amzn-remapped-{}", name.to_lowercase()) => "RO",
                other => panic!("{name}: {other:?}"),
            };
            assert_eq!(told, expected, "{remapping:?} {name}");
        }
    }

    #[test]
    fn an_answer_comes_back_as_it_was_recorded() {
        use Remapping::{Http, HttpProxy, Off};
        let renamed =
            ["Authorization", "Connection", "Content-MD5", "Max-Forwards", "Server", "User-Agent", "WWW-Authenticate"];
        let passed =
            ["Age", "Accept-Charset", "Content-Type", "Content-Encoding", "Pragma", "Range", "Referer", "Warn"];
        for remapping in [Http, HttpProxy] {
            check(remapping, "R", &renamed);
            check(remapping, "RO", &["Date", "Content-Length"]);
            check(remapping, "P", &passed);
            check(remapping, "P", &["Access-Control-Allow-Origin", "X-Own", "Set-Cookie", "ETag"]);
            check(remapping, "D", &["Expect", "Host", "TE", "x-amz-apigw-id"]);
            check(remapping, "R", &["x-amzn-RequestId"]);
        }
        check(Http, "P", &["Via"]);
        check(HttpProxy, "D", &["Via"]);
        check(Http, "D", &["Accept"]);
        check(HttpProxy, "P", &["Accept", "X-Amzn-Trace-Id"]);
        check(Off, "P", &renamed);
    }

    #[test]
    fn what_an_integration_maps_to_a_header_has_its_own_name_or_the_recorded_one() {
        for name in ["accept", "age", "content-encoding", "content-type", "te", "via", "warn", "x-own"] {
            assert_eq!(remapped(name), None, "{name}");
        }
        for name in ["date", "expect", "host", "proxy-authenticate", "trailer", "upgrade", "www-authenticate"] {
            assert_eq!(remapped(name), Some(format!("x-amzn-remapped-{name}").as_str()));
        }
    }

    #[test]
    fn a_proxys_request_loses_what_was_recorded_and_no_more() {
        let sends = |name: &str| Remapping::HttpProxy.sends(name.as_bytes(), b"x");
        for name in ["Content-MD5", "Max-Forwards", "Server", "WWW-Authenticate", "Via", "TE", "Expect"] {
            assert!(!sends(name), "{name}");
            assert!(Remapping::Off.sends(name.as_bytes(), b"x"), "{name}");
        }
        for name in ["Accept", "Accept-Charset", "Age", "Authorization", "Content-Type", "Date", "Pragma", "Range"] {
            assert!(sends(name), "{name}");
        }
        assert!(!Remapping::HttpProxy.sends(b"Authorization", b"AWS4-HMAC-SHA256 Credential=x"));
        assert!(Remapping::HttpProxy.hides(b"content-md5") && !Remapping::Off.hides(b"content-md5"));
    }
}
