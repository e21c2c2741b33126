//! Guesses about files as people have them.

use serde_json::{Value, json};

use super::super::mapping::{Part, Role};
use super::report::{GuessedFile, Guesses};
use super::{Heads, guess};
use crate::features::studio::guess::head::Head;
use crate::platform::tabular::Stop;

/// Returns the first rows of a table of texts: fields separated by bars.
fn head(name: &str, lines: &str) -> Head {
    let mut lines = lines.lines().map(str::trim).filter(|line| !line.is_empty());
    let fields = |line: &str| line.split('|').map(|field| field.trim().to_owned()).collect::<Vec<_>>();
    let columns = lines.next().map(fields).unwrap_or_default();
    let cell = |text: String| if text.is_empty() { Value::Null } else { Value::String(text) };
    let rows = lines.map(|line| fields(line).into_iter().map(cell).collect()).collect();
    Head { name: name.to_owned(), columns, rows, more: false, first_skipped: None }
}

fn of(interactions: Option<Head>, items: Option<Head>, users: Option<Head>) -> Guesses {
    guess(&Heads { interactions: interactions.map(Ok), items: items.map(Ok), users: users.map(Ok) }, &Stop::default()).unwrap()
}

/// Writes a row of a user and an item.
type RowOf = fn(usize, usize) -> String;

/// Returns 200 rows of interactions of 23 users with 31 items.
fn interactions(columns: &str, row: impl Fn(usize, usize) -> String) -> Head {
    let rows: Vec<String> = (0..200).map(|at| row(at * 7 % 23, at * 13 % 31)).collect();
    head("interactions.csv", &format!("{columns}\n{}", rows.join("\n")))
}

fn items(columns: &str, row: impl Fn(usize) -> String) -> Head {
    head("items.csv", &format!("{columns}\n{}", (0..31).map(row).collect::<Vec<_>>().join("\n")))
}

fn file(guesses: &Guesses, part: Part) -> &GuessedFile {
    guesses.files.of(part).unwrap()
}

/// Returns the roles of the columns of a file, in their order.
fn roles(guesses: &Guesses, part: Part) -> Vec<&'static str> {
    file(guesses, part).columns.iter().map(|column| column.role.wire()).collect()
}

fn kinds(guesses: &Guesses, part: Part) -> Vec<Value> {
    file(guesses, part).columns.iter().map(|column| json!(column.kind)).collect()
}

#[test]
fn headers_of_public_data_are_known() {
    let cases: [(&str, RowOf, &[&str]); 8] = [
        (
            "user_id|item_id|rating|timestamp",
            |u, i| format!("{u}|{i}|{}|{}", 1 + (u + i) % 5, 881_250_949 + u * 97 + i),
            &["user_id", "item_id", "rating", "time"],
        ),
        (
            "userId|movieId|rating|timestamp",
            |u, i| format!("{u}|{i}|{}.5|{}", 1 + (u + i) % 4, 1_225_734_739 + u * 31 + i),
            &["user_id", "item_id", "rating", "time"],
        ),
        (
            "timestamp|visitorid|event|itemid|transactionid",
            |u, i| {
                format!(
                    "{}|{u}|{}|{i}|",
                    1_433_221_332_117_u64 + (u * i) as u64,
                    ["view", "addtocart", "transaction"][(u + i) % 3]
                )
            },
            &["time", "user_id", "event_type", "item_id", "ignored"],
        ),
        (
            "InvoiceNo|StockCode|Quantity|InvoiceDate|CustomerID|Country",
            |u, i| format!("{}|S{i}|{}|2010-12-0{} 08:26:00|{}|UK", 536_365 + u, 1 + i % 6, 1 + u % 9, 17_850 + u),
            &["ignored", "item_id", "rating", "time", "user_id", "ignored"],
        ),
        (
            "reviewerID|asin|overall|unixReviewTime",
            |u, i| format!("A{u}XYZ|B00{i}|{}.0|{}", 1 + i % 5, 1_393_545_600 + u * 86_400),
            &["user_id", "item_id", "rating", "time"],
        ),
        (
            "会員番号|商品コード|購入日時|数量",
            |u, i| format!("K{u}|A-{i}|2024/05/{:02} 10:00:00|{}", 1 + u % 28, 1 + i % 3),
            &["user_id", "item_id", "time", "rating"],
        ),
        (
            "ユーザーＩＤ|商品ＩＤ|行動|日時",
            |u, i| format!("u{u}|p{i}|{}|2024-05-{:02}", ["閲覧", "購入"][(u + i) % 2], 1 + u % 28),
            &["user_id", "item_id", "event_type", "time"],
        ),
        (
            "session_id|article_id|click_timestamp",
            |u, i| format!("{u}|{i}|{}", 1_506_826_828_020_u64 + u as u64),
            &["user_id", "item_id", "time"],
        ),
    ];
    for (columns, row, wanted) in cases {
        let guesses = of(Some(interactions(columns, row)), None, None);
        assert_eq!(roles(&guesses, Part::Interactions), wanted, "{columns}: {guesses:#?}");
        assert!(guesses.is_sure, "{columns}: {guesses:#?}");
    }
}

