use super::Importer;
use crate::base::nearest;
use crate::config::ErrorStyle;
use crate::openapi::At;

const PREFIX: &str = "x-amazon-apigateway-";

/// Where an extension may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Root,
    Path,
    Operation,
    Scheme,
    Server,
    Components,
    Tag,
}

/// What becomes of an extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Its reader takes it, and tells what it does not serve of it.
    Read,
    /// It says nothing that would be served differently.
    Described,
    /// It is named as not served.
    Unserved,
}

/// Every extension of API Gateway, without its prefix.
const KNOWN: &[(&str, &[Place], Fate)] = &[
    ("any-method", &[Place::Path], Fate::Read),
    ("api-key-source", &[Place::Root], Fate::Read),
    ("auth", &[Place::Operation], Fate::Read),
    ("authorizer", &[Place::Scheme], Fate::Read),
    ("authtype", &[Place::Scheme], Fate::Read),
    ("binary-media-types", &[Place::Root], Fate::Read),
    ("cors", &[Place::Root], Fate::Read),
    ("documentation", &[Place::Root, Place::Path, Place::Operation], Fate::Described),
    ("endpoint-access-mode", &[Place::Root], Fate::Unserved),
    ("endpoint-configuration", &[Place::Root, Place::Server], Fate::Unserved),
    ("gateway-responses", &[Place::Root], Fate::Read),
    ("importexport-version", &[Place::Root], Fate::Described),
    ("integration", &[Place::Operation], Fate::Read),
    ("integrations", &[Place::Components], Fate::Read),
    ("minimum-compression-size", &[Place::Root], Fate::Read),
    ("policy", &[Place::Root], Fate::Unserved),
    ("request-validator", &[Place::Root, Place::Operation], Fate::Read),
    ("request-validators", &[Place::Root], Fate::Read),
    ("security-policy", &[Place::Root], Fate::Unserved),
    ("tag-value", &[Place::Tag], Fate::Described),
];

impl<'d> Importer<'d> {
    /// Looks at the extensions of `at`, called `what`: none is passed over in silence.
    pub(super) fn check_extensions(&self, at: At<'d>, place: Place, what: &str) {
        for (key, value) in at.members() {
            let Some(name) = key.name.strip_prefix(PREFIX) else { continue };
            match KNOWN.iter().find(|(known, ..)| *known == name) {
                Some((_, places, _)) if !places.contains(&place) => {
                    value.unserved(format!("{} of {what}, where it means nothing", key.name));
                }
                Some((_, _, Fate::Unserved)) => value.unserved(format!("{} of {what}", key.name)),
                Some(_) => {}
                None if is_slip(name) => {
                    let known = KNOWN.iter().map(|(known, ..)| *known);
                    let help = nearest(name, known).replace("did you mean \"", &format!("did you mean \"{PREFIX}"));
                    at.refuse_name::<()>(key, format!("API Gateway has no extension {}", key.name), help);
                }
                None => value.unserved(format!("{} of {what}, which is not known", key.name)),
            }
        }
    }
}

/// Whether a name is a known one with a slip of the pen.
fn is_slip(name: &str) -> bool {
    KNOWN.iter().any(|(known, ..)| strsim::damerau_levenshtein(name, known) <= 2)
}

/// Whether a document is one of API Gateway: it carries extensions of it. An export says so itself.
pub(super) fn is_aws(root: At<'_>) -> bool {
    if let Some(style) = root.get("x-tollgate-errors").and_then(|style| style.node.as_str()) {
        return style == ErrorStyle::Aws.as_str();
    }
    let has = |at: At<'_>| at.members().any(|(key, _)| key.name.starts_with(PREFIX));
    let paths = root.get("paths").into_iter().flat_map(At::members).map(|(_, item)| item);
    let schemes = [root.get("securityDefinitions"), root.get("components").and_then(|at| at.get("securitySchemes"))];
    has(root)
        || paths.flat_map(|item| std::iter::once(item).chain(item.members().map(|(_, at)| at))).any(has)
        || schemes.into_iter().flatten().flat_map(At::members).any(|(_, scheme)| has(scheme))
}
