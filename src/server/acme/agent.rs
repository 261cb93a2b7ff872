use std::path::PathBuf;
use std::time::Duration;

use instant_acme::Account;
use tokio::time::MissedTickBehavior;

use super::http::Https;
use super::renewal::{self, Suggestion};
use super::schedule::{pause, renewal_unix_s, rest_s, suggested_unix_s};
use super::trouble::{Kind, Trouble};
use super::{account, order, shelf};
use crate::config::{Acme, AcmeCertificate, Config};
use crate::gateway::snapshot::Live;
use crate::server::tls::Certificate;

/// Between two looks at what is due: a clock that jumps is noticed.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Between two questions about renewal, at the least and at the most.
const ASK_INTERVAL: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(24 * 3600));
/// When such a question had no answer.
const ASK_AGAIN: Duration = Duration::from_secs(3600);

/// Orders certificates for listeners, one after the other.
pub(in crate::server) struct Agent {
    acme: Acme,
    folder: PathBuf,
    wanted: Vec<Wanted>,
    /// Kept for the next order while it works.
    session: Option<Session>,
}

/// An account that is open.
#[derive(Clone)]
struct Session {
    account: Account,
    https: Https,
}

/// A certificate that listeners are to have.
struct Wanted {
    certificate: AcmeCertificate,
    file: PathBuf,
    /// What is there.
    held: Option<Certificate>,
    /// What was issued and could not be written, in PEM.
    unwritten: Option<String>,
    /// In a row.
    failures: u32,
    /// When it is ordered next, in seconds since 1970, and when at the earliest.
    next_unix_s: i64,
    earliest_unix_s: i64,
    /// When the authority is asked next about its renewal; `None`: it has nothing to say.
    ask_unix_s: Option<i64>,
    /// Whether it has said something about that.
    is_suggested: bool,
}

impl Agent {
    /// `None`: no listener names a certificate that is to be obtained.
    pub(in crate::server) fn of(config: &Config) -> Option<Agent> {
        let folder = config.acme.folder(&config.state.dir);
        let mut wanted: Vec<Wanted> = Vec::new();
        for certificate in config.server.listen.iter().filter_map(|it| it.tls.as_ref()).flat_map(|tls| &tls.acme) {
            // Several listeners may have the same.
            if wanted.iter().all(|other| other.certificate != *certificate) {
                wanted.push(Wanted::new(certificate, certificate.file(&folder)));
            }
        }
        (!wanted.is_empty()).then(|| Agent { acme: config.acme.clone(), folder, wanted, session: None })
    }

    /// Keeps all certificates there and fresh, for as long as the gateway runs.
    pub(in crate::server) async fn run(mut self, live: &Live) {
        let mut looks = tokio::time::interval(LOOK_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut wanted = std::mem::take(&mut self.wanted);
        wanted.iter_mut().for_each(|it| it.find(live));
        loop {
            looks.tick().await;
            for it in &mut wanted {
                // Who drains has no listener any more that a proof could be asked of.
                if live.is_draining() {
                    return;
                }
                if it.is_to_be_asked_about(now_unix_s(live)) {
                    self.ask_about(it, live).await;
                }
                if it.next_unix_s <= now_unix_s(live) {
                    self.order(it, live).await;
                }
            }
        }
    }

    async fn order(&mut self, wanted: &mut Wanted, live: &Live) {
        let name = wanted.certificate.name().to_owned();
        let metrics = &live.telemetry().metrics;
        match self.obtain(wanted, live).await {
            Ok(certificate) => {
                live.issuance().note(&name, None);
                wanted.earliest_unix_s =
                    now_unix_s(live) + rest_s(certificate.begins_unix_s, certificate.expires_unix_s);
                wanted.take(certificate, live);
                metrics.certificate_order_ended(&name, true);
                let next = date(wanted.next_unix_s);
                tracing::info!(certificate = name, renewal = next, "a certificate was obtained");
            }
            Err(trouble) => {
                let again = wanted.fail(&trouble, live);
                let again_s = again.as_secs();
                tracing::error!(certificate = name, why = trouble.why, again_s, "a certificate was not obtained");
                let fault = format!("{}; tried again at {}", trouble.why, date(wanted.next_unix_s));
                live.issuance().note(&name, Some(fault));
                // Last: who sees the count finds the reason.
                metrics.certificate_order_ended(&name, false);
            }
        }
    }

    /// Orders a certificate and keeps it, if it can be served. One that no disk took is not ordered again.
    async fn obtain(&mut self, wanted: &mut Wanted, live: &Live) -> Result<Certificate, Trouble> {
        let pem = match wanted.unwritten.take() {
            Some(pem) => pem,
            None => self.place(wanted, live).await?,
        };
        let certificate = Certificate::parse_both(&wanted.file, pem.as_bytes()).map_err(Trouble::refused)?;
        if !wanted.is_met_by(&certificate) {
            return Err(Trouble::refused(format!("the certificate is for {}", certificate.names.join(", "))));
        }
        if let Err(why) = shelf::put(&wanted.file, pem.clone()).await {
            wanted.unwritten = Some(pem);
            return Err(Trouble::away(why));
        }
        Ok(certificate)
    }

    async fn place(&mut self, wanted: &Wanted, live: &Live) -> Result<String, Trouble> {
        let session = self.session().await?;
        // An authority that does not want it to replace the other one has it its way the next time.
        let replaces = wanted.held.as_ref().filter(|_| wanted.failures == 0 && wanted.is_suggested);
        let replaces = replaces.and_then(renewal::identify);
        let names = wanted.certificate.names.iter().map(|name| name.as_str());
        let placed = order::place(&session.account, names, replaces, live.issuance()).await;
        placed.map_err(|trouble| self.part(trouble, &session.https))
    }

    /// The account, opened if it is not.
    async fn session(&mut self) -> Result<Session, Trouble> {
        if let Some(session) = &self.session {
            return Ok(session.clone());
        }
        let https = Https::new(self.acme.ca.as_ref().map(|ca| ca.as_path())).map_err(Trouble::away)?;
        let opened = account::open(&self.acme, &self.folder, https.clone()).await;
        let account = opened.map_err(|trouble| self.part(trouble, &https))?;
        let session = Session { account, https };
        self.session = Some(session.clone());
        Ok(session)
    }

    /// Closes the account after a failure: the next try begins with the directory, which may have changed.
    fn part(&mut self, trouble: Trouble, https: &Https) -> Trouble {
        self.session = None;
        if trouble.kind == Kind::NoAccount {
            account::forget(&self.folder);
        }
        Trouble { retry_after: https.take_retry_after(), ..trouble }
    }

    /// Asks when a certificate should be renewed. A failure changes nothing: two thirds of its life are a good moment.
    async fn ask_about(&mut self, wanted: &mut Wanted, live: &Live) {
        let asked = match (&wanted.held, self.session().await) {
            (Some(held), Ok(session)) => renewal::ask(&session.account, held).await.map_err(Trouble::from),
            (None, _) => Ok(None),
            (_, Err(trouble)) => Err(trouble),
        };
        match asked {
            Ok(suggestion) => wanted.heed(suggestion, live),
            Err(trouble) => {
                tracing::debug!(
                    certificate = wanted.certificate.name(),
                    why = trouble.why,
                    "renewal was not asked about"
                );
                wanted.ask_unix_s = Some(now_unix_s(live) + ASK_AGAIN.as_secs() as i64);
            }
        }
    }
}

impl Wanted {
    fn new(certificate: &AcmeCertificate, file: PathBuf) -> Wanted {
        let certificate = certificate.clone();
        Wanted {
            certificate,
            file,
            held: None,
            unwritten: None,
            failures: 0,
            next_unix_s: 0,
            earliest_unix_s: 0,
            ask_unix_s: None,
            is_suggested: false,
        }
    }

