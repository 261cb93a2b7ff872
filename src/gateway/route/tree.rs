use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use ahash::AHasher;
use smallvec::SmallVec;

use super::pattern::{Pattern, Segment};
use crate::base::RouteId;
use crate::config::Method;

/// The values of a route's path parameters, in the order of its path, as slices of the canonical path.
pub type Params<'h> = SmallVec<[&'h str; 4]>;

/// The verbs that `ANY` stands for.
const ANY_METHODS: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

/// A route and what its path's parameters hold.
#[derive(Debug, PartialEq, Eq)]
pub struct Matched<'h> {
    pub route: RouteId,
    pub params: Params<'h>,
}

/// Why no route was found.
#[derive(Debug, PartialEq, Eq)]
pub enum Missed {
    /// No route has this path.
    Path,
    /// Routes have this path, with other methods: the value of `Allow`.
    Method { allow: String },
}

/// A route whose path fits a request's, and whether its method does.
#[derive(Debug, PartialEq, Eq)]
pub struct Candidate {
    pub route: RouteId,
    pub takes_method: bool,
}

/// The routes of one API.
#[derive(Debug, Default)]
pub struct Tree {
    nodes: Vec<Node>,
    /// A `HEAD` that no route names is taken by the path's `GET` (RFC 9110 section 9.1).
    head_follows_get: bool,
}

/// A path is walked from node to node, and with many routes each of them is cold memory: what a node needs is in it.
#[derive(Debug, Default)]
struct Node {
    /// Hashed without a seed of its own: only the operator puts something in.
    statics: HashMap<Box<str>, usize, BuildHasherDefault<AHasher>>,
    param: Option<usize>,
    /// The methods of a `{name+}` below this node.
    greedy: Methods,
    /// The methods of the path that ends here.
    own: Methods,
}

#[derive(Debug, Default)]
struct Methods {
    exact: SmallVec<[(Cow<'static, str>, RouteId); 1]>,
    any: Option<RouteId>,
}

impl Tree {
    /// `head_follows_get`: as HTTP wants it; API Gateway itself knows no such thing.
    pub fn new(head_follows_get: bool) -> Tree {
        Tree { nodes: vec![Node::default()], head_follows_get }
    }

    /// Adds a route, or returns the route that has the same path and method already.
    pub fn insert(&mut self, pattern: &Pattern, method: &Method, route: RouteId) -> Result<(), RouteId> {
        let mut at = 0;
        for segment in pattern.segments() {
            at = match segment {
                Segment::Static(text) => match self.nodes[at].statics.get(text) {
                    Some(&child) => child,
                    None => {
                        let child = self.add_node();
                        self.nodes[at].statics.insert(text.clone(), child);
                        child
                    }
                },
                Segment::Param(_) => match self.nodes[at].param {
                    Some(child) => child,
                    None => {
                        let child = self.add_node();
                        self.nodes[at].param = Some(child);
                        child
                    }
                },
                Segment::Greedy(_) => return self.nodes[at].greedy.insert(method, route),
            };
        }
        self.nodes[at].own.insert(method, route)
    }

    fn add_node(&mut self) -> usize {
        self.nodes.push(Node::default());
        self.nodes.len() - 1
    }

    /// The best route for a canonical path and a method.
    pub fn find<'h>(&self, method: &str, path: &'h str) -> Result<Matched<'h>, Missed> {
        let mut found = None;
        self.walk(0, rest_of(path), &mut Params::new(), &mut |methods, params| {
            found = self.pick(methods, method).map(|route| Matched { route, params: params.clone() });
            found.is_some()
        });
        found.ok_or_else(|| self.missed(method, path))
    }

    /// Every route whose path fits, best first: the winner and the losers.
    pub fn candidates(&self, method: &str, path: &str) -> Vec<Candidate> {
        let mut all = Vec::new();
        self.walk(0, rest_of(path), &mut Params::new(), &mut |methods, _| {
            let winner = self.pick(methods, method);
            let routes = methods.exact.iter().map(|(_, route)| *route).chain(methods.any);
            let mut here: Vec<_> =
                routes.map(|route| Candidate { route, takes_method: winner == Some(route) }).collect();
            here.sort_by_key(|candidate| !candidate.takes_method);
            all.extend(here);
            false
        });
        all
    }

    fn missed(&self, method: &str, path: &str) -> Missed {
        let mut allow: Vec<&str> = Vec::new();
        self.walk(0, rest_of(path), &mut Params::new(), &mut |methods, _| {
            allow.extend(methods.exact.iter().map(|(name, _)| &**name));
            if methods.any.is_some() {
                allow.extend(ANY_METHODS);
            }
            if self.head_follows_get && methods.get("GET").is_some() {
                allow.push("HEAD");
            }
            false
        });
        debug_assert!(!allow.contains(&method), "a listed method would have been found");
        allow.sort_unstable();
        allow.dedup();
        if allow.is_empty() { Missed::Path } else { Missed::Method { allow: allow.join(", ") } }
    }

    fn pick(&self, methods: &Methods, method: &str) -> Option<RouteId> {
        let follows_get = self.head_follows_get && method == "HEAD";
        methods
            .get(method)
            .or_else(|| if follows_get { methods.get("GET") } else { None })
            .or_else(|| methods.any.filter(|_| ANY_METHODS.contains(&method)))
    }

