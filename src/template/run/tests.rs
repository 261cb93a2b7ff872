//! Promises that hold for every text: nothing panics, hangs or spends more than its budget.

use std::time::{Duration, Instant};

use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_oneof, proptest};

use crate::template::tests::{Case, rendered};
use crate::template::{Budget, JsonPath, Limit, Limits, Overrides, Template, Why};

/// Small, so that whatever runs away is caught soon.
const BUDGET: Budget = Budget {
    nesting: 64,
    iterations: 50,
    steps: 20_000,
    output_bytes: 20_000,
    memory_bytes: 1 << 20,
    time: Duration::from_secs(5),
};

const BODY: &str =
    r#"{"a": [1, 2.5, "x", null, true, {"b": "c"}], "m": {"k": "v"}, "s": "text, with 'quotes'", "n": 7}"#;

/// What templates are made of, so that many of the texts are templates.
const PIECES: &[&str] = &[
    "#if(",
    "#elseif(",
    "#else",
    "#end",
    "#set(",
    "#foreach($x in ",
    "#define($d)",
    "#stop",
    "#break",
    "#macro(m)",
    "##",
    "#*",
    "*#",
    "#[[",
    "]]#",
    "#{end}",
    "$x",
    "$!y",
    "${z}",
    "$d",
    "$input",
    "$util",
    "$context",
    "$foreach",
    "$stageVariables",
    ".a",
    ".m.k",
    ".body",
    ".json(",
    ".path(",
    ".params(",
    ".requestOverride.header.X",
    "'$'",
    "\"$.a[*]\"",
    "'$..*'",
    ".size()",
    ".add(",
    ".put(",
    ".get(",
    ".keySet()",
    ".entrySet()",
    ".toString()",
    ".replaceAll(",
    ".split(",
    ".substring(",
    ".matches(",
    ".parseJson(",
    ".parseXml(",
    ".escapeXml(",
    ".escapeJavaScript(",
    ".base64Decode(",
    "=",
    "==",
    "!=",
    "<",
    ">=",
    "+",
    "-",
    "*",
    "/",
    "%",
    "&&",
    "||",
    "!",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "..",
    "1",
    "2147483647",
    "9223372036854775807",
    "-0.5",
    "1e300",
    "true",
    "null",
    "'",
    "\"",
    "'a'",
    "\"$x$x\"",
    "\\",
    " ",
    "\n",
    "é",
    "€",
    "😀",
    "[1..9]",
    "[$x, $y]",
    "{'k': $x}",
    "#set($x = $x + $x)",
    "#set($x = [$x, $x])",
    "#set($i = $x.add($x))",
    "#foreach($i in [1..40])",
    "#set($x = $input.path('$'))",
    "#set($x.k = $x)",
];

const PATHS: &[&str] = &[
    "$", "@", ".", "..", "a", "m", "*", "[", "]", "0", "-1", ":", ",", "'", "\"", "'a'", "?(", ")", "(", "==", "=~",
    "/a.*/i", "in", "size", "empty", "!", "&&", "||", " ", "length()", "sum()", "keys()", "true", "null", "1.5", "é",
];

fn text_of(pieces: &'static [&'static str]) -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        12 => prop::sample::select(pieces).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
        1 => Just("x".repeat(40)),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// A template of statements that are whole, so that rendering gets far.
fn statements() -> impl Strategy<Value = String> {
    let value = prop::sample::select(&[
        "$x",
        "$y",
        "1",
        "'s'",
        "[1..30]",
        "{'k': $x}",
        "[$x, $y]",
        "$x + $y",
        "$x == $y",
        "$input.path('$.a')",
        "\"$x$y\"",
        "$input.path('$..*')",
        "$x.add($y)",
        "$x.put('k', $y)",
        "$x.toString()",
        "$x.keySet()",
        "$y.replaceAll('.', '$0$0')",
        "$x.concat($x)",
        "$x.repeat(9)",
        "$util.parseJson($y)",
        "$util.parseXml($y, $x)",
        "$util.escapeXml($x)",
        "$util.escapeJavaScript($x)",
        "$context",
        "$d",
        "$x.split('')",
    ]);
    let leaf = prop_oneof![
        (value.clone()).prop_map(|value| format!("#set($x = {value})")),
        (value.clone()).prop_map(|value| format!("#set($y = {value})")),
        Just("$x $y.k[0] ".to_owned()),
        Just("#set($x.k = $y)".to_owned()),
    ];
    let tree = leaf.prop_recursive(4, 40, 6, move |inner| {
        let block = prop::collection::vec(inner, 1..6).prop_map(|parts| parts.concat());
        prop_oneof![
            (block.clone(), value.clone()).prop_map(|(block, value)| format!("#foreach($x in {value}){block}#{{end}}")),
            (block.clone(), value.clone()).prop_map(|(block, value)| format!("#if({value}){block}#{{else}}$d#{{end}}")),
            block.clone().prop_map(|block| format!("#define($d){block}#{{end}}")),
            block,
        ]
    });
    prop::collection::vec(tree, 1..8).prop_map(|parts| parts.concat())
}