#[test]
fn an_item_file_tells_its_ids_its_titles_its_pictures_and_what_describes() {
    let catalogue = items("id|商品名|カテゴリ|価格|画像URL|説明", |at| {
        let kind = ["靴", "鞄", "帽子"][at % 3];
        format!("{at}|商品{at}|{kind}|{}|https://example.com/{at}.jpg|軽くて丈夫な{kind}です。番号{at}", 1_000 + 137 * at)
    });
    let guesses = of(None, Some(catalogue), None);
    assert_eq!(roles(&guesses, Part::Items), ["item_id", "title", "feature", "feature", "image_url", "feature"], "{guesses:#?}");
    assert_eq!(kinds(&guesses, Part::Items)[2..4], [json!("category"), json!("number")]);
    assert!(guesses.is_sure, "{guesses:#?}");
    let movies = items("movieId|title|genres|poster_path", |at| {
        format!("{at}|The Movie Number {at}|{}|https://img.example/{at}", ["Drama;Comedy", "Drama", "War"][at % 3])
    });
    let guesses = of(None, Some(movies), None);
    assert_eq!(roles(&guesses, Part::Items), ["item_id", "title", "feature", "image_url"], "{guesses:#?}");
}

#[test]
fn ids_are_found_by_the_values_that_files_share() {
    // No name says anything, and users and items are both numbers.
    let seen = interactions("a|b|c", |u, i| format!("{}|{}|{}", 1_000 + u, 5_000 + i, 1_700_000_000 + u));
    let catalogue = items("x|y|z", |at| format!("{}|{}|Thing number {at}", at % 4, 5_000 + at));
    let guesses = of(Some(seen), Some(catalogue), None);
    assert_eq!(file(&guesses, Part::Interactions).column(Role::ItemId).unwrap().name, "b", "{guesses:#?}");
    assert_eq!(file(&guesses, Part::Items).column(Role::ItemId).unwrap().name, "y", "{guesses:#?}");
    assert!(!guesses.is_sure, "the users are a mere possibility");
}

#[test]
fn names_in_one_file_and_numbers_in_the_other_are_joined_by_the_names() {
    let heard = interactions("user_id|artist|plays", |u, i| format!("{u}|Artist {i}|{}", 1 + u));
    let artists = items("id|name|url", |at| format!("{at}|Artist {at}|http://www.last.fm/music/{at}"));
    let guesses = of(Some(heard), Some(artists), None);
    assert_eq!(file(&guesses, Part::Interactions).column(Role::ItemId).unwrap().name, "artist");
    let found = file(&guesses, Part::Items).column(Role::ItemId).unwrap();
    assert_eq!(found.name, "name", "{guesses:#?}");
    assert!(found.reason.contains("100 % of the ids in the interactions"), "{}", found.reason);
}

#[test]
fn user_ids_in_the_range_of_item_ids_are_not_taken_for_them() {
    let seen = interactions("user_id|item_id", |u, i| format!("{u}|{i}"));
    let catalogue = items("item_id|title|year", |at| format!("{at}|A title of {at}|{}", 1_980 + at % 9));
    let people = head(
        "users.csv",
        &format!("id|age|city\n{}", (0..23).map(|at| format!("{at}|{}|Kyoto", 20 + at)).collect::<Vec<_>>().join("\n")),
    );
    let guesses = of(Some(seen), Some(catalogue), Some(people));
    assert_eq!(roles(&guesses, Part::Interactions), ["user_id", "item_id"], "{guesses:#?}");
    assert_eq!(roles(&guesses, Part::Items)[..2], ["item_id", "title"]);
    assert_eq!(roles(&guesses, Part::Users)[..2], ["user_id", "feature"]);
    assert!(guesses.is_sure && guesses.problems.is_empty(), "{guesses:#?}");
}

