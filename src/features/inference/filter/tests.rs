//! Filters are read as they are written, and admit what evaluating them item by item admits.

use std::collections::HashMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::evaluation::admitted;
use super::{Filter, read};
use crate::features::datasets::ItemTable;
use crate::features::inference::input::Faults;
use crate::ml::ids::Ids;

const FIELDS: [&str; 3] = ["genre", "price", "tags"];

fn parsed(filter: &Value) -> Filter {
    let mut faults = Faults::default();
    let filter = read(filter, &mut faults);
    faults.finish().unwrap();
    filter.unwrap()
}

fn faults_of(filter: Value) -> Vec<Value> {
    let mut faults = Faults::default();
    assert_eq!(read(&filter, &mut faults), None);
    let answer = crate::platform::http::ApiError::from(faults.finish().unwrap_err());
    answer.body()["detail"].as_array().unwrap().clone()
}

/// What is known about an item, by field.
type Row = HashMap<&'static str, Value>;

/// The filter as it is written, looked at for one item: the definition.
fn naive(filter: &Value, row: &Row) -> bool {
    if let Some(parts) = filter["and"].as_array() {
        return parts.iter().all(|part| naive(part, row));
    }
    if let Some(parts) = filter["or"].as_array() {
        return parts.iter().any(|part| naive(part, row));
    }
    if !filter["not"].is_null() {
        return !naive(&filter["not"], row);
    }
    let cell = row.get(filter["field"].as_str().unwrap());
    let value = &filter["value"];
    let as_text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let compare = |a: &Value, b: &Value| match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a.partial_cmp(&b).unwrap(),
        _ => as_text(a).cmp(&as_text(b)),
    };
    let same = |a: &Value, b: &Value| compare(a, b).is_eq();
    let is = |test: &dyn Fn(&Value) -> bool| cell.is_some_and(test);
    let among = |cell: &Value| value.as_array().unwrap().iter().any(|value| same(cell, value));
    match filter["op"].as_str().unwrap() {
        "eq" => is(&|cell| same(cell, value)),
        "ne" => !is(&|cell| same(cell, value)),
        "in" => is(&among),
        "not_in" => !is(&among),
        "lt" => is(&|cell| compare(cell, value).is_lt()),
        "le" => is(&|cell| compare(cell, value).is_le()),
        "gt" => is(&|cell| compare(cell, value).is_gt()),
        "ge" => is(&|cell| compare(cell, value).is_ge()),
        "exists" => cell.is_some() == value.as_bool().unwrap(),
        "contains" => is(&|cell| match cell {
            Value::Array(parts) => parts.iter().any(|part| same(part, value)),
            other => as_text(other).contains(&as_text(value)),
        }),
        other => panic!("{other}"),
    }
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        prop::sample::select(vec!["jazz", "pop", "5", "05", "", "true", "jazz/pop", "9.5"]).prop_map(Value::from),
        (-3i64..12).prop_map(Value::from),
        prop::sample::select(vec![0.5, 5.0, 9.5, -0.0, 1e300]).prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
    ]
}

fn cell() -> impl Strategy<Value = Value> {
    prop_oneof![2 => Just(Value::Null), 5 => scalar(), 2 => prop::collection::vec(scalar(), 0..3).prop_map(Value::from)]
}

fn condition() -> impl Strategy<Value = Value> {
    let single = prop::sample::select(vec!["eq", "ne", "lt", "le", "gt", "ge", "contains"]);
    let several = prop::sample::select(vec!["in", "not_in"]);
    let question = prop_oneof![
        (single, scalar()),
        (several, prop::collection::vec(scalar(), 0..4).prop_map(Value::from)),
        (Just("exists"), any::<bool>().prop_map(Value::from)),
    ];
    (prop::sample::select(FIELDS.to_vec()), question)
        .prop_map(|(field, (op, value))| json!({ "field": field, "op": op, "value": value }))
}

fn filters() -> impl Strategy<Value = Value> {
    condition().prop_recursive(4, 24, 4, |part| {
        let parts = || prop::collection::vec(part.clone(), 0..4);
        prop_oneof![
            parts().prop_map(|parts| json!({ "and": parts })),
            parts().prop_map(|parts| json!({ "or": parts })),
            part.clone().prop_map(|part| json!({ "not": part })),
        ]
    })
}

/// The same with the parts in the opposite order.
fn turned(filter: &Value) -> Value {
    match filter {
        Value::Object(fields) => {
            let turn = |(name, value): (&String, &Value)| {
                let is_list = matches!(name.as_str(), "and" | "or" | "value");
                let mut value = turned(value);
                value.as_array_mut().filter(|_| is_list).into_iter().for_each(|parts| parts.reverse());
                (name.clone(), value)
            };
            Value::Object(fields.iter().rev().map(turn).collect())
        }
        Value::Array(parts) => parts.iter().map(turned).collect(),
        other => other.clone(),
    }
}

