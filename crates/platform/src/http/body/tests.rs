use super::*;
use chrono::{DateTime, Utc};
use serde_json::json;

fn reader(value: Value) -> FieldReader {
    Body::from(value.as_object().cloned().unwrap_or_default()).reader()
}

#[test]
fn numbers_and_texts_are_read_with_the_clients_tolerance() {
    let mut fields = reader(json!({ "a": "5", "b": 5.0, "c": 7, "d": " x ", "e": "yes" }));
    assert_eq!(fields.read("a", Integer(0..=10), Missing::Required), 5);
    assert_eq!(fields.read("b", Integer(0..=10), Missing::Required), 5);
    assert_eq!(fields.read("c", Text(10), Missing::Required), "7");
    assert_eq!(fields.read("d", Text(10), Missing::Required), "x");
    assert!(fields.read("e", Flag, Missing::Required));
    assert!(fields.finish().is_ok());
}

#[test]
fn every_fault_is_reported_at_once() {
    let mut fields = reader(json!({ "n": true, "s": "", "z": null, "big": 4_000_000_000_u64, "nul": "a\0b" }));
    fields.read("n", Integer(0..=10), Missing::Required);
    fields.read("s", Text(10), Missing::Required);
    fields.read("z", Text(10), Missing::Required);
    fields.read("gone", Text(10), Missing::Required);
    fields.read("nul", Text(10), Missing::Required);
    fields.read("big", Integer(0..=i32::MAX), Missing::Required);
    let error = fields.finish().unwrap_err();
    for field in ["n", "s", "z", "gone", "big", "nul"] {
        assert!(error.body()[field].is_array(), "{field} is missing in {error}");
    }
}

#[tokio::test]
async fn ids_that_refer_to_nothing_are_named_beside_all_other_faults() {
    let mut fields = reader(json!({ "data": 1, "split": 2, "n_trials": -1, "evaluation": "x" }));
    let (data, split) = (fields.read("data", Id, Missing::Required), fields.read("split", Id, Missing::Required));
    fields.read("evaluation", Id, Missing::Required);
    fields.read("n_trials", Integer(1..=9), Missing::Required);
    let missing = |field: &'static str| async move { Err::<i64, _>(ApiError::field(field, "There is none.")) };
    assert_eq!(fields.refer("data", missing("data")).await.unwrap(), None);
    assert_eq!(fields.refer("split", async { Ok(split) }).await.unwrap(), Some(2));
    let looked_up = std::cell::Cell::new(false);
    let look_up = async {
        looked_up.set(true);
        Ok(3_i64)
    };
    assert_eq!(fields.refer("evaluation", look_up).await.unwrap(), None);
    assert!(!looked_up.get(), "what is at fault itself is not looked up");
    let forbidden = fields.refer("split", async { Err::<i64, _>(ApiError::forbidden("No.")) }).await.unwrap_err();
    assert_eq!((data, forbidden.status().as_u16()), (1, 403));
    let error = fields.finish().unwrap_err();
    let named: Vec<&str> = error.body().as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(named, ["data", "evaluation", "n_trials"]);
}

#[test]
fn coercions_are_those_of_the_contract() {
    let whole = |value: Value| Integer(i32::MIN..=i32::MAX).convert(&value).ok();
    assert_eq!([json!("7"), json!(" 7 "), json!("7.0"), json!(7.0), json!("-7")].map(whole), [7, 7, 7, 7, -7].map(Some));
    for wrong in [json!(true), json!("x"), json!(7.5), json!("7.5"), json!(2_147_483_648_i64), json!([7]), json!("")] {
        assert_eq!(whole(wrong.clone()), None, "{wrong}");
    }
    let real = |value: Value| Number(-1e9..=1e9).convert(&value).ok();
    assert_eq!([json!("0.5"), json!(1), json!("1e3")].map(real), [Some(0.5), Some(1.0), Some(1000.0)]);
    assert_eq!([json!("nan"), json!("inf"), json!(false), json!("")].map(real), [None; 4]);
    assert_eq!([json!("true"), json!("YES"), json!("on"), json!(1)].map(|value| Flag.convert(&value).ok()), [Some(true); 4]);
    assert_eq!([json!("false"), json!("n"), json!(0)].map(|value| Flag.convert(&value).ok()), [Some(false); 3]);
    assert!(Flag.convert(&json!("maybe")).is_err() && Flag.convert(&json!([])).is_err());
    assert_eq!(Text(9).convert(&json!(1.5)), Ok("1.5".to_owned()));
    assert!(Text(9).convert(&json!(true)).is_err() && Text(9).convert(&json!("  ")).is_err());
}

