use std::collections::HashMap;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::source::Lines;
use super::{Fault, Sources, Span};

/// Writes faults the way rustc does.
pub(super) fn render(sources: &Sources, faults: &[Fault], color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let mut page = Page { sources, lines: HashMap::new() };
    let mut text = String::new();
    for fault in faults {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&renderer.render(&[page.group(fault)]));
        text.push('\n');
    }
    text
}

/// The texts that faults are shown in, each split into lines once.
struct Page<'a> {
    sources: &'a Sources,
    lines: HashMap<u32, Lines<'a>>,
}

impl<'a> Page<'a> {
    fn group(&mut self, fault: &'a Fault) -> Group<'a> {
        let mut group = Group::with_title(Level::ERROR.primary_title(fault.message.as_str()));
        if let Some(span) = fault.span {
            group = group.element(self.snippet(span, AnnotationKind::Primary, None));
        }
        if let Some((span, label)) = &fault.also {
            group = group.element(self.snippet(*span, AnnotationKind::Context, Some(label)));
        }
        match &fault.help {
            Some(help) => group.element(Level::HELP.message(help.as_str())),
            None => group,
        }
    }

    /// Only the span's first line: a table may be thousands of lines long.
    fn snippet(
        &mut self,
        span: Span,
        kind: AnnotationKind,
        label: Option<&'a str>,
    ) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        let sources = self.sources;
        let lines = self.lines.entry(span.file).or_insert_with(|| Lines::of(sources.text(span.file)));
        let line = lines.find(span.start as usize);
        let start = (span.start as usize).saturating_sub(line.start).min(line.text.len());
        let end = (span.end as usize).saturating_sub(line.start).clamp(start, line.text.len());
        Snippet::source(line.text)
            .line_start(line.number)
            .path(sources.path(span.file).display().to_string())
            .annotation(kind.span(start..end).label(label))
    }
}
