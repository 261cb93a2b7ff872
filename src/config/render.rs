use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};

use super::source::Pages;
use super::{Fault, Sources, Span};

/// Writes faults the way rustc does.
pub(super) fn render(sources: &Sources, faults: &[Fault], level: &Level<'_>, color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let mut pages = Pages::of(sources);
    let mut text = String::new();
    for fault in faults {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&renderer.render(&[group(&mut pages, fault, level)]));
        text.push('\n');
    }
    text
}

fn group<'a>(pages: &mut Pages<'a>, fault: &'a Fault, level: &Level<'a>) -> Group<'a> {
    let mut group = Group::with_title(level.clone().primary_title(fault.message.as_str()));
    if let Some(span) = fault.span {
        group = group.element(snippet(pages, span, AnnotationKind::Primary, None));
    }
    if let Some((span, label)) = &fault.also {
        group = group.element(snippet(pages, *span, AnnotationKind::Context, Some(label)));
    }
    match &fault.help {
        Some(help) => group.element(Level::HELP.message(help.as_str())),
        None => group,
    }
}

/// Only the span's first line: a table may be thousands of lines long.
fn snippet<'a>(
    pages: &mut Pages<'a>,
    span: Span,
    kind: AnnotationKind,
    label: Option<&'a str>,
) -> Snippet<'a, Annotation<'a>> {
    let line = pages.find(span);
    let start = (span.start as usize).saturating_sub(line.start).min(line.text.len());
    let end = (span.end as usize).saturating_sub(line.start).clamp(start, line.text.len());
    Snippet::source(line.text)
        .line_start(line.number)
        .path(pages.sources.path(span.file).display().to_string())
        .annotation(kind.span(start..end).label(label))
}
