use ring::digest;

use crate::base::{Head, Variant};
use crate::config::{self, Sticky};

/// How a stage's requests are split between its two variants.
#[derive(Debug)]
pub struct Canary {
    /// 0.0 to 1.0
    share: f64,
    sticky: Sticky,
    /// `api/stage`: so that one caller's luck in one stage says nothing about another.
    salt: Box<str>,
}

impl Canary {
    pub fn compile(canary: &config::Canary, stage: &str) -> Canary {
        Canary { share: *canary.percent / 100.0, sticky: canary.sticky.clone(), salt: stage.into() }
    }

    /// The canary's share of requests, 0.0 to 1.0.
    pub fn share(&self) -> f64 {
        self.share
    }

    /// The variant for a request. `random` is in 0.0..1.0 and decides where nothing sticks.
    ///
    /// A caller's place on the scale never moves, so a larger share only adds callers to the canary.
    pub fn choose(&self, head: &Head<'_>, random: f64) -> Variant {
        let place = match &self.sticky {
            Sticky::None => random,
            Sticky::ApiKey => self.place_of(head.fields.get("x-api-key"), random),
            Sticky::Header(name) => self.place_of(head.fields.get(name), random),
            Sticky::Ip => match head.client {
                std::net::IpAddr::V4(ip) => self.place_of(Some(&ip.octets()), random),
                std::net::IpAddr::V6(ip) => self.place_of(Some(&ip.octets()), random),
            },
        };
        if place < self.share { Variant::Canary } else { Variant::Stable }
    }

    /// Where on 0.0..1.0 a caller stands: the same on every node and after every restart.
    fn place_of(&self, caller: Option<&[u8]>, random: f64) -> f64 {
        let Some(caller) = caller else { return random };
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(self.salt.as_bytes());
        hash.update(&[0]);
        hash.update(caller);
        let digest = hash.finish();
        let bits = digest.as_ref().iter().take(6).fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        bits as f64 / (1_u64 << 48) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Fields, Scheme};
    use crate::config::{Located, Span};

    fn canary(percent: f64, sticky: Sticky) -> Canary {
        let written = config::Canary {
            span: Span::default(),
            percent: Located::new(percent, Span::default()),
            variables: Default::default(),
            use_stage_cache: false,
            sticky,
            document: None,
            definition: None,
        };
        Canary::compile(&written, "orders/prod")
    }

    fn caller(canary: &Canary, key: &str, random: f64) -> Variant {
        let fields = [("X-Api-Key", key.as_bytes())];
        let head = Head {
            method: "GET",
            host: "",
            path: "/",
            query: None,
            fields: Fields::List(&fields),
            client: [127, 0, 0, 1].into(),
            scheme: Scheme::Http,
        };
        canary.choose(&head, random)
    }

    #[test]
    fn a_larger_share_only_adds_callers() {
        let keys: Vec<String> = (0..2_000).map(|n| format!("key-{n}")).collect();
        let mut before = 0;
        for percent in [0.0, 10.0, 35.5, 100.0] {
            let now = canary(percent, Sticky::ApiKey);
            let later = canary((percent + 20.0_f64).min(100.0), Sticky::ApiKey);
            let chosen: Vec<_> = keys.iter().filter(|key| caller(&now, key, 0.5) == Variant::Canary).collect();
            assert!(chosen.iter().all(|key| caller(&later, key, 0.5) == Variant::Canary));
            assert!((chosen.len() as f64 - percent * 20.0).abs() < 90.0, "{percent} %: {}", chosen.len());
            assert!(chosen.len() >= before);
            before = chosen.len();
        }
    }

    #[test]
    fn what_does_not_stick_is_decided_per_request() {
        let canary = canary(10.0, Sticky::None);
        assert_eq!(caller(&canary, "k", 0.0999), Variant::Canary);
        assert_eq!(caller(&canary, "k", 0.1), Variant::Stable);
    }
}
