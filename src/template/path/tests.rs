use super::*;
use crate::template::Budget;

/// The bookshop of the JSONPath article, which every dialect is tried on.
const SHOP: &str = r#"{"store": {"book": [
    {"category": "reference", "author": "Nigel Rees", "title": "Sayings", "price": 8.95},
    {"category": "fiction", "author": "Evelyn Waugh", "title": "Sword", "price": 12.99},
    {"category": "fiction", "author": "Herman Melville", "title": "Moby Dick", "isbn": "0-553-21311-3", "price": 8.99},
    {"category": "fiction", "author": "J. R. R. Tolkien", "title": "The Lord", "isbn": "0-395-19395-8", "price": 22.99}
  ], "bicycle": {"color": "red", "price": 19.95}}, "expensive": 10, "names": ["b", "a"], "n": [1, 2, 3, 4], "a b": {"c.d": 1}, "empty": [], "null": null}"#;

#[track_caller]
fn check(path: &str, expected: &str) {
    let compiled = JsonPath::compile(path).unwrap_or_else(|fault| panic!("{path}: {fault}"));
    let found = compiled.find_json(SHOP, &Budget::default()).expect("a budget that is large enough");
    assert_eq!(found.as_deref().unwrap_or("-"), expected, "{path}");
}

#[test]
fn a_definite_path_gives_the_value_or_nothing() {
    check("$.store.bicycle.color", "\"red\"");
    check("$['store']['bicycle'][\"price\"]", "19.95");
    check("$.store.book[1].title", "\"Sword\"");
    check("$.store.book[-1].title", "\"The Lord\"");
    check("$['a b']['c.d']", "1");
    check("$.null", "null");
    check("expensive", "10");
    check("store.bicycle.color", "\"red\"");
    check("$.store.nothing", "-");
    check("$.store.book[4]", "-");
    check("$.expensive.x", "-");
    check("$.names.x", "-");
    check("$['expensive','names']", r#"{"expensive":10,"names":["b","a"]}"#);
}

#[test]
fn an_indefinite_path_gives_a_list() {
    check("$.store.book[*].author", r#"["Nigel Rees","Evelyn Waugh","Herman Melville","J. R. R. Tolkien"]"#);
    check("$..author", r#"["Nigel Rees","Evelyn Waugh","Herman Melville","J. R. R. Tolkien"]"#);
    check("$.store..price", "[8.95,12.99,8.99,22.99,19.95]");
    check("$..book[2].title", r#"["Moby Dick"]"#);
    check("$.store.*.color", r#"["red"]"#);
    check("$.n[0,2]", "[1,3]");
    check("$.n[1:3]", "[2,3]");
    check("$.n[:2]", "[1,2]");
    check("$.n[-2:]", "[3,4]");
    check("$.n[9:]", "[]");
    check("$.nothing[*]", "[]");
    check("$..nothing", "[]");
    check(
        "$.store.book[*]['title','price']",
        r#"[{"title":"Sayings","price":8.95},{"title":"Sword","price":12.99},{"title":"Moby Dick","price":8.99},{"title":"The Lord","price":22.99}]"#,
    );
}

#[test]
fn filters_choose_items() {
    check("$..book[?(@.isbn)].title", r#"["Moby Dick","The Lord"]"#);
    check("$..book[?(!@.isbn)].title", r#"["Sayings","Sword"]"#);
    check("$.store.book[?(@.price < 10)].title", r#"["Sayings","Moby Dick"]"#);
    check("$..book[?(@.price <= $['expensive'])].title", r#"["Sayings","Moby Dick"]"#);
    check("$..book[?(@.author =~ /.*REES/i)].title", r#"["Sayings"]"#);
    check("$..book[?(@.category == 'fiction' && @.price > 20)].title", r#"["The Lord"]"#);
    check("$..book[?(@.price < 8.96 || (@.title == \"Sword\"))].price", "[8.95,12.99]");
    check("$..book[?(@.title in ['Sword', 'Sayings'])].price", "[8.95,12.99]");
    check("$..book[?(@.title nin ['Sword', 'Sayings'])].price", "[8.99,22.99]");
    check("$..book[?(@.author contains 'Tolkien')].price", "[22.99]");
    check("$.n[?(@ > 2)]", "[3,4]");
    check("$[?(@.expensive == 10)].names", r#"[["b","a"]]"#);
    check("$.store.book[?(@.title size 5)].title", r#"["Sword"]"#);
    check("$..book[?(@.isbn == null)].title", "[]");
    check("$..book[?(@.title != 'Sword')].price", "[8.95,8.99,22.99]");
}

#[test]
fn functions_end_a_path() {
    check("$.n.length()", "4");
    check("$.store.book.size()", "4");
    check("$.n.sum()", "10.0");
    check("$.n.avg()", "2.5");
    check("$.n.min()", "1.0");
    check("$.n.max()", "4.0");
    check("$.n.first()", "1");
    check("$.n.last()", "4");
    check("$.n.index(-2)", "3");
    check("$.store.keys()", r#"["book","bicycle"]"#);
    check("$..price.sum()", "73.87");
    check("$.empty.sum()", "null");
}

#[test]
fn a_text_that_is_no_path_is_refused_with_its_place() {
    for (path, at, words) in [
        ("$.", 2, "the path ends where a name should be"),
        ("$[", 2, "the path ends where"),
        ("$['a'", 5, "\"]\" should be"),
        ("$['a", 2, "a name that no quote ends"),
        ("$.a.nope()", 4, "no function nope() is known"),
        ("$.a[?(@.b ==)]", 12, "where a value"),
        ("$.a[?(@.b =~ /(?=x)/)]", 13, "look-ahead"),
        ("$.a b", 4, "the path's end"),
        ("$.a[x]", 4, "a name in quotes, an index"),
    ] {
        let fault = JsonPath::compile(path).expect_err(path);
        assert!(fault.at == at && fault.message.contains(words), "{path}: {fault}");
    }
    assert!(JsonPath::compile(&format!("$[?({}1)]", "(".repeat(10_000))).is_err());
    assert!(JsonPath::compile(&format!("$[?({}@)]", "!".repeat(10_000))).is_err());
    assert!(JsonPath::compile(&format!("$[?(@ in {}", "[".repeat(10_000))).is_err());
}