    /// Looks at what an earlier run has left.
    fn find(&mut self, live: &Live) {
        let name = self.certificate.name();
        match Certificate::read_both(&self.file) {
            Ok(held) if self.is_met_by(&held) => self.take(held, live),
            Ok(_) => tracing::info!(certificate = name, "a stored certificate lacks a name and is ordered anew"),
            Err(why) if self.file.exists() => tracing::error!(certificate = name, why, "ordered anew"),
            Err(_) => tracing::warn!(
                certificate = name,
                "there is no certificate yet: handshakes that need it fail until it is obtained"
            ),
        }
        live.telemetry().metrics.certificate_ordered_at(self.certificate.name(), self.next_unix_s);
    }

    /// Whether a certificate has every name.
    fn is_met_by(&self, certificate: &Certificate) -> bool {
        self.certificate.names.iter().all(|name| certificate.names.contains(name))
    }

    fn is_to_be_asked_about(&self, now_unix_s: i64) -> bool {
        self.failures == 0 && self.held.is_some() && self.ask_unix_s.is_some_and(|at| at <= now_unix_s)
    }

    /// Is content with a certificate until its renewal.
    fn take(&mut self, held: Certificate, live: &Live) {
        self.failures = 0;
        self.ask_unix_s = Some(now_unix_s(live));
        let next = renewal_unix_s(held.begins_unix_s, held.expires_unix_s, fastrand::f64());
        self.held = Some(held);
        self.order_at(next, live);
    }

    fn fail(&mut self, trouble: &Trouble, live: &Live) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let again = pause(trouble, self.failures, fastrand::f64());
        self.order_at(now_unix_s(live) + again.as_secs() as i64, live);
        again
    }

    fn heed(&mut self, suggestion: Option<Suggestion>, live: &Live) {
        let (Some(Suggestion { window_unix_s, again }), Some(held)) = (suggestion, &self.held) else {
            self.ask_unix_s = None;
            return;
        };
        self.is_suggested = true;
        let life = (held.begins_unix_s, held.expires_unix_s);
        let again = again.clamp(ASK_INTERVAL.0, ASK_INTERVAL.1);
        self.ask_unix_s = Some(now_unix_s(live) + again.as_secs() as i64);
        // A moment that was chosen within the window stays.
        if !(window_unix_s.0..=window_unix_s.1).contains(&self.next_unix_s) {
            self.order_at(suggested_unix_s(window_unix_s, life, fastrand::f64()), live);
        }
    }

    fn order_at(&mut self, unix_s: i64, live: &Live) {
        self.next_unix_s = unix_s.max(self.earliest_unix_s);
        live.telemetry().metrics.certificate_ordered_at(self.certificate.name(), self.next_unix_s);
    }
}

fn now_unix_s(live: &Live) -> i64 {
    i64::try_from(live.clock().now().unix_ms / 1_000).unwrap_or(i64::MAX)
}

fn date(unix_s: i64) -> String {
    jiff::Timestamp::from_second(unix_s).map_or_else(|_| unix_s.to_string(), |at| at.to_string())
}
