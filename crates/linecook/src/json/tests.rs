use proptest::prelude::*;
use serde_json::value::RawValue;

use crate::Event;

crate::event! {
    struct Pizza {
        order_id: String,
        number: u32,
        r#type: Option<String> = None,
    }
}

fn passed_through(json: &str) -> String {
    let mut out = Vec::new();
    Pizza::decode(json.as_bytes()).unwrap().encode(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Name and text of each field of an object, the names decoded.
fn fields(json: &str) -> Vec<(String, String)> {
    struct Fields(Vec<(String, String)>);
    impl<'de> serde::Deserialize<'de> for Fields {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Each;
            impl<'de> serde::de::Visitor<'de> for Each {
                type Value = Fields;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("an object")
                }
                fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                    let mut fields = Vec::new();
                    while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                        fields.push((name, value.get().to_owned()));
                    }
                    Ok(Fields(fields))
                }
            }
            deserializer.deserialize_map(Each)
        }
    }
    serde_json::from_str::<Fields>(json).unwrap().0
}

#[test]
fn numbers_keep_their_digits() {
    let json =
        r#"{"order_id":"7","number":1,"type":null,"a":1e400,"b":0.10,"c":-0,"d":123456789012345678901234567890}"#;
    assert_eq!(passed_through(json), json);
}

#[test]
fn unknown_fields_keep_their_order_and_even_their_doubles() {
    let json = r#"{"order_id":"7","number":1,"type":null,"z":1,"":{"é":["\ud83c\udf55"]},"z":2,"\"":3}"#;
    assert_eq!(passed_through(json), json);
}

#[test]
fn without_unknown_fields_nothing_is_kept() {
    let pizza = Pizza::decode(br#"{"order_id":"7","number":1}"#).unwrap();
    assert!(pizza.unknown.is_empty());
    assert_eq!(pizza.unknown.0.capacity(), 0);
}

#[test]
fn a_known_field_may_be_spelled_with_escapes() {
    let pizza = Pizza::decode(br#"{"\u006frder_id":"a\"\\\n\u00e9","number":1}"#).unwrap();
    assert_eq!(pizza.order_id, "a\"\\\n\u{e9}");
    assert!(pizza.unknown.is_empty());
}

#[test]
fn a_missing_field_is_an_error_unless_it_has_a_default() {
    let error = Pizza::decode(br#"{"order_id":"7"}"#).unwrap_err();
    assert!(error.to_string().contains("missing field `number`"), "{error}");
    assert_eq!(Pizza::decode(br#"{"order_id":"7","number":1}"#).unwrap().r#type, None);
}

#[test]
fn a_known_field_given_twice_is_an_error() {
    let error = Pizza::decode(br#"{"type":"a","order_id":"7","number":1,"type":"b"}"#).unwrap_err();
    assert!(error.to_string().contains("duplicate field `type`"), "{error}");
}

#[test]
fn what_is_no_object_is_an_error_that_names_the_type() {
    for json in ["[]", "7", "null", "\"x\"", ""] {
        let error = Pizza::decode(json.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("an object of type Pizza") || error.contains("EOF"), "{error}");
    }
}

fn number() -> impl Strategy<Value = String> {
    "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?"
}

fn text() -> impl Strategy<Value = String> {
    let plain = any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap());
    prop_oneof![plain, Just(r#""\u0041\/\t\ud83c\udf55""#.to_owned()), Just(r#""""#.to_owned())]
}

fn json() -> impl Strategy<Value = String> {
    let constant = prop_oneof![Just("null"), Just("true"), Just("false")].prop_map(str::to_owned);
    prop_oneof![number(), text(), constant].prop_recursive(4, 24, 4, |inner| {
        let object = prop::collection::vec((text(), inner.clone()), 0..4).prop_map(|fields| object_of(&fields));
        let array = prop::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(" ,")));
        prop_oneof![object, array]
    })
}

fn object_of(fields: &[(String, String)]) -> String {
    let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name} : {value}")).collect();
    format!("{{{}}}", fields.join(",\n"))
}

fn is_known(name: &str) -> bool {
    ["order_id", "number", "type"].contains(&name)
}

proptest! {
    #[test]
    fn every_unknown_field_passes_through_as_it_is(
        unknown in prop::collection::vec((text(), json()), 0..6),
        order_id in any::<String>(),
        number in any::<u32>(),
        known_at in 0_usize..6,
    ) {
        let unknown = unknown.into_iter().filter(|(name, _)| !is_known(&serde_json::from_str::<String>(name).unwrap()));
        let mut given: Vec<_> = unknown.collect();
        let known = ("\"order_id\"".to_owned(), serde_json::to_string(&order_id).unwrap());
        given.insert(known_at.min(given.len()), known);
        given.push(("\"number\"".to_owned(), number.to_string()));

        let json = object_of(&given);
        let out = passed_through(&json);

        let expected: Vec<_> = fields(&json).into_iter().filter(|(name, _)| !is_known(name)).collect();
        let passed = fields(&out);
        prop_assert_eq!(&passed[3..], &expected[..]);
        prop_assert_eq!(Pizza::decode(out.as_bytes()).unwrap(), Pizza::decode(json.as_bytes()).unwrap());
        prop_assert_eq!(Pizza::decode(out.as_bytes()).unwrap().order_id, order_id);
    }
}
