use std::path::{Path, PathBuf};

use super::read::Value;
use super::{Config, Fault, Located, Span};

/// `[acme]`: who issues the certificates that listeners name in `tls.acme`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acme {
    /// Whether the authority's terms of service are agreed to; without that nothing is ordered.
    pub agree_tos: bool,
    /// `email`: where the authority writes to when the account is made. None unless written.
    pub email: Option<String>,
    /// The URL of its directory (RFC 8555 section 7.1.1), by HTTPS; Let's Encrypt's unless written.
    pub directory: Located<String>,
    /// `ca`: a PEM file of authorities that the directory's own certificate is verified with; the system's unless written.
    pub ca: Option<Located<PathBuf>>,
}

/// A certificate that is obtained: its DNS names in lower case, at least one. It is kept under the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcmeCertificate {
    pub names: Vec<Located<String>>,
}

const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// As many names as Let's Encrypt puts into one certificate.
const NAMES_MAX: usize = 100;

impl Default for Acme {
    fn default() -> Acme {
        let directory = Located::new(LETS_ENCRYPT.to_owned(), Span::default());
        Acme { agree_tos: false, email: None, directory, ca: None }
    }
}

impl Acme {
    pub(super) fn read(value: Value<'_>) -> Option<Acme> {
        let table = value.table("[acme]", &["agree_tos", "email", "directory", "ca"])?;
        Some(Acme {
            agree_tos: table.or("agree_tos", false, Value::bool),
            email: table.optional("email", read_email),
            directory: table.or("directory", Acme::default().directory, |value| value.located(read_directory)),
            ca: table.optional("ca", |value| value.located(Value::path)),
        })
    }

    /// Where the account and its certificates are kept: apart for each directory, so that those of a staging authority
    /// are never served as those of the real one.
    pub fn folder(&self, state_dir: &Path) -> PathBuf {
        let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '_' };
        let name: String = self.directory.trim_start_matches("https://").chars().map(plain).collect();
        state_dir.join("acme").join(name)
    }
}

impl AcmeCertificate {
    /// The name that it is known by.
    pub fn name(&self) -> &str {
        &self.names[0]
    }

    /// Where it is kept in the folder of its authority: one file with its key and its chain.
    pub fn file(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.pem", self.name()))
    }

    /// One entry of `tls.acme`: a name, or a list of names for one certificate.
    pub(super) fn read(value: Value<'_>) -> Option<AcmeCertificate> {
        let names = match value.is_string() {
            true => vec![value.located(read_name)?],
            false => value.list(|value| value.located(read_name))?,
        };
        if let Some((_, name)) = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
            return value.refuse_at(name.span, format!("\"{}\" is named twice", **name), "name it once");
        }
        match names.len() {
            0 => value.refuse("a certificate for no name", "write a name such as \"api.example.com\""),
            1..=NAMES_MAX => Some(AcmeCertificate { names }),
            many => value.refuse(
                format!("a certificate for {many} names"),
                format!("an authority puts at most {NAMES_MAX} into one: write several lists"),
            ),
        }
    }
}

/// What of ACME only makes sense together.
pub(super) fn check(config: &Config) -> Vec<Fault> {
    let listeners = &config.server.listen;
    let wanted = || listeners.iter().filter_map(|it| it.tls.as_ref()).flat_map(|tls| &tls.acme);
    let Some(first) = wanted().next() else { return Vec::new() };
    let span = first.names[0].span;
    let mut faults = Vec::new();
    if !config.acme.agree_tos {
        let fault = Fault::at(span, "a certificate by ACME is asked for, and its authority's terms are not agreed to");
        faults.push(fault.with_help("read the terms of service and write [acme] with agree_tos = true"));
    }
    if listeners.iter().all(|it| it.tls.is_some()) {
        let fault = Fault::at(span, "an ACME server asks over plaintext, and no listener is in plaintext");
        faults.push(fault.with_help("add \"0.0.0.0:80\" to `server.listen`, or the address that port 80 leads to"));
    }
    let differs = |it: &&AcmeCertificate| wanted().any(|other| other.name() == it.name() && other.names != it.names);
    if let Some(certificate) = wanted().find(differs) {
        let (name, span) = (certificate.name(), certificate.names[0].span);
        let fault = Fault::at(span, format!("two certificates begin with \"{name}\" and have other names besides"));
        faults.push(fault.with_help("a certificate is kept under its first name: write the same list in both places"));
    }
    faults
}

fn read_email(value: Value<'_>) -> Option<String> {
    let text = value.string()?;
    let is_address = text.split_once('@').is_some_and(|(local, host)| !local.is_empty() && host.contains('.'));
    if !is_address || !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',' && byte != b'?') {
        return value.refuse_text("which is no e-mail address", "write one such as \"ops@example.com\"");
    }
    Some(text)
}

