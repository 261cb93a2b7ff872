use ring::digest::{SHA256, digest};

use crate::base::{Head, base64};

/// What API Gateway says to a request without a route whose `Authorization` is no signature: it takes it for one. `None`:
/// it is a signature.
pub(super) fn bad_signature(authorization: &[u8], head: &Head<'_>) -> Option<String> {
    const ALGORITHM: &[u8] = b"AWS4-HMAC-SHA256";
    let authorization = authorization.trim_ascii();
    if authorization.starts_with(ALGORITHM) {
        return None;
    }
    let hash: [u8; 44] = base64(digest(&SHA256, authorization).as_ref());
    let hash = String::from_utf8_lossy(&hash);
    let pairs = authorization.iter().position(|byte| *byte == b' ').map(|space| &authorization[space..]);
    if pairs.is_some_and(|pairs| pairs.split(|byte| *byte == b',').any(|pair| !pair.contains(&b'='))) {
        return Some(format!(
            "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and encoded with \
             Base64): '{hash}'."
        ));
    }
    let mut message = String::new();
    for parameter in ["Credential", "Signature", "SignedHeaders"] {
        message += &format!("Authorization header requires '{parameter}' parameter. ");
    }
    if head.fields.get("x-amz-date").is_none() && head.fields.get("date").is_none() {
        message += "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ";
    }
    Some(message + &format!("(Hashed with SHA-256 and encoded with Base64) Authorization={hash}"))
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::base::{Fields, Scheme};

    #[track_caller]
    fn check(authorization: &str, fields: &[(&str, &[u8])], expected: Option<&str>) {
        let head = Head {
            method: "GET",
            host: "x",
            path: "/",
            query: None,
            fields: Fields::List(fields),
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
            scheme: Scheme::Http,
        };
        assert_eq!(bad_signature(authorization.as_bytes(), &head).as_deref(), expected, "{authorization}");
    }

    #[test]
    fn what_is_no_signature_is_taken_for_a_bad_one() {
        let missing = "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and encoded with Base64): 'w1Xc6WwWEogNEZQP/dkBTThsJT4MNlKmzQanIm970rY='.";
        check("Bearer abc", &[], Some(missing));
        let requires = "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. ";
        let date = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ";
        let hash =
            "(Hashed with SHA-256 and encoded with Base64) Authorization=ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=";
        check("abc", &[], Some(&format!("{requires}{date}{hash}")));
        check("abc", &[("Date", b"x")], Some(&format!("{requires}{hash}")));
        check("AWS4-HMAC-SHA256 Credential=x", &[], None);
    }
}