#[test]
fn moments_are_read_in_every_form_clients_write() {
    let noon = "2030-01-31T12:00:00+00:00".parse::<DateTime<Utc>>().unwrap();
    for text in [
        "2030-01-31T12:00:00Z",
        "2030-01-31T13:00:00+01:00",
        "2030-01-31T12:00",
        "2030-01-31 12:00:00.000",
        "2030-01-31T12:00Z",
        "2030-01-31T14:00+0200",
    ] {
        assert_eq!(Moment.convert(&json!(text)), Ok(noon), "{text}");
    }
    assert_eq!(Moment.convert(&json!("2030-01-31")).unwrap(), noon - chrono::Duration::hours(12));
    for wrong in [json!("yesterday"), json!(5), json!("+99999-01-01"), json!("2030-02-30"), json!("")] {
        assert!(Moment.convert(&wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_form_writes_null_lists_and_objects_as_text() {
    let values = json!({ "n": "", "one": "read", "two": ["read", "write"], "o": "{\"a\": 1}", "last": ["1", "2"] });
    let mut fields = Body(values.as_object().cloned().unwrap(), Encoding::Form).reader();
    assert_eq!(fields.read("n", Nullable(Integer(0..=9)), Missing::Use(Some(5))), None);
    assert_eq!(fields.read("one", Texts { most: 9, longest: 9 }, Missing::Required), ["read"]);
    assert_eq!(fields.read("two", Texts { most: 9, longest: 9 }, Missing::Required), ["read", "write"]);
    assert_eq!(fields.read("o", JsonObject(99), Missing::Required)["a"], 1);
    assert_eq!(fields.read("last", Integer(0..=9), Missing::Required), 2);
    assert!(fields.finish().is_ok());
}

#[test]
fn a_null_character_is_refused_however_deep_it_lies() {
    let mut fields = reader(json!({ "o": { "a": [{ "b\0": 1 }] }, "l": ["x\0"] }));
    fields.read("o", JsonObject(99), Missing::Required);
    fields.read("l", Texts { most: 9, longest: 9 }, Missing::Required);
    let error = fields.finish().unwrap_err();
    assert!(error.body()["o"].is_array() && error.body()["l"].is_array(), "{error}");
}

crate::wire_enum! {
    enum Size {
        Small = "small",
        Large = "large",
    }
}

#[test]
fn a_choice_is_one_of_the_words_or_what_some_clients_say_for_it() {
    let mut fields = reader(json!({ "a": "large", "b": "big", "c": "big", "d": 3 }));
    assert_eq!(fields.read("a", Choice::<Size>(&[]), Missing::Required), Size::Large);
    assert_eq!(fields.read("b", Choice(&[("big", Size::Large)]), Missing::Required), Size::Large);
    assert_eq!(fields.read("gone", Choice::<Size>(&[]), Missing::Use(Size::Large)), Size::Large);
    fields.read("c", Choice::<Size>(&[]), Missing::Required);
    fields.read("d", Choice(&[("big", Size::Large)]), Missing::Required);
    let error = fields.finish().unwrap_err();
    assert_eq!(error.body()["c"], json!(["\"big\" is not a valid choice. Choose one of: small, large."]));
    assert_eq!(error.body()["d"], json!(["3 is not a valid choice. Choose one of: small, large, big."]));
}

#[test]
fn lists_and_objects_have_bounds() {
    let body = json!({ "many": ["a", "b", "c"], "long": ["abcd"], "large": { "a": "0123456789" }, "fits": ["äöü"] });
    let mut fields = Body::of(body.as_object().cloned().unwrap()).reader();
    let texts = || Texts { most: 2, longest: 3 };
    fields.read("many", texts(), Missing::Required);
    fields.read("long", texts(), Missing::Required);
    assert_eq!(fields.read("fits", texts(), Missing::Required), ["äöü"]);
    fields.read("large", JsonObject(10), Missing::Required);
    assert!(["many", "long", "large"].into_iter().all(|field| fields.is_faulty(field)));
}
