use std::path::Path;

use super::at::Desk;
use super::import::{Wishes, import};
use super::library::Library;
use crate::config::{self, Api, Config, Definition, Fault, Faults, Sources, Unserved, Variables};

/// Reads a main file, what it includes, and every document that it names: the whole configuration.
pub fn load(path: &Path) -> Result<Config, Faults> {
    complete(config::load(path)?)
}

/// The same; `variables` answers `${env:…}`.
pub fn load_with(path: &Path, variables: Variables<'_>) -> Result<Config, Faults> {
    complete(config::load_with(path, variables)?)
}

/// Reads the documents that a configuration names into it.
pub(super) fn complete(mut config: Config) -> Result<Config, Faults> {
    let mut faults = Vec::new();
    for api in config.apis.values_mut() {
        read_documents(api, &mut config.sources, &mut faults);
    }
    if faults.is_empty() { Ok(config) } else { Err(Faults::new(config.sources, faults)) }
}

fn read_documents(api: &mut Api, sources: &mut Sources, faults: &mut Vec<Fault>) {
    let to = api.forward_to.as_ref().map(|to| to.value.clone());
    let wishes = Wishes { base_path: api.base_path, forward_to: to.as_deref() };
    let mut read = |path: &config::Located<std::path::PathBuf>| match import_file(path, wishes, sources) {
        Ok(definition) => Some(definition),
        Err(mut found) => {
            // A file that cannot be read has no place of its own.
            found.iter_mut().filter(|fault| fault.span.is_none()).for_each(|fault| fault.span = Some(path.span));
            faults.append(&mut found);
            None
        }
    };
    if let Some(definition) = api.document.as_ref().and_then(&mut read) {
        api.definition = std::mem::take(&mut api.definition).over(definition);
    }
    for canary in api.stages.values_mut().filter_map(|stage| stage.canary.as_mut()) {
        canary.definition = canary.document.as_ref().and_then(&mut read).map(Box::new);
    }
}

/// Reads one document and what it refers to.
pub(super) fn import_file(path: &Path, wishes: Wishes<'_>, sources: &mut Sources) -> Result<Definition, Vec<Fault>> {
    let library = Library::read(path, sources).map_err(|fault| vec![fault])?;
    let desk = Desk::new(&library);
    import(&desk, wishes).ok_or_else(|| desk.faults.take())
}

/// What the documents of a configuration declare and this release does not serve, each with its place.
pub fn unserved(config: &Config) -> Faults {
    let canaries = |api: &'_ Api| -> Vec<Unserved> {
        let canaries = api.stages.values().filter_map(|stage| stage.canary.as_ref()?.definition.as_deref());
        canaries.flat_map(|definition| definition.unserved.iter().cloned()).collect()
    };
    let all = config.apis.values().flat_map(|api| api.definition.unserved.iter().cloned().chain(canaries(api)));
    let mut told: Vec<Fault> = all.map(|unserved| Fault::at(unserved.span, unserved.what)).collect();
    // Stages may share a document.
    told.sort_by_key(|fault| fault.span);
    told.dedup();
    Faults::new(config.sources.clone(), told)
}

/// Reads one text as the document of the API `api`, whose stage is `prod`. No file beside it is read.
pub fn parse(document: &str) -> Result<Config, Faults> {
    let mut config = config::parse("[apis.api]\n[apis.api.stages.prod]\n")?;
    let read = Library::alone(document, &mut config.sources).map_err(|fault| vec![fault]);
    let definition = read.and_then(|library| {
        let desk = Desk::new(&library);
        import(&desk, Wishes { forward_to: Some("http://localhost"), ..Wishes::default() })
            .ok_or_else(|| desk.faults.take())
    });
    match (definition, config.apis.get_mut("api")) {
        (Ok(definition), Some(api)) => api.definition = definition,
        (Err(faults), _) => return Err(Faults::new(config.sources, faults)),
        (Ok(_), None) => {}
    }
    Ok(config)
}
