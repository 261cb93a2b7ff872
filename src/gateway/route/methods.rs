use crate::base::RouteId;

/// The verbs that `ANY` stands for.
pub(super) const ANY_METHODS: [&str; 7] = ["GET", "HEAD", "DELETE", "OPTIONS", "PATCH", "POST", "PUT"];

/// A method that routes of one API have, as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verb(u32);

/// The names of an API's methods: [`ANY_METHODS`], and what else its routes are written for.
#[derive(Debug, Default)]
pub(super) struct Verbs {
    others: Vec<Box<str>>,
}

/// The routes of one path, by their methods. Nearly always there is one, and it is held in place.
#[derive(Debug, Default)]
pub(super) enum Methods {
    #[default]
    None,
    One(Verb, RouteId),
    #[expect(clippy::box_collection, reason = "a vector in place would make every node half as large again")]
    Several(Box<Vec<(Verb, RouteId)>>),
}

impl Verb {
    /// Places in [`ANY_METHODS`].
    pub const GET: Verb = Verb(0);
    pub const HEAD: Verb = Verb(1);
    /// `ANY`, as a route has it.
    pub const ANY: Verb = Verb(u32::MAX);

    /// Whether a route for `ANY` takes it.
    pub fn is_of_any(self) -> bool {
        (self.0 as usize) < ANY_METHODS.len()
    }
}

impl Verbs {
    pub fn add(&mut self, name: &str) -> Verb {
        self.find(name).unwrap_or_else(|| {
            self.others.push(name.into());
            Verb((ANY_METHODS.len() + self.others.len() - 1) as u32)
        })
    }

    /// `None`: no route names it.
    pub fn find(&self, name: &str) -> Option<Verb> {
        let names = ANY_METHODS.into_iter().chain(self.others.iter().map(|name| &**name));
        names.zip(0..).find(|(other, _)| *other == name).map(|(_, at)| Verb(at))
    }

    /// `None`: `ANY`.
    pub fn name(&self, verb: Verb) -> Option<&str> {
        let at = verb.0 as usize;
        ANY_METHODS.get(at).copied().or_else(|| self.others.get(at - ANY_METHODS.len()).map(|name| &**name))
    }
}

impl Methods {
    /// Adds a route, or returns the one that has this method already.
    pub fn insert(&mut self, verb: Verb, route: RouteId) -> Result<(), RouteId> {
        if let Some(taken) = self.get(verb) {
            return Err(taken);
        }
        match self {
            Methods::None => *self = Methods::One(verb, route),
            Methods::One(first, of_first) => {
                *self = Methods::Several(Box::new(vec![(*first, *of_first), (verb, route)]));
            }
            Methods::Several(routes) => routes.push((verb, route)),
        }
        Ok(())
    }

    pub fn get(&self, verb: Verb) -> Option<RouteId> {
        self.iter().find(|(other, _)| *other == verb).map(|(_, route)| route)
    }

    pub fn iter(&self) -> impl Iterator<Item = (Verb, RouteId)> {
        let (one, several) = match self {
            Methods::None => (None, &[][..]),
            Methods::One(verb, route) => (Some((*verb, *route)), &[][..]),
            Methods::Several(routes) => (None, &routes[..]),
        };
        one.into_iter().chain(several.iter().copied())
    }

    pub fn is_empty(&self) -> bool {
        matches!(self, Methods::None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_number_and_back() {
        let mut verbs = Verbs::default();
        let brew = verbs.add("BREW");
        assert_eq!((verbs.add("GET"), verbs.add("HEAD"), verbs.add("BREW")), (Verb::GET, Verb::HEAD, brew));
        assert_eq!([Verb::HEAD, brew, Verb::ANY].map(|verb| verbs.name(verb)), [Some("HEAD"), Some("BREW"), None]);
        assert_eq!((verbs.find("PUT").map(Verb::is_of_any), brew.is_of_any()), (Some(true), false));
        assert_eq!((verbs.find("PROPFIND"), verbs.find("get")), (None, None));
    }

    #[test]
    fn the_methods_of_a_path_take_a_quarter_of_a_cache_line() {
        assert_eq!(size_of::<Methods>(), 16);
    }
}