/// Renders, and holds what came out against the budget.
fn holds_its_promises(template: &str, body: &str) {
    let since = Instant::now();
    let Ok(template) = Template::compile(template, &Limits::default()) else { return };
    let (rendered, remarks) = template.explain(&Case { body }, &Overrides::default(), &BUDGET);
    let whole = template.source().len();
    assert!(since.elapsed() < Duration::from_secs(5), "{:?} took {:?}", template.source(), since.elapsed());
    assert!(remarks.iter().all(|remark| remark.at.end <= whole && remark.place.line > 0));
    match rendered {
        Ok(rendered) => assert!(rendered.text.len() <= BUDGET.output_bytes),
        Err(failure) => assert!(failure.at.end <= whole && !failure.message.is_empty(), "{failure}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_breaks_the_compiler_or_the_renderer(template in text_of(PIECES)) {
        holds_its_promises(&template, BODY);
    }

    #[test]
    fn no_program_spends_more_than_its_budget(template in statements()) {
        holds_its_promises(&template, BODY);
    }

    #[test]
    fn no_body_breaks_the_reader(body in text_of(&["{", "}", "[", "]", ":", ",", "\"", "'", "\\", "u00e9", "\\ud83d", "1", "-", "a", "null", " "])) {
        holds_its_promises("$input.json('$') $input.path('$..*')", &body);
    }

    #[test]
    fn no_text_breaks_a_path(path in text_of(PATHS)) {
        if let Ok(path) = JsonPath::compile(&path) {
            let _ = path.find_json(BODY, &BUDGET);
        }
    }

    #[test]
    fn text_without_signs_prints_itself(text in "[^$#\\\\]{0,200}") {
        assert_eq!(rendered(&text, "", &Budget::default()), Ok(text));
    }

    #[test]
    fn json_that_is_read_is_written_as_it_was(value in json()) {
        let text = value.to_string();
        assert_eq!(rendered("$input.json('$')", &text, &Budget::default()), Ok(text));
    }
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        "[a-zé€😀/ ]{0,9}".prop_map(serde_json::Value::from),
    ];
    // The outermost value is never empty text, which would be an empty body, nor a bare word.
    let tree = leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
            prop::collection::btree_map("[a-z\"\\\\]{0,6}", inner, 0..30)
                .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    });
    prop::collection::vec(tree, 0..4).prop_map(serde_json::Value::from)
}

#[test]
fn what_only_nests_is_refused_before_the_stack_ends() {
    for (open, close) in
        [("(", ")"), ("[", "]"), ("{'a':", "}"), ("!", ""), ("-", ""), ("\"$x.a(", ")\""), ("$x.get(", ")")]
    {
        let template = format!("#set($x = {}1{})", open.repeat(20_000), close.repeat(20_000));
        assert!(Template::compile(&template, &Limits::default()).is_err(), "{open}");
    }
    for open in ["#if(1)", "#foreach($x in [1])", "#define($d)", "#macro(m)"] {
        let template = format!("{}{}", open.repeat(20_000), "#{end}".repeat(20_000));
        assert!(Template::compile(&template, &Limits::default()).is_err(), "{open}");
    }
}

#[test]
fn what_is_long_but_flat_is_taken() {
    let sum = format!("#set($x = 0{})$x", " + 1".repeat(5_000));
    assert_eq!(rendered(&sum, "", &Budget::default()), Ok("5000".to_owned()));
    let branches = format!("#if(false)a{}#end", "#elseif(false)b".repeat(5_000));
    assert_eq!(rendered(&branches, "", &Budget::default()), Ok(String::new()));
    let steps = format!("#set($x = {{}})$x{}", ".a".repeat(5_000));
    assert_eq!(rendered(&steps, "", &Budget::default()), Ok(String::new()));
}

#[test]
fn every_budget_is_kept_and_named() {
    #[track_caller]
    fn check(template: &str, limit: Limit) {
        let template = Template::compile(template, &Limits::default()).expect("a template");
        let since = Instant::now();
        let budget = Budget { time: Duration::from_secs(30), ..Budget::default() };
        let failure = template.render(&Case { body: BODY }, &Overrides::default(), &budget);
        let failure = failure.expect_err("more than the budget");
        assert_eq!(failure.why, Why::Limit(limit), "{failure}");
        assert!(
            failure.place.line == 1 && since.elapsed() < Duration::from_secs(20),
            "{failure} after {:?}",
            since.elapsed()
        );
    }
    check("#foreach($i in [1..1000])#foreach($j in [1..1001])#end#end", Limit::Iterations);
    check("#set($r = [1..1000])#foreach($i in $r)#foreach($j in $r)#foreach($k in $r)#end#end#end", Limit::Steps);
    check("#set($x = 'xxxxxxxxxx')#foreach($i in [1..100])#set($x = $x + $x)#end", Limit::Output);
    check(
        "#set($x = 'xxxxxxxxxx')#foreach($i in [1..19])#set($x = $x + $x)#end#foreach($i in [1..99])$x#end",
        Limit::Output,
    );
    check(
        "#set($x = 'xxxxxxxxxx')#foreach($i in [1..19])#set($x = $x + $x)#end#foreach($i in [1..99])#set($y = $x + $i)#end",
        Limit::Memory,
    );
    check("#set($x = [1..2000000000])", Limit::Memory);
    check("#define($d)$d#end$d", Limit::Nesting);
    check("#set($r = [1..300])#foreach($i in $r)#foreach($i in $r)#set($x = [$x])#end#end$x", Limit::Nesting);
    check("#set($x = 'a').$x.repeat(2000000000)", Limit::Output);
}
