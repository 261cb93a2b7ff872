//! `tollgate template test`: what it prints for a template and an event, and how it shows what is wrong.

use crate::house::{Folder, Output, tollgate_in};

const TEMPLATE: &str = r##"#set($order = $input.path('$'))
{
#if($order.kind == "gift")
  "wrap": true,
#else
  "none": "$order.nothing",
#end
  "items": [#foreach($item in $order.items)"$item"#if($foreach.hasNext), #end#end], "from": "$context.identity.sourceIp"
}
#set($context.responseOverride.status = 201)
"##;

const EVENT: &str = r#"{"body": {"items": [1, 2]}, "context": {"identity": {"sourceIp": "192.0.2.7"}}}"#;

#[track_caller]
fn test(template: &str, event: &str, more: &[&str]) -> Output {
    let folder = Folder::new("", &[]);
    folder.write("order.vtl", template);
    folder.write("event.json", event);
    tollgate_in(folder.path(), &[&["template", "test", "order.vtl", "event.json"], more].concat())
}

#[test]
fn a_template_is_rendered_for_an_event_and_nothing_else_is_printed() {
    let output = test(TEMPLATE, EVENT, &[]).expect(0);
    assert_eq!(output.stdout, "{\n  \"none\": \"\",\n  \"items\": [\"1\", \"2\"], \"from\": \"192.0.2.7\"\n}\n");
    assert_eq!(output.stderr, "");
}

#[test]
fn explain_tells_what_was_empty_which_branch_ran_and_what_was_overridden() {
    let output = test(TEMPLATE, EVENT, &["--explain"]).expect(0);
    for line in [
        "order.vtl:3:1: #if($order.kind == \"gift\")  took #else",
        "order.vtl:6:12: $order.nothing  was empty",
        "order.vtl:8:13: #foreach($item in $order.items)  went round 2 times",
        "responseOverride.status = 201",
    ] {
        assert!(output.stderr.contains(line), "{line:?} is not in\n{}", output.stderr);
    }
}

#[test]
fn a_fault_is_shown_with_its_line_and_a_caret() {
    let output = test("{\n  #set($x = [1, 2)\n}", "{}", &[]).expect(1);
    assert!(output.stderr.contains("2 |   #set($x = [1, 2)") && output.stderr.contains("^"), "{}", output.stderr);
    let output = test("a\n$input.path('$.x').substring(5)", r#"{"body": {"x": "y"}}"#, &[]).expect(1);
    assert!(output.stderr.contains("substring() goes beyond a string of 1 characters"), "{}", output.stderr);
    assert!(output.stderr.contains("order.vtl:2:19"), "{}", output.stderr);
}

#[test]
fn an_event_with_a_slip_of_the_pen_is_refused() {
    for (event, words) in [
        (r#"{"header": {}}"#, "did you mean \"headers\"?"),
        (r#"{"context": {"identity": {"sourceIP": "x"}}}"#, "did you mean \"identity.sourceIp\"?"),
        (r#"{"headers": []}"#, "\"headers\" is no object"),
        ("[]", "an event is a JSON object"),
    ] {
        let output = test("x", event, &[]).expect(1);
        assert!(output.stderr.contains(words), "{event}: {}", output.stderr);
    }
}
