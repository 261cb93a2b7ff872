use super::extension::Place;
use super::operation::{Site, is_true, method_of};
use super::{Importer, Wishes};
use crate::config::{Route, find_path_problem};
use crate::openapi::At;

/// What OpenAPI lets a path item say beside its operations.
const WORDS: &[&str] = &[
    "$ref",
    "summary",
    "description",
    "servers",
    "parameters",
    "get",
    "put",
    "post",
    "delete",
    "options",
    "head",
    "patch",
    "trace",
];

impl<'d> Importer<'d> {
    /// Every operation of `paths`.
    pub(super) fn read_routes(&self, wishes: Wishes<'_>) -> Vec<Route> {
        let Some(paths) = self.root.get("paths") else {
            if self.version != super::Version::OpenApi31 {
                self.root.refuse::<()>("the document has no `paths`", "add `paths: {}`");
            }
            return Vec::new();
        };
        let mut routes = Vec::new();
        for (key, item) in paths.object().into_iter().flat_map(At::members) {
            if !key.name.starts_with("x-") {
                self.read_path(&key.name, item, wishes, &mut routes);
            }
        }
        routes
    }

    fn read_path(&self, written: &'d str, item: At<'d>, wishes: Wishes<'_>, routes: &mut Vec<Route>) {
        let Some(item) = item.object() else { return };
        if written == "$default" || written == "/$default" {
            return item.unserved("the default route of an HTTP API");
        }
        let path = format!("{}{}", self.servers.prefix, written);
        // As API Gateway has it, a slash at the end is no other path.
        let path = if self.is_aws && path.len() > 1 { path.trim_end_matches('/') } else { &path };
        if !written.starts_with('/') {
            let help = format!("write \"/{written}\"");
            item.refuse::<()>(format!("the path {written:?} does not begin with /"), help);
            return;
        }
        if let Some((problem, help)) = find_path_problem(path) {
            return item.unserved(format!("the path {path}, {problem}: {help}"));
        }
        let first = routes.len();
        let referred = item.reference().and_then(|_| item.resolve());
        for item in [Some(item), referred].into_iter().flatten() {
            self.check_words(item, WORDS, path);
            self.check_extensions(item, Place::Path, path);
            for (key, operation) in item.members() {
                let Some(method) = method_of(&key.name) else { continue };
                if is_true(operation, "isDefaultRoute") {
                    operation.unserved("the default route of an HTTP API");
                } else if !routes[first..].iter().any(|route| *route.method == method) {
                    routes.extend(self.read_route(Site { item, written, path, wishes }, method, operation));
                }
            }
        }
    }
}
