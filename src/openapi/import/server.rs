use super::{Importer, Version, Wishes};
use crate::config::{BasePath, Located};
use crate::openapi::At;

/// Where an API is, and where its operations go.
#[derive(Debug)]
pub(super) struct Servers {
    /// What routes begin with: empty, or `/a/b`.
    pub prefix: String,
    /// Where operations without an integration go: a uri to append their paths to.
    pub forward_to: Option<Located<String>>,
}

impl Servers {
    pub fn read(root: At<'_>, version: Version, wishes: Wishes<'_>) -> Servers {
        let first = if version.is_swagger() { swagger(root) } else { first_server(root) };
        let base = first.as_ref().map(|url| path_of(url)).unwrap_or_default();
        let prefix = match wishes.base_path {
            BasePath::Ignore => String::new(),
            BasePath::Prepend => base.to_owned(),
            BasePath::Split => {
                base.get(1..).and_then(|rest| rest.find('/')).map_or("", |at| &base[at + 1..]).to_owned()
            }
        };
        let written = wishes.forward_to.map(|to| Located::new(to.to_owned(), root.span()));
        let is_absolute = |url: &&Located<String>| ["http://", "https://"].iter().any(|scheme| url.starts_with(scheme));
        let own = || first.as_ref().filter(is_absolute).cloned();
        Servers { prefix, forward_to: written.or_else(own) }
    }
}

/// The first of `servers`, its variables being what they are by default, without a slash at its end.
pub(super) fn first_server(at: At<'_>) -> Option<Located<String>> {
    let server = at.get("servers")?.array()?.elements().next()?.object()?;
    let url = server.get("url")?;
    let mut text = url.string()?;
    for (key, variable) in server.get("variables").into_iter().flat_map(At::members) {
        if let Some(default) = variable.get("default").and_then(At::text) {
            text = text.replace(&format!("{{{}}}", key.name), &default);
        }
    }
    if let Some(at) = text.find('{') {
        let name = text[at..].split('}').next().unwrap_or_default();
        return url.refuse(format!("the server's variable {name}}} has no default"), "give it one under `variables`");
    }
    Some(url.located(text.trim_end_matches('/').to_owned()))
}

/// `schemes`, `host` and `basePath`.
fn swagger(root: At<'_>) -> Option<Located<String>> {
    let base = root.get("basePath").and_then(At::string).unwrap_or_default();
    let base = base.trim_end_matches('/');
    let Some(host) = root.get("host") else {
        return root.get("basePath").map(|at| at.located(base.to_owned()));
    };
    let schemes = root.get("schemes").into_iter().flat_map(At::elements);
    let mut schemes = schemes.filter_map(|scheme| scheme.node.as_str());
    let scheme = schemes.find(|scheme| ["http", "https"].contains(scheme)).unwrap_or("https");
    Some(host.located(format!("{scheme}://{}{base}", host.str()?)))
}

fn path_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = if rest.len() == url.len() && url.starts_with('/') {
        url
    } else {
        &rest[rest.find('/').unwrap_or(rest.len())..]
    };
    path.split(['?', '#']).next().unwrap_or_default()
}

impl<'d> Importer<'d> {
    /// Where an operation without an integration goes: of its own servers, its path item's or its document's.
    pub(super) fn forward_to(&self, operation: At<'d>, item: At<'d>, wishes_win: bool) -> Option<Located<String>> {
        let absolute = |url: &Located<String>| url.starts_with("http://") || url.starts_with("https://");
        let own = || [operation, item].into_iter().find_map(|at| at.get("servers").and_then(|_| first_server(at)));
        if wishes_win {
            return self.servers.forward_to.clone();
        }
        own().filter(absolute).or_else(|| self.servers.forward_to.clone())
    }
}