#[test]
fn files_that_do_not_fit_together_are_not_sure_and_say_why() {
    let seen = || interactions("user_id|item_id", |u, i| format!("{u}|{i}"));
    let of_shops = items("item_id|title", |at| format!("SHOP-{at}|A title of {at}"));
    let guesses = of(Some(seen()), Some(of_shops), None);
    assert!(guesses.problems[0].starts_with("The files share no item id"), "{guesses:#?}");
    assert!(!guesses.is_sure);

    let padded = items("item_id|title", |at| format!("{at:04}|A title of {at}"));
    let guesses = of(Some(seen()), Some(padded), None);
    assert!(guesses.problems[0].contains("\"0\" in the interactions is \"0000\""), "{guesses:#?}");
    assert!(!guesses.is_sure);

    let in_part =
        items("item_id|title", |at| format!("{}|A title of {at}", if at < 20 { at.to_string() } else { format!("0{at}") }));
    let guesses = of(Some(seen()), Some(in_part), None);
    assert!(guesses.problems[0].contains("\"20\" in the interactions is \"020\""), "{guesses:#?}");
    assert!(!guesses.is_sure, "a third of the items would not be described");

    let few = items("item_id|title", |at| format!("{}|A title of {at}", if at == 0 { 0 } else { at + 100 }));
    let guesses = of(Some(seen()), Some(few), None);
    assert!(guesses.problems[0].starts_with("97 % of the item ids in the interactions have no row"), "{guesses:#?}");
    assert!(!guesses.is_sure);

    let ratings = interactions("user_id|item_id|rating", |u, i| format!("{u}|{i}|{}", 1 + (u + i) % 5));
    for guesses in [of(None, Some(ratings.clone()), None), of(Some(seen()), Some(ratings), None)] {
        assert!(!guesses.is_sure, "interactions sent as items: {guesses:#?}");
        let reason = &file(&guesses, Part::Items).column(Role::ItemId).unwrap().reason;
        assert!(reason.contains("most rows repeat an id"), "{reason}");
    }

    let catalogue = items("item_id|title|genre", |at| format!("{at}|A title of {at}|{}", ["a", "b"][at % 2]));
    let guesses = of(Some(catalogue), Some(seen()), None);
    assert!(guesses.problems[0].starts_with("The files seem to be swapped"), "{guesses:#?}");
    assert!(!guesses.is_sure);
}

#[test]
fn problems_of_single_files_are_said_at_their_columns() {
    let text = |guesses: &Guesses, part: Part| -> String {
        file(guesses, part).problems.iter().map(|problem| format!("{:?} {}\n", problem.column, problem.text)).collect()
    };
    let gaps = interactions("user_id|item_id", |u, i| format!("{}|{i}", if u == 3 { String::new() } else { u.to_string() }));
    let guesses = of(Some(gaps), None, None);
    assert!(text(&guesses, Part::Interactions).contains("rows have no value here"), "{guesses:#?}");

    let empty = head("empty.csv", "user_id|item_id");
    let guesses = of(Some(empty), None, None);
    assert!(text(&guesses, Part::Interactions).contains("a header but no rows"));
    assert!(!guesses.is_sure && file(&guesses, Part::Interactions).error().is_some());

    let twice = interactions("user_id|item_id|item_id", |u, i| format!("{u}|{i}|{i}"));
    let guesses = of(Some(twice), None, None);
    assert!(text(&guesses, Part::Interactions).contains("2 columns are named \"item_id\""), "{guesses:#?}");
    assert!(!guesses.is_sure);

    let alone = interactions("user_id|item_id", |_, i| format!("me|{i}"));
    let guesses = of(Some(alone), None, None);
    assert!(text(&guesses, Part::Interactions).contains("All rows seen are of one user"), "{guesses:#?}");
    assert!(guesses.is_sure, "it is a warning: {guesses:#?}");

    let both =
        interactions("user_id|item_id", |u, i| format!("{u}|{}", if i == 1 { "001".to_owned() } else { (i % 9).to_string() }));
    let both = Head { rows: both.rows.into_iter().chain([vec![json!("1"), json!("1")]]).collect(), ..both };
    let guesses = of(Some(both), None, None);
    assert!(text(&guesses, Part::Interactions).contains("\"001\" and \"1\" both occur"), "{guesses:#?}");

    let zeros = interactions("user_id|item_id", |u, i| format!("{u}|{}", ["00", "000", "7"][i % 3]));
    let guesses = of(Some(zeros), None, None);
    assert!(text(&guesses, Part::Interactions).contains("\"00\" and \"000\" both occur"), "{guesses:#?}");

    let repeated = items("item_id|title", |at| format!("{}|A title of {at}", at / 2));
    let guesses = of(None, Some(repeated), None);
    assert!(text(&guesses, Part::Items).contains("15 rows have an id that a later row has"), "{guesses:#?}");

    let broken =
        Head { first_skipped: Some("line 2: too few fields: 1 instead of 2".to_owned()), ..head("b.csv", "user_id|item_id") };
    let guesses = of(Some(broken), None, None);
    assert!(
        text(&guesses, Part::Interactions).contains("No row of the file can be read. The first problem is at line 2: too few")
    );

    let unread = Heads { items: Some(Err(("x.csv".to_owned(), "It is no table.".to_owned()))), ..Heads::default() };
    let unread = guess(&unread, &Stop::default()).unwrap();
    assert_eq!(file(&unread, Part::Items).error(), Some("It is no table."));
    assert!(!unread.is_sure);
}

