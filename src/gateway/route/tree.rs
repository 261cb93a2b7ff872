use smallvec::SmallVec;

use super::edges::{Edges, NodeId};
use super::methods::{ANY_METHODS, Methods, Verb, Verbs};
use super::pattern::{Pattern, Segment};
use crate::base::RouteId;
use crate::config::Method;

/// The values of a route's path parameters, in the order of its path, as slices of the canonical path.
pub type Params<'h> = SmallVec<[&'h str; 4]>;

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
///
/// With many routes all of it is cold memory, and a path is walked from node to node: a static segment costs one cache
/// line, and the nodes of a path that was added at once lie side by side.
#[derive(Debug, Default)]
pub struct Tree {
    nodes: Vec<Node>,
    edges: Edges,
    verbs: Verbs,
    /// A `HEAD` that no route names is taken by the path's `GET` (RFC 9110 section 9.1).
    head_follows_get: bool,
}

#[derive(Debug, Default)]
struct Node {
    has_edges: bool,
    param: Option<NodeId>,
    /// The methods of the path that ends here.
    own: Methods,
    /// The methods of a `{name+}` below this node.
    greedy: Option<Box<Methods>>,
}

impl Tree {
    /// `head_follows_get`: as HTTP wants it; API Gateway itself knows no such thing.
    pub fn new(head_follows_get: bool) -> Tree {
        Tree { nodes: vec![Node::default()], head_follows_get, ..Tree::default() }
    }

    /// Adds a route, or returns the route that has the same path and method already.
    pub fn insert(&mut self, pattern: &Pattern, method: &Method, route: RouteId) -> Result<(), RouteId> {
        let verb = match method {
            Method::Any => Verb::ANY,
            Method::Exact(name) => self.verbs.add(name),
        };
        let mut at = NodeId::ROOT;
        for segment in pattern.segments() {
            at = match segment {
                Segment::Static(text) => self.child(at, text),
                Segment::Param(_) => self.param_child(at),
                Segment::Greedy(_) => return self.node_mut(at).greedy.get_or_insert_default().insert(verb, route),
            };
        }
        self.node_mut(at).own.insert(verb, route)
    }

    fn child(&mut self, at: NodeId, text: &str) -> NodeId {
        self.edges.find(at, text).unwrap_or_else(|| {
            let child = self.add_node();
            self.edges.insert(at, text, child);
            self.node_mut(at).has_edges = true;
            child
        })
    }

    fn param_child(&mut self, at: NodeId) -> NodeId {
        self.node(at).param.unwrap_or_else(|| {
            let child = self.add_node();
            self.node_mut(at).param = Some(child);
            child
        })
    }

    fn add_node(&mut self) -> NodeId {
        self.nodes.push(Node::default());
        NodeId::new(self.nodes.len() - 1)
    }

    fn node(&self, at: NodeId) -> &Node {
        &self.nodes[at.index()]
    }

    fn node_mut(&mut self, at: NodeId) -> &mut Node {
        &mut self.nodes[at.index()]
    }

    /// The best route for a canonical path and a method.
    pub fn find<'h>(&self, method: &str, path: &'h str) -> Result<Matched<'h>, Missed> {
        let mut params = Params::new();
        let route = self.find_with(method, path, &mut params)?;
        Ok(Matched { route, params })
    }

    /// The same, for who has a place for the values of the path parameters: an empty list.
    pub fn find_with<'h>(&self, method: &str, path: &'h str, params: &mut Params<'h>) -> Result<RouteId, Missed> {
        let asked = self.asked(method);
        let mut found = None;
        self.walk(NodeId::ROOT, rest_of(path), params, &mut |methods, _| {
            found = asked.pick(methods);
            found.is_some()
        });
        found.ok_or_else(|| self.missed(method, path))
    }

    /// Every route whose path fits, best first: the winner and the losers.
    pub fn candidates(&self, method: &str, path: &str) -> Vec<Candidate> {
        let asked = self.asked(method);
        let mut all = Vec::new();
        self.walk(NodeId::ROOT, rest_of(path), &mut Params::new(), &mut |methods, _| {
            let winner = asked.pick(methods);
            let candidate = |(_, route)| Candidate { route, takes_method: winner == Some(route) };
            let mut here: Vec<_> = methods.iter().map(candidate).collect();
            here.sort_by_key(|candidate| !candidate.takes_method);
            all.extend(here);
            false
        });
        all
    }

    fn missed(&self, method: &str, path: &str) -> Missed {
        let mut allow: Vec<&str> = Vec::new();
        self.walk(NodeId::ROOT, rest_of(path), &mut Params::new(), &mut |methods, _| {
            for (verb, _) in methods.iter() {
                match self.verbs.name(verb) {
                    Some(name) => allow.push(name),
                    None => allow.extend(ANY_METHODS),
                }
            }
            if self.head_follows_get && methods.get(Verb::GET).is_some() {
                allow.push("HEAD");
            }
            false
        });
        debug_assert!(!allow.contains(&method), "a listed method would have been found");
        allow.sort_unstable();
        allow.dedup();
        if allow.is_empty() { Missed::Path } else { Missed::Method { allow: allow.join(", ") } }
    }

    fn asked(&self, method: &str) -> Asked {
        let verb = self.verbs.find(method);
        Asked {
            verb,
            otherwise: (self.head_follows_get && verb == Some(Verb::HEAD)).then_some(Verb::GET),
            is_of_any: verb.is_some_and(Verb::is_of_any),
        }
    }

    /// Visits the methods of every path that fits, most specific first, until `visit` returns true: then `params` stay as
    /// they were there.
    fn walk<'t, 'h>(
        &'t self,
        at: NodeId,
        rest: &'h str,
        params: &mut Params<'h>,
        visit: &mut impl FnMut(&'t Methods, &Params<'h>) -> bool,
    ) -> bool {
        let node = self.node(at);
        if rest.is_empty() {
            return !node.own.is_empty() && visit(&node.own, params);
        }
        let (segment, below) = match rest.bytes().position(|byte| byte == b'/') {
            Some(at) => (&rest[..at], &rest[at + 1..]),
            None => (rest, ""),
        };
        if node.has_edges
            && let Some(child) = self.edges.find(at, segment)
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
        let Some(greedy) = &node.greedy else { return false };
        params.push(rest);
        let is_done = visit(greedy, params);
        if !is_done {
            params.pop();
        }
        is_done
    }
}

/// The methods that take a request's, in their order.
#[derive(Clone, Copy)]
struct Asked {
    /// `None`: no route of the API names it.
    verb: Option<Verb>,
    otherwise: Option<Verb>,
    is_of_any: bool,
}

impl Asked {
    fn pick(self, methods: &Methods) -> Option<RouteId> {
        let any = self.is_of_any.then_some(Verb::ANY);
        [self.verb, self.otherwise, any].into_iter().flatten().find_map(|verb| methods.get(verb))
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
    fn two_nodes_lie_in_a_cache_line() {
        assert_eq!(size_of::<Node>(), 32);
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
