//! Filters are parsed as documented, and match the items that evaluating them item by item matches.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use utoipa::{PartialSchema, ToSchema};

use tokio_util::sync::CancellationToken;

use super::evaluation;
use super::operation::Operation;
use super::{Filter, Filters, read};
use crate::features::accounts::Tenant;
use crate::features::inference::faults::Faults;
use crate::features::item_metadata::{ColumnKind, ItemTable};
use crate::features::models::{ReadyModel, sample_artifact};
use crate::ml::ids::Ids;
use crate::platform::computing::Computing;
use crate::platform::http::body::NamedSchemas;

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

/// Returns the items that match a filter.
fn admitted(filter: &Filter, table: &ItemTable, items: &Ids) -> Vec<u32> {
    evaluation::admitted(filter, table, items, &CancellationToken::new()).unwrap()
}

/// The metadata of an item, by field.
type Row = HashMap<&'static str, Value>;

/// Evaluates a filter for one item by its definition. `kinds` names the kinds of the columns.
fn naive(filter: &Value, row: &Row, kinds: &[ColumnKind]) -> bool {
    if let Some(parts) = filter["and"].as_array() {
        return parts.iter().all(|part| naive(part, row, kinds));
    }
    if let Some(parts) = filter["or"].as_array() {
        return parts.iter().any(|part| naive(part, row, kinds));
    }
    if !filter["not"].is_null() {
        return !naive(&filter["not"], row, kinds);
    }
    let field = filter["field"].as_str().unwrap();
    let kind = kinds[FIELDS.iter().position(|name| *name == field).unwrap()];
    let cell = row.get(field);
    let value = &filter["value"];
    let as_text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let number = |value: &Value| value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
    let truth = |value: &Value| match as_text(value).as_str() {
        "true" | "1" | "1.0" => Some(true),
        "false" | "0" | "0.0" | "-0.0" => Some(false),
        _ => None,
    };
    let compare = |cell: &Value, value: &Value| match (value, kind) {
        (Value::Number(_), _) => number(cell)?.partial_cmp(&number(value)?),
        (Value::Bool(value), _) => Some(truth(cell)?.cmp(value)),
        (Value::String(_), ColumnKind::Number) if number(value).is_some() => number(cell)?.partial_cmp(&number(value)?),
        (Value::String(_), ColumnKind::Boolean) if truth(value).is_some() => Some(truth(cell)?.cmp(&truth(value)?)),
        _ => Some(as_text(cell).cmp(&as_text(value))),
    };
    let part_is = |part: &Value| match value {
        Value::String(text) => as_text(part) == *text,
        _ => compare(part, value).is_some_and(|order| order.is_eq()),
    };
    let same = |cell: &Value, value: &Value| compare(cell, value).is_some_and(|order| order.is_eq());
    let ordered = |test: fn(std::cmp::Ordering) -> bool| cell.and_then(|cell| compare(cell, value)).is_some_and(test);
    let is = |test: &dyn Fn(&Value) -> bool| cell.is_some_and(test);
    let among = |cell: &Value| value.as_array().unwrap().iter().any(|value| same(cell, value));
    match filter["op"].as_str().unwrap() {
        "eq" => is(&|cell| same(cell, value)),
        "ne" => !is(&|cell| same(cell, value)),
        "in" => is(&among),
        "not_in" => !is(&among),
        "lt" => ordered(std::cmp::Ordering::is_lt),
        "le" => ordered(std::cmp::Ordering::is_le),
        "gt" => ordered(std::cmp::Ordering::is_gt),
        "ge" => ordered(std::cmp::Ordering::is_ge),
        "exists" => cell.is_some() == value.as_bool().unwrap(),
        "contains" => is(&|cell| match cell {
            Value::Array(parts) => parts.iter().any(part_is),
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

/// Returns the same filter with its parts in reverse order.
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
            let known = |(column, value): (u32, Value)| {
                let column = column as usize;
                Some((FIELDS[column], table.kinds()[column].typed(value)?))
            };
            cells.into_iter().filter_map(known).collect()
        };
        let expected: Vec<u32> = (0..items.len() as u32).filter(|item| naive(&filter, &row(items.get(*item)), table.kinds())).collect();
        let given = parsed(&filter);
        prop_assert_eq!(&admitted(&given, &table, &items), &expected);
        prop_assert_eq!(&given.text, &parsed(&turned(&filter)).text);
    }
}

/// Returns the items of a table of one column that match a condition; items are numbered from 0.
fn admitted_of(cells: &[Value], op: &str, value: Value) -> Vec<u32> {
    let ids: Vec<String> = (0..cells.len()).map(|row| format!("{row:02}")).collect();
    let rows = ids.iter().zip(cells).map(|(id, cell)| (id.as_str(), vec![(0, cell.clone())])).collect();
    let table = ItemTable::of(&["price"], rows);
    admitted(&parsed(&json!({ "field": "price", "op": op, "value": value })), &table, table.items())
}

#[test]
fn a_filter_is_evaluated_no_further_once_its_caller_has_left() {
    let filter = parsed(&json!({ "and": [{ "field": "price", "op": "exists" }, { "field": "price", "op": "lt", "value": 5 }] }));
    let table = ItemTable::of(&["price"], vec![("a", vec![(0, json!(1))])]);
    let stop = CancellationToken::new();
    assert_eq!(evaluation::admitted(&filter, &table, table.items(), &stop), Some(vec![0]));
    stop.cancel();
    assert_eq!(evaluation::admitted(&filter, &table, table.items(), &stop), None);
}

#[tokio::test]
async fn a_filter_waits_for_a_place_of_its_tenant_unless_it_has_been_evaluated() {
    const TENANT: Tenant = Tenant::Founder(1);
    let (computing, filters) = (Computing::of_machine(), Filters::new());
    let table = Arc::new(ItemTable::of(&["price"], vec![("a", vec![(0, json!(1))]), ("z", vec![(0, json!(9))])]));
    let model = Arc::new(ReadyModel::Matrix(sample_artifact()));
    let below = |bound: i64| Arc::new(parsed(&json!({ "field": "price", "op": "lt", "value": bound })));
    let evaluated = filters.admitted(&below(5), &model, &table, (&computing, TENANT)).await.unwrap();
    let mut taken = Vec::new();
    for _ in 0..std::thread::available_parallelism().map_or(1, std::num::NonZero::get) {
        taken.push(computing.admit(Some(TENANT.party())).await.unwrap());
    }
    let again = filters.admitted(&below(5), &model, &table, (&computing, TENANT)).await.unwrap();
    assert!(Arc::ptr_eq(&evaluated, &again));
    let other = below(6);
    let mut waiting = Box::pin(filters.admitted(&other, &model, &table, (&computing, TENANT)));
    assert!(tokio::time::timeout(Duration::from_millis(50), &mut waiting).await.is_err(), "all places are taken");
    assert!(
        filters.admitted(&below(7), &model, &table, (&computing, Tenant::Founder(2))).await.is_ok(),
        "another tenant has its own"
    );
    drop(taken);
    assert!(waiting.await.is_ok());
}

#[test]
fn one_odd_cell_does_not_turn_numbers_into_texts() {
    let texts = |odd: &str| ["5", "9.5", "10", "12", odd, "25", "99", "100", "120", "1000"].map(Value::from).to_vec();
    let below = [0, 1, 2, 3, 4, 5, 6];
    for odd in ["19.99", "+19.99", " 19.99 ", "19.989999771118164", "20.113456789012343", "2e1"] {
        assert_eq!(admitted_of(&texts(odd), "lt", json!(100)), below, "{odd}");
        assert_eq!(admitted_of(&texts(odd), "lt", json!("100")), below, "a number in quotes beside {odd}");
    }
    for odd in ["N/A", "on request", "$19.99", "", "NaN"] {
        assert_eq!(admitted_of(&texts(odd), "lt", json!(100)), [0, 1, 2, 3, 5, 6], "{odd}");
        assert_eq!(admitted_of(&texts(odd), "gt", json!(99)), [7, 8, 9], "{odd}");
    }
    let numbers: Vec<Value> = vec![json!(5), json!("9.5"), json!("120"), json!(1.5e2)];
    assert_eq!(admitted_of(&numbers, "le", json!(9.5)), [0, 1], "numbers written as JSON texts");
    assert_eq!(admitted_of(&numbers, "in", json!(["9.50", 150])), [1, 3]);
    let codes = ["007", "7", "70"].map(Value::from);
    assert_eq!(admitted_of(&codes, "eq", json!("7")), [1], "codes in quotes are texts");
    assert_eq!(admitted_of(&codes, "eq", json!(7)), [0, 1], "a number is asked for");
}

#[test]
fn true_is_true_however_a_file_writes_it() {
    let written: Vec<Vec<Value>> = vec![
        ["False", "True", "FALSE", "true"].map(Value::from).to_vec(),
        ["f", "t", "f", "t"].map(Value::from).to_vec(),
        [0, 1, 0, 1].map(Value::from).to_vec(),
        ["0", "1", "0", "1"].map(Value::from).to_vec(),
        [false, true, false, true].map(Value::from).to_vec(),
    ];
    for cells in written {
        assert_eq!(admitted_of(&cells, "eq", json!(true)), [1, 3], "{cells:?}");
        assert_eq!(admitted_of(&cells, "ne", json!(true)), [0, 2], "{cells:?}");
        assert_eq!(admitted_of(&cells, "in", json!([false])), [0, 2], "{cells:?}");
    }
    let words = ["False", "True"].map(Value::from);
    assert_eq!(admitted_of(&words, "eq", json!("True")), [1]);
    assert_eq!(admitted_of(&words, "eq", json!("true")), [1]);
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
    assert_eq!(admits("gt", json!(8)), [0]);
}

#[test]
fn numbers_are_less_than_no_text_that_is_none() {
    let rows = vec![("a", vec![(0, json!(1_578_182_400_000u64)), (1, json!("x"))]), ("b", vec![(0, json!(20_200_101))])];
    let table = ItemTable::of(&["added", "name"], rows);
    let refused = |filter: Value| {
        let filter = parsed(&filter);
        filter.text_for_numbers(&table).map(|(field, text)| (field.to_owned(), text.to_owned()))
    };
    let date = Some(("added".to_owned(), "2020-01-05".to_owned()));
    for op in ["lt", "le", "gt", "ge"] {
        let compared = |field: &str, value: Value| json!({ "field": field, "op": op, "value": value });
        assert_eq!(refused(compared("added", json!("2020-01-05"))), date, "{op}");
        assert_eq!(refused(json!({ "not": { "or": [compared("added", json!("2020-01-05"))] } })), date, "{op}");
        for (field, value) in [("added", json!("20200105")), ("added", json!(5)), ("added", json!(true)), ("name", json!("y"))] {
            assert_eq!(refused(compared(field, value)), None, "{op} {field}");
        }
    }
    assert_eq!(refused(json!({ "field": "added", "op": "eq", "value": "on request" })), None, "some cells may be texts");
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

#[test]
fn a_filter_of_all_that_is_described_is_read() {
    let mut schemas = NamedSchemas::new();
    Filter::schemas(&mut schemas);
    let described = |name: &str| {
        let (_, schema) = schemas.iter().find(|(one, _)| one == name).unwrap();
        json!(schema)["properties"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    let forms = json!(Filter::schema());
    let forms = forms["oneOf"].as_array().unwrap().iter().map(|form| form["$ref"].as_str().unwrap().rsplit('/').next().unwrap());
    let fields: Vec<Vec<String>> = forms.map(described).collect();
    let [condition, and, or, not] = fields.as_slice() else { panic!("{fields:?}") };
    assert_eq!(condition.as_slice(), ["field", "op", "value"]);
    let value_for = |operation: Operation| match operation {
        Operation::In | Operation::NotIn => json!([1]),
        Operation::Exists => json!(true),
        _ => json!(1),
    };
    let of = |operation: &Operation| json!({ "field": "a", "op": operation, "value": value_for(*operation) });
    let conditions: Vec<Value> = Operation::ALL.iter().map(of).collect();
    parsed(&json!({ and.concat(): [{ or.concat(): conditions }, { not.concat(): { "field": "a", "op": "eq", "value": 1 } }] }));
}
