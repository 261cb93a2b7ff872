//! The names of Java's methods that templates in the wild call, and of the service's own functions.

macro_rules! methods {
    ($($name:ident $java:literal)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Method { $($name,)* }

        impl Method {
            pub fn named(name: &str) -> Option<Method> {
                Some(match name { $($java => Method::$name,)* _ => return None })
            }

            pub fn names() -> impl Iterator<Item = &'static str> {
                [$($java,)*].into_iter()
            }

            pub fn name(self) -> &'static str {
                match self { $(Method::$name => $java,)* }
            }
        }
    };
}

methods! {
    // $input
    Json "json"
    Path "path"
    Params "params"
    // $util
    Base64Decode "base64Decode"
    Base64Encode "base64Encode"
    EscapeJavaScript "escapeJavaScript"
    ParseJson "parseJson"
    UrlDecode "urlDecode"
    UrlEncode "urlEncode"
    // $util, of Tollgate
    EscapeXml "escapeXml"
    ParseXml "parseXml"
    // of everything
    CompareTo "compareTo"
    Equals "equals"
    ToString "toString"
    // of strings
    CharAt "charAt"
    CompareToIgnoreCase "compareToIgnoreCase"
    Concat "concat"
    EndsWith "endsWith"
    EqualsIgnoreCase "equalsIgnoreCase"
    IsBlank "isBlank"
    Length "length"
    Matches "matches"
    Repeat "repeat"
    Replace "replace"
    ReplaceAll "replaceAll"
    ReplaceFirst "replaceFirst"
    Split "split"
    StartsWith "startsWith"
    Strip "strip"
    Substring "substring"
    ToLowerCase "toLowerCase"
    ToUpperCase "toUpperCase"
    Trim "trim"
    ValueOf "valueOf"
    // of lists, and some of strings or maps
    Add "add"
    AddAll "addAll"
    Clear "clear"
    Contains "contains"
    ContainsAll "containsAll"
    Get "get"
    IndexOf "indexOf"
    IsEmpty "isEmpty"
    Iterator "iterator"
    LastIndexOf "lastIndexOf"
    Remove "remove"
    Set "set"
    Size "size"
    SubList "subList"
    ToArray "toArray"
    // of maps
    ContainsKey "containsKey"
    ContainsValue "containsValue"
    EntrySet "entrySet"
    GetOrDefault "getOrDefault"
    KeySet "keySet"
    Put "put"
    PutAll "putAll"
    PutIfAbsent "putIfAbsent"
    Values "values"
    // of entries
    GetKey "getKey"
    GetValue "getValue"
    // of numbers and booleans
    BooleanValue "booleanValue"
    DoubleValue "doubleValue"
    FloatValue "floatValue"
    IntValue "intValue"
    LongValue "longValue"
    ParseBoolean "parseBoolean"
    ParseDouble "parseDouble"
    ParseFloat "parseFloat"
    ParseInt "parseInt"
    ParseLong "parseLong"
    // of $foreach
    GetCount "getCount"
    GetIndex "getIndex"
    HasNext "hasNext"
    IsFirst "isFirst"
    IsLast "isLast"
}