proptest! {
    #[test]
    fn what_is_admitted_is_what_each_item_alone_gives(
        rows in prop::collection::vec((0u32..30, prop::collection::vec(cell(), 3)), 0..30),
        model in prop::collection::btree_set(0u32..30, 0..25),
        filter in filters(),
    ) {
        let id = |number: &u32| format!("item {number}");
        let named: Vec<(String, Vec<(u32, Value)>)> =
            rows.iter().map(|(item, cells)| (id(item), (0..).zip(cells.iter().cloned()).collect())).collect();
        let table = ItemTable::of(&FIELDS, named.iter().map(|(item, cells)| (item.as_str(), cells.clone())).collect());
        let items = Ids::from_unsorted(model.iter().map(id)).unwrap();
        let row = |item: &str| -> Row {
            let cells = named.iter().rev().find(|(name, _)| name == item).map(|(_, cells)| cells.clone()).unwrap_or_default();
            let known = cells.into_iter().filter(|(_, value)| !value.is_null());
            known.map(|(column, value)| (FIELDS[column as usize], value)).collect()
        };
        let expected: Vec<u32> = (0..items.len() as u32).filter(|item| naive(&filter, &row(items.get(*item)))).collect();
        let given = parsed(&filter);
        prop_assert_eq!(&admitted(&given, &table, &items), &expected);
        prop_assert_eq!(&given.text, &parsed(&turned(&filter)).text);
    }
}

#[test]
fn long_numbers_compare_exactly_and_numbers_in_quotes_as_text() {
    let rows =
        vec![("a", vec![(0, json!(9_007_199_254_740_993u64))]), ("b", vec![(0, json!("007"))]), ("c", vec![(0, json!(7.0))])];
    let table = ItemTable::of(&["code"], rows);
    let items = Ids::from_sorted(["a", "b", "c"]).unwrap();
    let admits =
        |op: &str, value: Value| admitted(&parsed(&json!({ "field": "code", "op": op, "value": value })), &table, &items);
    assert_eq!(admits("eq", json!(9_007_199_254_740_993u64)), [0]);
    assert!(admits("eq", json!(9_007_199_254_740_992u64)).is_empty());
    assert_eq!(admits("eq", json!("007")), [1]);
    assert_eq!(admits("in", json!([7, "007"])), [1, 2]);
    assert_eq!(admits("gt", json!(8)), [0], "\"007\" comes before \"8\"");
}

#[test]
fn faults_say_where_they_are() {
    let kind_and_place = |fault: &Value| (fault["type"].as_str().unwrap().to_owned(), fault["loc"].clone());
    let one = |filter: Value| {
        let faults = faults_of(filter);
        assert_eq!(faults.len(), 1, "{faults:?}");
        kind_and_place(&faults[0])
    };
    let place = |path: Value| Value::from([vec![json!("body"), json!("filter")], path.as_array().unwrap().clone()].concat());
    assert_eq!(one(json!("x")), ("dict_type".to_owned(), place(json!([]))));
    assert_eq!(one(json!({})), ("filter_type".to_owned(), place(json!([]))));
    assert_eq!(one(json!({ "and": [], "or": [] })).0, "filter_type");
    assert_eq!(one(json!({ "and": {} })), ("list_type".to_owned(), place(json!(["and"]))));
    assert_eq!(one(json!({ "field": 7, "op": "eq" })), ("string_type".to_owned(), place(json!(["field"]))));
    assert_eq!(one(json!({ "field": "a", "op": "is", "value": 1 })), ("enum".to_owned(), place(json!(["op"]))));
    assert_eq!(one(json!({ "field": "a", "op": "eq" })), ("missing".to_owned(), place(json!(["value"]))));
    assert_eq!(one(json!({ "field": "a", "op": "lt", "value": [1] })).0, "value_type");
    assert_eq!(one(json!({ "field": "a", "op": "in", "value": 1 })).0, "list_type");
    assert_eq!(one(json!({ "field": "a", "op": "in", "value": [null] })).0, "value_type");
    assert_eq!(one(json!({ "field": "a", "op": "in", "value": vec![1; 1_001] })).0, "too_long");
    assert_eq!(one(json!({ "field": "a", "op": "exists", "value": "no" })).0, "bool_type");
    let nested = json!({ "or": [{ "not": { "field": "a", "op": "is" } }, { "field": "a", "op": "eq", "value": 1 }, 5] });
    let places: Vec<Value> = faults_of(nested).iter().map(|fault| kind_and_place(fault).1).collect();
    assert_eq!(places, [place(json!(["or", 0, "not", "op"])), place(json!(["or", 2]))]);
}

#[test]
fn size_and_depth_are_bounded() {
    let leaf = || json!({ "field": "genre", "op": "exists" });
    let deep = |levels: usize| (1..levels).fold(leaf(), |part, _| json!({ "not": part }));
    parsed(&deep(16));
    assert_eq!(faults_of(deep(17))[0]["type"], "too_deep");
    let wide = |conditions: usize| json!({ "and": (1..conditions).map(|_| leaf()).collect::<Vec<_>>() });
    parsed(&wide(200));
    let faults = faults_of(wide(1_000));
    assert_eq!((faults.len(), &faults[0]["type"]), (1, &json!("too_long")));
}
