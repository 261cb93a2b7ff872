use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::base::Head;
use crate::gateway::respond::{Reply, Sink};

/// Where an ACME server looks for the proof that a name is ours (RFC 8555 section 8.3).
const WELL_KNOWN: &str = "/.well-known/acme-challenge/";

/// What obtaining certificates shares with requests and probes: the proofs of open orders, and what went wrong.
#[derive(Debug, Default)]
pub struct Issuance {
    /// How many proofs there are, so that a request asks no more than that while there is none.
    open: AtomicUsize,
    /// By token.
    proofs: Mutex<HashMap<String, Bytes>>,
    /// By certificate.
    faults: Mutex<BTreeMap<String, String>>,
}

/// A proof that can be asked for until this is dropped.
#[derive(Debug)]
pub struct Proof<'i> {
    issuance: &'i Issuance,
    token: String,
}

impl Issuance {
    /// The answer to a challenge of an open order; any other request goes its own way.
    #[inline]
    pub fn answer(&self, head: &Head<'_>) -> Option<Reply> {
        if self.open.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.find(head)
    }

    #[cold]
    fn find(&self, head: &Head<'_>) -> Option<Reply> {
        let token = head.path.strip_prefix(WELL_KNOWN)?;
        let body = self.proofs().get(token).cloned()?;
        if !matches!(head.method, "GET" | "HEAD") {
            return None;
        }
        let mut reply = Reply::new(200, body);
        reply.text("content-type", b"application/octet-stream");
        Some(reply)
    }

    /// Answers the challenge with this token from now on.
    pub fn prove(&self, token: &str, key_authorization: &str) -> Proof<'_> {
        self.proofs().insert(token.to_owned(), Bytes::copy_from_slice(key_authorization.as_bytes()));
        self.open.fetch_add(1, Ordering::Relaxed);
        Proof { issuance: self, token: token.to_owned() }
    }

    /// Why a certificate was not obtained; `None`: it was.
    pub fn note(&self, certificate: &str, fault: Option<String>) {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        match fault {
            Some(fault) => faults.insert(certificate.to_owned(), fault),
            None => faults.remove(certificate),
        };
    }

    /// Which certificates were not obtained when that was tried last, and why.
    pub fn fault(&self) -> Option<String> {
        let faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let lines: Vec<_> = faults.iter().map(|(certificate, fault)| format!("{certificate}: {fault}")).collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }

    fn proofs(&self) -> MutexGuard<'_, HashMap<String, Bytes>> {
        self.proofs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Proof<'_> {
    fn drop(&mut self) {
        self.issuance.proofs().remove(&self.token);
        self.issuance.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Fields, Scheme};

    fn answer(issuance: &Issuance, method: &str, path: &str) -> Option<Bytes> {
        let client = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
        let fields = Fields::List(&[]);
        let head = Head { method, host: "a.example", path, query: None, fields, client, scheme: Scheme::Http };
        issuance.answer(&head).map(|reply| reply.body)
    }

    #[test]
    fn only_challenges_of_open_orders_are_answered() {
        let issuance = Issuance::default();
        let path = "/.well-known/acme-challenge/token";
        assert_eq!(answer(&issuance, "GET", path), None);
        let proof = issuance.prove("token", "token.thumbprint");
        assert_eq!(answer(&issuance, "GET", path).as_deref(), Some(&b"token.thumbprint"[..]));
        assert!(answer(&issuance, "HEAD", path).is_some());
        assert_eq!(answer(&issuance, "POST", path), None);
        for other in ["/.well-known/acme-challenge/other", "/.well-known/acme-challenge/", "/token", "/"] {
            assert_eq!(answer(&issuance, "GET", other), None, "{other}");
        }
        drop(proof);
        assert_eq!(answer(&issuance, "GET", path), None);
    }

    #[test]
    fn a_fault_is_told_until_the_certificate_is_there() {
        let issuance = Issuance::default();
        issuance.note("b.example", Some("refused".to_owned()));
        issuance.note("a.example", Some("unreachable".to_owned()));
        assert_eq!(issuance.fault().as_deref(), Some("a.example: unreachable\nb.example: refused"));
        issuance.note("a.example", None);
        issuance.note("b.example", None);
        assert_eq!(issuance.fault(), None);
    }
}
