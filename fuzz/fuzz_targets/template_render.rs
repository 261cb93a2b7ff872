//! Any template renders for any body within its budget, or fails with a place inside it. The text's part before the
//! first NUL is the body.

#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use tollgate::template::{Budget, Event, Fact, Limits, Overrides, Table, Template, Variable};

struct Body<'b>(&'b str);

impl Event for Body<'_> {
    fn body(&self) -> &str {
        self.0
    }

    fn variable(&self, variable: Variable) -> Option<Fact<'_>> {
        (variable != Variable::IdentityUser).then(|| variable.path().into())
    }

    fn entry<'e>(&'e self, _: Table, name: &str) -> Option<Fact<'e>> {
        (name == "a").then(|| "value".into())
    }

    fn entries<'e>(&'e self, _: Table, visit: &mut dyn FnMut(&'e str, Fact<'e>)) {
        visit("a", "value".into());
        visit("b", 7.into());
    }
}

fuzz_target!(|text: &str| {
    let (body, template) = text.split_once('\0').unwrap_or(("", text));
    let Ok(template) = Template::compile(template, &Limits::default()) else { return };
    let budget = Budget { steps: 50_000, output_bytes: 100_000, memory_bytes: 4 << 20, ..Budget::default() };
    let since = Instant::now();
    let (rendered, remarks) = template.explain(&Body(body), &Overrides::default(), &budget);
    assert!(since.elapsed() < Duration::from_secs(5));
    assert!(remarks.iter().all(|remark| remark.at.end <= template.source().len()));
    match rendered {
        Ok(rendered) => assert!(rendered.text.len() <= budget.output_bytes),
        Err(failure) => assert!(failure.at.end <= template.source().len()),
    }
});
