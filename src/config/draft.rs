use std::collections::HashMap;

use indexmap::IndexMap;

use super::read::{Table, Value};
use super::{Acme, Admin, Api, ApiKey, Config, Domain, Located, Server, Sources, Span, State, Telemetry, UsagePlan};

/// A configuration that is not complete yet.
#[derive(Default)]
pub(super) struct Draft {
    server: Section<Server>,
    acme: Section<Acme>,
    admin: Section<Admin>,
    state: Section<State>,
    telemetry: Section<Telemetry>,
    apis: Named<Api>,
    usage_plans: Named<UsagePlan>,
    api_keys: Named<ApiKey>,
    domains: Named<Domain>,
}

/// A table that only one file may have, and where it is.
struct Section<T>(Option<Located<Option<T>>>);

/// Things of one kind by name, and where each is defined: one name, one place over all files.
struct Named<T> {
    items: IndexMap<String, T>,
    /// In the order of the items.
    places: Vec<Span>,
    /// Of those that have faults.
    faulty: HashMap<String, Span>,
}

impl Draft {
    /// Adds what one file says.
    pub fn read(&mut self, root: Table<'_>) {
        self.server.read(root.get("server"), Server::read);
        self.acme.read(root.get("acme"), Acme::read);
        self.admin.read(root.get("admin"), Admin::read);
        self.state.read(root.get("state"), State::read);
        self.telemetry.read(root.get("telemetry"), Telemetry::read);
        self.apis.read("the api", root.get("apis"), Api::read);
        self.usage_plans.read("the usage plan", root.get("usage_plans"), UsagePlan::read);
        self.api_keys.read("the api key", root.get("api_keys"), ApiKey::read);
        self.domains.read("the domain", root.get("domains"), Domain::read);
    }

    pub fn into_config(self, sources: Sources) -> Config {
        Config {
            server: self.server.take(),
            acme: self.acme.take(),
            admin: self.admin.take(),
            state: self.state.take(),
            telemetry: self.telemetry.take(),
            apis: self.apis.items,
            usage_plans: self.usage_plans.items,
            api_keys: self.api_keys.items,
            domains: self.domains.items,
            sources,
        }
    }
}

impl<T: Default> Section<T> {
    fn read<'v>(&mut self, value: Option<Value<'v>>, read: impl FnOnce(Value<'v>) -> Option<T>) {
        let Some(value) = value else { return };
        match &self.0 {
            Some(first) => value.refuse_second(&format!("[{}]", value.name()), first.span),
            None => self.0 = Some(Located::new(read(value), value.name_span())),
        }
    }

    fn take(self) -> T {
        self.0.and_then(|section| section.value).unwrap_or_default()
    }
}

impl<T> Default for Section<T> {
    fn default() -> Section<T> {
        Section(None)
    }
}

impl<T> Default for Named<T> {
    fn default() -> Named<T> {
        Named { items: IndexMap::new(), places: Vec::new(), faulty: HashMap::new() }
    }
}

impl<T> Named<T> {
    fn read<'v>(&mut self, what: &str, table: Option<Value<'v>>, mut read: impl FnMut(Value<'v>) -> Option<T>) {
        let values = table.and_then(Value::entries).unwrap_or_default();
        self.items.reserve(values.len());
        self.places.reserve(values.len());
        for value in values {
            let name = value.name();
            if let Some(first) = self.place(name) {
                value.refuse_second(&format!("{what} `{name}`"), first);
                continue;
            }
            match read(value) {
                Some(item) => {
                    self.items.insert(name.to_owned(), item);
                    self.places.push(value.name_span());
                }
                None => {
                    self.faulty.insert(name.to_owned(), value.name_span());
                }
            }
        }
    }

    fn place(&self, name: &str) -> Option<Span> {
        let of_item = self.items.get_index_of(name).map(|at| self.places[at]);
        of_item.or_else(|| self.faulty.get(name).copied())
    }
}