fn read_directory(value: Value<'_>) -> Option<String> {
    let text = value.string()?;
    let is_url = text.parse::<http::Uri>().is_ok_and(|uri| uri.host().is_some_and(|host| !host.is_empty()));
    if !is_url || !text.starts_with("https://") {
        let help = format!("write a URL that begins with https://, such as \"{LETS_ENCRYPT}\"");
        return value.refuse_text("which is no directory of an ACME server", help);
    }
    Some(text)
}

fn read_name(value: Value<'_>) -> Option<String> {
    let name = value.text()?.to_ascii_lowercase();
    if name.starts_with("*.") {
        return value.refuse(
            format!("\"{}\" is a wildcard, which HTTP-01 cannot prove", value.written()),
            "list the names, or obtain the certificate elsewhere (by DNS-01) and write its `cert` and `key`",
        );
    }
    if !is_dns_name(&name) {
        let help = "write a name that the public can resolve, such as \"api.example.com\"; other letters as xn--…";
        return value.refuse(format!("\"{}\" is not a DNS name", value.written()), help);
    }
    Some(name)
}

/// Labels of letters, digits and hyphens (RFC 1123 section 2.1); what ends in a number is an address.
fn is_dns_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let is_plain = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        is_plain && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= 253 && name.split('.').all(is_label) && !last.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Faults, parse};

    fn read(acme: &str, certificates: &str) -> Result<Config, Faults> {
        let listen = format!("[\"0.0.0.0:80\", {{ address = \"0.0.0.0:443\", tls = {{ acme = {certificates} }} }}]");
        parse(&format!("[acme]\n{acme}\n[server]\nlisten = {listen}\n"))
    }

    fn check(acme: &str, certificates: &str, expected: Option<&str>) {
        let refused = read(acme, certificates).err();
        let found = refused.as_ref().and_then(|faults| faults.iter().next()).map(|fault| fault.message.as_str());
        assert_eq!(found, expected, "{acme} {certificates}");
    }

    const AGREED: &str = "agree_tos = true";

    #[test]
    fn what_no_authority_would_issue_is_refused() {
        check(AGREED, r#"["api.example.com", ["Example.com", "www.example.com"]]"#, None);
        let wildcard = "\"*.example.com\" is a wildcard, which HTTP-01 cannot prove";
        check(AGREED, r#"["*.example.com"]"#, Some(wildcard));
        check(AGREED, r#"["192.0.2.1"]"#, Some("\"192.0.2.1\" is not a DNS name"));
        check(AGREED, r#"["a_b.example.com"]"#, Some("\"a_b.example.com\" is not a DNS name"));
        check(AGREED, r#"["-a.example.com"]"#, Some("\"-a.example.com\" is not a DNS name"));
        check(AGREED, r#"["a..example.com"]"#, Some("\"a..example.com\" is not a DNS name"));
        check(AGREED, r#"[["a.example", "A.example"]]"#, Some("\"a.example\" is named twice"));
        check(AGREED, "[[]]", Some("a certificate for no name"));
        check(AGREED, "[]", Some("a listener's tls names no certificate"));
        let names: Vec<_> = (0..101).map(|at| format!("\"{at}.example.com\"")).collect();
        check(AGREED, &format!("[[{}]]", names.join(", ")), Some("a certificate for 101 names"));
    }

    #[test]
    fn who_issues_is_named_by_https_and_agreed_to() {
        let names = r#"["api.example.com"]"#;
        let disagreed = "a certificate by ACME is asked for, and its authority's terms are not agreed to";
        check("", names, Some(disagreed));
        let plain = "agree_tos = true\ndirectory = \"http://acme.example\"";
        check(plain, names, Some("`directory` is \"http://acme.example\", which is no directory of an ACME server"));
        let email = "agree_tos = true\nemail = \"ops\"";
        check(email, names, Some("`email` is \"ops\", which is no e-mail address"));
        let two = r#"[["example.com", "a.example.com"], ["example.com", "b.example.com"]]"#;
        check(AGREED, two, Some("two certificates begin with \"example.com\" and have other names besides"));
    }

    #[test]
    fn an_authority_that_cannot_ask_is_told_of_before_it_does() {
        let only_tls = "[{ address = \"0.0.0.0:443\", tls = { acme = [\"example.com\"] } }]";
        let refused = parse(&format!("[acme]\nagree_tos = true\n[server]\nlisten = {only_tls}\n")).unwrap_err();
        let message = &refused.iter().next().unwrap().message;
        assert_eq!(message, "an ACME server asks over plaintext, and no listener is in plaintext");
    }

    #[test]
    fn directories_are_kept_apart() {
        let folder = |directory: &str| {
            let acme = Acme { directory: Located::new(directory.to_owned(), Span::default()), ..Acme::default() };
            acme.folder(Path::new("data"))
        };
        assert_eq!(folder(LETS_ENCRYPT), Path::new("data/acme/acme-v02.api.letsencrypt.org_directory"));
        assert_eq!(folder("https://[::1]:14000/dir"), Path::new("data/acme/___1__14000_dir"));
        assert_eq!(folder("https://ca/../../x"), Path::new("data/acme/ca_.._.._x"));
    }
}