    /// Visits the methods of every path that fits, most specific first, until `visit` returns true.
    fn walk<'t, 'h>(
        &'t self,
        at: usize,
        rest: &'h str,
        params: &mut Params<'h>,
        visit: &mut impl FnMut(&'t Methods, &Params<'h>) -> bool,
    ) -> bool {
        let node = &self.nodes[at];
        if rest.is_empty() {
            return !node.own.is_empty() && visit(&node.own, params);
        }
        let (segment, below) = match rest.bytes().position(|byte| byte == b'/') {
            Some(at) => (&rest[..at], &rest[at + 1..]),
            None => (rest, ""),
        };
        if let Some(&child) = node.statics.get(segment)
            && self.walk(child, below, params, visit)
        {
            return true;
        }
        if let Some(child) = node.param {
            params.push(segment);
            if self.walk(child, below, params, visit) {
                return true;
            }
            params.pop();
        }
        if node.greedy.is_empty() {
            return false;
        }
        params.push(rest);
        let done = visit(&node.greedy, params);
        params.pop();
        done
    }
}

impl Methods {
    fn insert(&mut self, method: &Method, route: RouteId) -> Result<(), RouteId> {
        let taken = match method {
            Method::Any => self.any.replace(route),
            Method::Exact(name) => {
                let taken = self.get(name);
                let common = ANY_METHODS.into_iter().find(|common| *common == name.as_str()).map(Cow::Borrowed);
                self.exact.push((common.unwrap_or_else(|| Cow::Owned(name.as_str().to_owned())), route));
                taken
            }
        };
        taken.map_or(Ok(()), Err)
    }

    fn get(&self, method: &str) -> Option<RouteId> {
        self.exact.iter().find(|(name, _)| **name == *method).map(|(_, route)| *route)
    }

    fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.any.is_none()
    }
}

/// The path without its first and last slash.
fn rest_of(path: &str) -> &str {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.strip_suffix('/').unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTES: [(&str, &str); 10] = [
        ("GET", "/"),
        ("GET", "/pets/dog/1"),
        ("GET", "/pets/dog/{id}"),
        ("GET", "/pets/{proxy+}"),
        ("ANY", "/{proxy+}"),
        ("POST", "/test"),
        ("GET", "/users/{user}"),
        ("ANY", "/users/{name}"),
        ("DELETE", "/users/{u}/keys/{k}"),
        ("GET", "/caf%c3%a9"),
    ];

    fn tree(routes: &[(&str, &str)]) -> Tree {
        let mut tree = Tree::new(true);
        for (at, (method, path)) in routes.iter().enumerate() {
            let method = if *method == "ANY" { Method::Any } else { Method::Exact((*method).into()) };
            tree.insert(&Pattern::new(path), &method, RouteId(at as u32)).unwrap();
        }
        tree
    }

    #[track_caller]
    fn check(method: &str, path: &str, expected: &str, params: &[&str]) {
        let tree = tree(&ROUTES);
        let found = tree.find(method, path).unwrap();
        let (m, p) = ROUTES[found.route.0 as usize];
        assert_eq!((format!("{m} {p}").as_str(), found.params.as_slice()), (expected, params), "{method} {path}");
        assert_eq!(tree.candidates(method, path).iter().find(|c| c.takes_method).map(|c| c.route), Some(found.route));
    }

    #[test]
    fn static_wins_over_a_parameter_over_the_rest() {
        check("GET", "/", "GET /", &[]);
        check("GET", "/pets/dog/1", "GET /pets/dog/1", &[]);
        check("GET", "/pets/dog/2", "GET /pets/dog/{id}", &["2"]);
        check("GET", "/pets/cat/1", "GET /pets/{proxy+}", &["cat/1"]);
        check("POST", "/test/5", "ANY /{proxy+}", &["test/5"]);
        check("DELETE", "/users/u1/keys/k1", "DELETE /users/{u}/keys/{k}", &["u1", "k1"]);
        check("GET", "/pets/dog/2/", "GET /pets/dog/{id}", &["2"]);
        check("GET", "/caf%C3%A9", "GET /caf%c3%a9", &[]);
    }

    #[test]
    fn an_exact_method_wins_over_any_at_the_same_path() {
        check("GET", "/users/7", "GET /users/{user}", &["7"]);
        check("PUT", "/users/7", "ANY /users/{name}", &["7"]);
    }

    #[test]
    fn a_path_without_the_method_falls_through_to_the_next_best_path_that_has_it() {
        check("OPTIONS", "/test", "ANY /{proxy+}", &["test"]);
        check("POST", "/pets/dog/1", "ANY /{proxy+}", &["pets/dog/1"]);
        check("GET", "/users/u1/keys/k1", "ANY /{proxy+}", &["users/u1/keys/k1"]);
    }

    #[test]
    fn head_is_answered_by_get() {
        check("HEAD", "/pets/dog/2", "GET /pets/dog/{id}", &["2"]);
    }

    #[test]
    fn a_miss_says_whether_it_was_the_path_or_the_method() {
        let tree = tree(&[("GET", "/a"), ("PUT", "/a"), ("POST", "/{x}")]);
        assert_eq!(tree.find("GET", "/b/c"), Err(Missed::Path));
        assert_eq!(tree.find("GET", "/"), Err(Missed::Path));
        assert_eq!(tree.find("DELETE", "/a"), Err(Missed::Method { allow: "GET, HEAD, POST, PUT".into() }));
        assert_eq!(tree.find("GET", "/b"), Err(Missed::Method { allow: "POST".into() }));
        assert_eq!(tree.find("PROPFIND", "/a"), Err(Missed::Method { allow: "GET, HEAD, POST, PUT".into() }));
    }

    #[test]
    fn the_same_path_and_method_twice_is_reported() {
        let mut tree = tree(&[("GET", "/a/{x}")]);
        let again = tree.insert(&Pattern::new("/a/{y}/"), &Method::Exact("GET".into()), RouteId(9));
        assert_eq!(again, Err(RouteId(0)));
    }
}
