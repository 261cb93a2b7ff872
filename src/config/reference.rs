use std::borrow::Cow;
use std::path::Path;

/// Asks for an environment variable.
pub type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Where `${env:…}` and `${file:…}` of one file are looked up.
#[derive(Clone, Copy)]
pub(super) struct References<'a> {
    pub variables: Variables<'a>,
    /// Paths are relative to it.
    pub folder: &'a Path,
}

/// Why a reference stands for nothing. Never holds what another reference stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadReference {
    pub message: String,
    pub help: String,
}

const FILE_BYTES_MAX: u64 = 1 << 20;

/// Whether a string names the environment or a file.
pub(super) fn is_reference(written: &str) -> bool {
    // Almost no string holds a `$`, and to find that out costs less than to look for either word.
    written.contains('$') && (written.contains("${env:") || written.contains("${file:"))
}

/// Whether a string is nothing but references, so that it may be shown as it is written.
pub(super) fn is_only_references(written: &str) -> bool {
    is_reference(written) && written.starts_with("${") && written.ends_with('}') && written.matches("${").count() == 1
}

impl References<'_> {
    /// Replaces `${env:NAME}` and `${file:PATH}`; other `${…}` stay. What comes in is not looked at again.
    pub fn expand<'w>(&self, written: &'w str) -> Result<Cow<'w, str>, BadReference> {
        if !is_reference(written) {
            return Ok(Cow::Borrowed(written));
        }
        let mut text = String::new();
        let mut rest = written;
        while let Some(start) = rest.find("${") {
            text.push_str(&rest[..start]);
            let Some(end) = rest[start..].find('}') else { return Err(unclosed(&rest[start..])) };
            let (reference, after) = rest[start..].split_at(end + 1);
            text.push_str(&self.resolve(reference)?);
            rest = after;
        }
        text.push_str(rest);
        Ok(Cow::Owned(text))
    }

    fn resolve<'w>(&self, reference: &'w str) -> Result<Cow<'w, str>, BadReference> {
        let inner = reference.trim_start_matches("${").trim_end_matches('}');
        match inner.split_once(':') {
            Some(("env", name)) => self.variable(name).map(Cow::Owned),
            Some(("file", path)) => self.file(path).map(Cow::Owned),
            _ => Ok(Cow::Borrowed(reference)),
        }
    }

    fn variable(&self, name: &str) -> Result<String, BadReference> {
        (self.variables)(name).ok_or_else(|| BadReference {
            message: format!("the environment variable {name} is not set"),
            help: format!("set {name} before the gateway starts, or write ${{file:PATH}}"),
        })
    }

    fn file(&self, path: &str) -> Result<String, BadReference> {
        let full = self.folder.join(path);
        let bad = |problem: String| BadReference {
            message: format!("cannot read {}: {problem}", full.display()),
            help: format!("${{file:…}} is relative to {}", folder_name(self.folder)),
        };
        let size = std::fs::metadata(&full).map_err(|error| bad(super::load::explain(&error)))?.len();
        if size > FILE_BYTES_MAX {
            return Err(bad("it is larger than 1MiB".into()));
        }
        let text = std::fs::read_to_string(&full).map_err(|error| bad(super::load::explain(&error)))?;
        let line = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
        Ok(line.to_owned())
    }
}

fn unclosed(reference: &str) -> BadReference {
    BadReference {
        message: format!("the reference `{reference}` has no closing brace"),
        help: "write ${env:NAME} or ${file:PATH}".into(),
    }
}

fn folder_name(folder: &Path) -> String {
    if folder.as_os_str().is_empty() { "the working directory".into() } else { folder.display().to_string() }
}
