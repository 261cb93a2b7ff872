use std::collections::HashMap;

use ahash::RandomState;

use crate::base::StageId;

/// A stage, and the path below its base path: where routing goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'h> {
    pub stage: StageId,
    /// Starts with `/`.
    pub path: &'h str,
}

/// Which hosts and base paths lead to which stage.
#[derive(Debug, Default)]
pub struct Domains {
    /// Hosts in lower case, without a port.
    hosts: HashMap<Box<str>, Mappings, RandomState>,
    any_host: Mappings,
    apis: HashMap<Box<str>, HashMap<Box<str>, StageId, RandomState>, RandomState>,
}

/// Base paths, longest first; the one of `/` is empty.
type Mappings = Vec<(Box<str>, StageId)>;

impl Domains {
    /// Adds `[domains."host"] mappings = { "base_path" = … }`; the host `*` is any.
    pub fn map(&mut self, host: &str, base_path: &str, stage: StageId) {
        let mappings = match host {
            "*" => &mut self.any_host,
            _ => self.hosts.entry(host.to_ascii_lowercase().into()).or_default(),
        };
        mappings.push((base_path.trim_end_matches('/').into(), stage));
        mappings.sort_by_key(|(base, _)| std::cmp::Reverse(base.len()));
    }

    /// Adds a stage under its own name, for `{api}.execute-api.*` and `/{api}/{stage}`.
    pub fn add_stage(&mut self, api: &str, stage: &str, id: StageId) {
        self.apis.entry(api.into()).or_default().insert(stage.into(), id);
    }

    /// The stage that a request is for: by domain and longest base path, then by `{api}.execute-api.*`, then by
    /// `/{api}/{stage}` on any host.
    pub fn locate<'h>(&self, host: &str, path: &'h str) -> Option<Place<'h>> {
        self.by_domain(host, path).or_else(|| self.by_api_host(host, path)).or_else(|| self.by_path(path))
    }

    fn by_domain<'h>(&self, host: &str, path: &'h str) -> Option<Place<'h>> {
        let own = match self.hosts.is_empty() {
            true => None,
            false => self.hosts.get(host).or_else(|| self.hosts.get(&*host.to_ascii_lowercase())),
        };
        own.and_then(|mappings| longest(mappings, path)).or_else(|| longest(&self.any_host, path))
    }

    fn by_api_host<'h>(&self, host: &str, path: &'h str) -> Option<Place<'h>> {
        let (api, rest) = host.split_once('.')?;
        let is_api_host = rest.get(..11).is_some_and(|label| label.eq_ignore_ascii_case("execute-api"))
            && matches!(rest.as_bytes().get(11), None | Some(b'.'));
        let stages = self.apis.get(api).filter(|_| is_api_host)?;
        let (stage, path) = first_segment(path);
        Some(Place { stage: *stages.get(stage)?, path })
    }

    fn by_path<'h>(&self, path: &'h str) -> Option<Place<'h>> {
        let (api, path) = first_segment(path);
        let (stage, path) = first_segment(path);
        Some(Place { stage: *self.apis.get(api)?.get(stage)?, path })
    }
}

fn longest<'h>(mappings: &Mappings, path: &'h str) -> Option<Place<'h>> {
    mappings.iter().find_map(|(base, stage)| {
        let rest = path.strip_prefix(&**base)?;
        match rest.as_bytes().first() {
            None => Some(Place { stage: *stage, path: "/" }),
            Some(b'/') => Some(Place { stage: *stage, path: rest }),
            Some(_) => None,
        }
    })
}

/// The first segment and the path below it: `/a/b` → `a`, `/b`.
fn first_segment(path: &str) -> (&str, &str) {
    let path = path.strip_prefix('/').unwrap_or(path);
    match path.find('/') {
        Some(at) => path.split_at(at),
        None => (path, "/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDERS: StageId = StageId(0);
    const V2: StageId = StageId(1);
    const ANY: StageId = StageId(2);

    #[track_caller]
    fn check(host: &str, path: &str, expected: Option<(StageId, &str)>) {
        let mut domains = Domains::default();
        domains.add_stage("orders", "prod", ORDERS);
        domains.add_stage("orders-v2", "prod", V2);
        domains.map("API.example.com", "/", ORDERS);
        domains.map("api.example.com", "/v2", V2);
        domains.map("*", "/any", ANY);
        let found = domains.locate(host, path).map(|place| (place.stage, place.path));
        assert_eq!(found, expected, "{host} {path}");
    }

    #[test]
    fn a_domain_leads_by_its_longest_base_path() {
        check("api.example.com", "/orders/7", Some((ORDERS, "/orders/7")));
        check("Api.Example.Com", "/v2/orders", Some((V2, "/orders")));
        check("api.example.com", "/v2", Some((V2, "/")));
        check("api.example.com", "/v20/x", Some((ORDERS, "/v20/x")));
        check("elsewhere", "/any/x", Some((ANY, "/x")));
    }

    #[test]
    fn an_execute_api_host_names_the_api_and_its_first_segment_the_stage() {
        check("orders.execute-api.eu-west-1.amazonaws.com", "/prod/orders/7", Some((ORDERS, "/orders/7")));
        check("orders-v2.execute-api.localhost", "/prod", Some((V2, "/")));
        check("orders.execute-apix.localhost", "/prod/x", None);
        check("orders.execute-api.localhost", "/dev/x", None);
    }

    #[test]
    fn on_any_host_the_path_names_api_and_stage() {
        check("localhost", "/orders/prod/orders/7", Some((ORDERS, "/orders/7")));
        check("localhost", "/orders/prod", Some((ORDERS, "/")));
        check("localhost", "/orders", None);
        check("", "/nothing/prod/x", None);
    }
}
