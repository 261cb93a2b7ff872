//! What mapping templates take: compiling one, and rendering one of fifteen lines over a body of two kilobytes.
//!
//! `cargo bench --bench templates`, or `cargo bench --bench templates -- --quick NAME` for some.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use tollgate::template::{Budget, Event, Fact, JsonPath, Limits, Overrides, Table, Template, Variable};

/// The gateway's own.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const TEMPLATE: &str = include_str!("order.vtl");
const BODY: &str = include_str!("order.json");

struct Order;

impl Event for Order {
    fn body(&self) -> &str {
        BODY
    }

    fn variable(&self, variable: Variable) -> Option<Fact<'_>> {
        match variable {
            Variable::RequestId => Some("c6af9ac6-7b61-11e6-9a41-93e8deadbeef".into()),
            Variable::IdentitySourceIp => Some("192.0.2.7".into()),
            _ => None,
        }
    }

    fn entry<'e>(&'e self, table: Table, _: &str) -> Option<Fact<'e>> {
        (table == Table::StageVariables).then(|| "orders".into())
    }

    fn entries<'e>(&'e self, _: Table, _: &mut dyn FnMut(&'e str, Fact<'e>)) {}
}

fn templates(c: &mut Criterion) {
    let compile = |text: &str| Template::compile(text, &Limits::default()).expect("a template");
    let render = |template: &Template| {
        template.render(&Order, &Overrides::default(), &Budget::default()).expect("an output").text.len()
    };
    c.bench_function("template/compile", |b| b.iter(|| compile(black_box(TEMPLATE))));
    let order = compile(TEMPLATE);
    c.bench_function("template/render", |b| b.iter(|| render(black_box(&order))));
    let constant = compile("{\"statusCode\": 200}");
    c.bench_function("template/render constant", |b| b.iter(|| render(black_box(&constant))));
    let whole = compile("$input.json('$')");
    c.bench_function("template/render body as JSON", |b| b.iter(|| render(black_box(&whole))));
    let path = JsonPath::compile("$.lines[?(@.quantity > 2)].sku").expect("a path");
    c.bench_function("template/jsonpath", |b| b.iter(|| path.find_json(black_box(BODY), &Budget::default())));
}

criterion_group!(benches, templates);
criterion_main!(benches);
