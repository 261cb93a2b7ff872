use std::borrow::Cow;
use std::fmt;

use super::Node;

/// A JSON pointer (RFC 6901), such as `/paths/~1orders/get`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pointer(String);

impl Pointer {
    /// The whole document.
    pub fn root() -> Pointer {
        Pointer::default()
    }

    /// Reads the fragment of a reference: `#/a/b` without the `#`, percent-encoded.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(fragment: &str) -> Result<Pointer, String> {
        let decoded = percent_encoding::percent_decode_str(fragment).decode_utf8();
        let text = decoded.map_err(|_| format!("the fragment \"#{fragment}\" is not UTF-8"))?;
        if !text.is_empty() && !text.starts_with('/') {
            return Err(format!("the fragment \"#{fragment}\" is no JSON pointer: those begin with #/"));
        }
        Ok(Pointer(text.into_owned()))
    }

    /// One step further down.
    pub fn join(&self, name: &str) -> Pointer {
        let escaped = match name.contains(['~', '/']) {
            true => Cow::Owned(name.replace('~', "~0").replace('/', "~1")),
            false => Cow::Borrowed(name),
        };
        Pointer(format!("{}/{escaped}", self.0))
    }

    /// Where `node` stands below `root`, by its identity: for faults, as it looks at everything.
    pub fn of(node: &Node, root: &Node) -> Option<Pointer> {
        fn find(node: &Node, within: &Node, path: &mut Vec<String>) -> bool {
            if std::ptr::eq(node, within) {
                return true;
            }
            let members = within.entries().iter().map(|(key, value)| (key.name.to_string(), value));
            let elements = within.elements().iter().enumerate().map(|(at, value)| (at.to_string(), value));
            members.chain(elements).any(|(step, value)| {
                path.push(step);
                let found = find(node, value, path);
                if !found {
                    path.pop();
                }
                found
            })
        }
        let mut path = Vec::new();
        find(node, root, &mut path).then(|| path.iter().fold(Pointer::root(), |pointer, step| pointer.join(step)))
    }

    /// The pointer to what holds this, and the last step.
    pub fn split(&self) -> (Pointer, String) {
        let (parent, last) = self.0.rsplit_once('/').unwrap_or(("", ""));
        (Pointer(parent.to_owned()), last.replace("~1", "/").replace("~0", "~"))
    }

    /// The value that this points to.
    pub fn find<'n>(&self, root: &'n Node) -> Option<&'n Node> {
        self.0.split('/').skip(1).try_fold(root, |node, step| {
            let name = step.replace("~1", "/").replace("~0", "~");
            node.get(&name).or_else(|| node.at(name.parse().ok()?))
        })
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}