#[test]
fn columns_without_a_telling_name_are_never_sure() {
    let seen = interactions("c1|c2|c3", |u, i| format!("{u}|{i}|{}", u + i));
    let guesses = of(Some(seen), None, None);
    assert!(!guesses.is_sure, "{guesses:#?}");
    let texts = interactions("text|note", |u, i| format!("a long note about {u}|another of {i}"));
    assert!(!of(Some(texts), None, None).is_sure);
}

/// Returns the guesses about interactions with a third column.
fn with_third(name: &str, value: impl Fn(usize) -> String) -> Guesses {
    of(Some(interactions(&format!("user_id|item_id|{name}"), |u, i| format!("{u}|{i}|{}", value(u)))), None, None)
}

fn problems_of(guesses: &Guesses, column: &str) -> Vec<String> {
    let problems = file(guesses, Part::Interactions).problems.iter();
    problems.filter(|problem| problem.column.as_deref() == Some(column)).map(|problem| problem.text.clone()).collect()
}

#[test]
fn times_are_those_that_an_import_reads() {
    for (name, notation) in [
        ("date", "DD.06.2020"),
        ("date", "DD.06.2020 06:43"),
        ("date", "DD/06/2020"),
        ("date", "06/DD/2020 06:43"),
        ("購入日", "2020年06月DD日"),
        ("date", "DD-Jun-2020"),
        ("when_it_was", "DD.06.2020"),
    ] {
        let guesses = with_third(name, |u| notation.replace("DD", &format!("{:02}", 1 + u)));
        let third = file(&guesses, Part::Interactions).columns[2].clone();
        assert_eq!((third.role, guesses.is_sure), (Role::Time, true), "{notation}: {guesses:#?}");
    }
    for (notation, example) in [("06/0D/2020", "06/01/2020"), ("June D, 2020", "June 1, 2020"), ("2020-0D", "2020-01")] {
        let guesses = with_third("date", |u| notation.replace('D', &(1 + u % 9).to_string()));
        let third = file(&guesses, Part::Interactions).columns[2].clone();
        assert_eq!((third.role, guesses.is_sure), (Role::Ignored, false), "{notation}: {guesses:#?}");
        assert!(third.confidence < 0.8 && third.reason.contains("cannot be read as times"), "{third:?}");
        let problems = problems_of(&guesses, "date");
        assert!(
            problems.len() == 1 && problems[0].starts_with(&format!("\"{example}\" cannot be read as a time")),
            "{problems:?}"
        );
    }
}

#[test]
fn times_that_cannot_be_read_matter_only_where_there_are_no_others() {
    let both = interactions("user_id|item_id|date|timestamp", |u, i| format!("{u}|{i}|June {u}, 2020|{}", 1_600_000_000 + u));
    let guesses = of(Some(both), None, None);
    assert_eq!(roles(&guesses, Part::Interactions), ["user_id", "item_id", "ignored", "time"], "{guesses:#?}");
    assert!(guesses.is_sure && problems_of(&guesses, "date").is_empty(), "{guesses:#?}");
    // The day of birth is not when it was bought.
    let born = interactions("user_id|item_id|date|born", |u, i| format!("{u}|{i}|June {u}, 2020|1980-01-{:02}", 1 + u));
    let guesses = of(Some(born), None, None);
    assert!(!guesses.is_sure && problems_of(&guesses, "date").len() == 1, "{guesses:#?}");
    // No name says that these are times, but they look like dates.
    let guesses = with_third("bought", |u| format!("2020-{:02}", 1 + u % 12));
    assert!(guesses.is_sure && problems_of(&guesses, "bought").len() == 1, "{guesses:#?}");
    let words = with_third("timestamp_source", |u| ["web", "shop"][u % 2].to_owned());
    assert!(words.is_sure && problems_of(&words, "timestamp_source").is_empty(), "{words:#?}");
}

#[test]
fn rows_without_a_time_are_told() {
    let gaps = with_third("date", |u| match u {
        3 => String::new(),
        4 => "unknown".to_owned(),
        _ => format!("2020-01-{:02}", 1 + u),
    });
    let problems = problems_of(&gaps, "date").join("\n");
    assert!(gaps.is_sure && file(&gaps, Part::Interactions).column(Role::Time).is_some(), "{gaps:#?}");
    assert!(problems.contains("of 200 rows have no value here"), "{problems}");
    assert!(
        problems.contains("of 200 rows are left out, since they have no time that can be read, but \"unknown\"."),
        "{problems}"
    );
}
