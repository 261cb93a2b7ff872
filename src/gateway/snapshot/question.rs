use crate::base::{Fields, Head, Scheme, canonical_path};

/// A request that nobody sent: what `explain` and the flush of one key ask about.
#[derive(Debug)]
pub struct Question {
    method: String,
    scheme: Scheme,
    host: String,
    path: String,
    query: Option<String>,
    /// Names in lower case.
    fields: Vec<(String, String)>,
}

impl Question {
    /// `url` is a URL or only a path; `headers` are `Name: value`. The error says what is wrong with which of them.
    pub fn new(method: &str, url: &str, headers: &[String]) -> Result<Question, String> {
        let (scheme, rest) = match url.split_once("://") {
            Some(("http", rest)) => (Scheme::Http, rest),
            Some(("https", rest)) => (Scheme::Https, rest),
            Some((other, _)) => return Err(format!("{other}:// is not served; write http:// or https://")),
            None if url.starts_with('/') => (Scheme::Http, url),
            None => return Err(format!("{url:?} is no URL; write http://host/path or /path")),
        };
        let (authority, target) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let target = if target.is_empty() { "/" } else { target };
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let path = canonical_path(path).map_err(|fault| format!("{url:?}: {}", fault.detail()))?;
        let fields = headers.iter().map(|header| field(header)).collect::<Result<Vec<_>, _>>()?;
        let host_field = fields.iter().find(|(name, _)| name == "host").map(|(_, value)| value.as_str());
        Ok(Question {
            method: method.to_ascii_uppercase(),
            scheme,
            host: host_of(if authority.is_empty() { host_field.unwrap_or_default() } else { authority }).to_string(),
            path: path.into_owned(),
            query: query.map(str::to_string),
            fields,
        })
    }

    /// Hands the request's head to `ask`.
    pub fn with_head<R>(&self, ask: impl FnOnce(&Head<'_>) -> R) -> R {
        let fields: Vec<_> = self.fields.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        ask(&Head {
            method: &self.method,
            host: &self.host,
            path: &self.path,
            query: self.query.as_deref(),
            fields: Fields::List(&fields),
            client: std::net::Ipv4Addr::LOCALHOST.into(),
            scheme: self.scheme,
        })
    }
}

fn field(header: &str) -> Result<(String, String), String> {
    let (name, value) =
        header.split_once(':').ok_or_else(|| format!("{header:?} is no header field; write 'Name: value'"))?;
    Ok((name.trim().to_ascii_lowercase(), value.trim().to_string()))
}

/// An authority without its port.
pub(crate) fn host_of(authority: &str) -> &str {
    match memchr::memrchr2(b':', b']', authority.as_bytes()) {
        // The colons inside an IPv6 literal's brackets are not before a port.
        Some(at) if authority.as_bytes()[at] == b':' => &authority[..at],
        _ => authority,
    }
}
