//! Item files with values that cannot be read, and with columns that say nothing.

use super::{Folder, described};

impl Folder {
    /// Returns the report of a command that succeeds, and what it says on standard error.
    fn told(&self, command: &str) -> (serde_json::Value, String) {
        let output = self.run(command);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{command}: {told}");
        (serde_json::from_slice(&output.stdout).unwrap(), told)
    }
}

/// Returns an item file with a price, which is that of `bad` in a row, and two new items, of which one has no price that can be read.
fn with_prices(bad: usize) -> String {
    let price = |item: usize| if item == bad { "on request".to_owned() } else { (item * 3).to_string() };
    let rows = (0..20).map(|item| format!("\"item {item}, é\",{},{}\n", ["even", "odd"][item % 2], price(item)));
    rows.chain(["new 1,even,12\n".to_owned(), "new 2,even,ask\n".to_owned()])
        .fold("item_id,taste,price\n".to_owned(), |text, row| text + &row)
}

const STRICT: &str = r#"{"version":1,"fields":[{"column":"taste","kind":"category"},{"column":"price","kind":"number"}]}"#;

#[test]
fn values_that_cannot_be_read_are_left_out_and_named() {
    let folder = Folder::new();
    std::fs::write(folder.file("items.csv"), with_prices(4)).unwrap();
    std::fs::write(folder.file("strict.json"), STRICT).unwrap();
    for algorithm in ["RP3beta", "ContentKNN"] {
        let train = format!("train all.csv --items items.csv --item-features strict.json --algorithm {algorithm} --output m.st");
        let (report, told) = folder.told(&format!("{train} --json"));
        assert_eq!(report["n_new_items"], 1, "{told}");
        for wanted in [
            "the item file: column \"price\": id \"item 4, é\" has \"on request\", which is not a number; this value is left out",
            "one new item is left out, because a value cannot be read:\n  column \"price\": id \"new 2\" has \"ask\"",
        ] {
            assert!(told.contains(wanted), "{wanted}: {told}");
        }
        let list = folder.json("recommend --model m.st --user u0 --cutoff 30 --json").to_string();
        assert!(list.contains("new 1") && !list.contains("new 2"), "{list}");
    }
    let (_, told) = folder.told(
        "evaluate --train all.csv --items items.csv --item-features strict.json --split CI --seed 3 --algorithm RP3beta --json",
    );
    assert!(told.contains("\"on request\"") || told.contains("have a row"), "{told}");
}

#[test]
fn a_column_that_says_nothing_is_told_and_refused_alone() {
    let folder = Folder::new();
    let rows = (0..20).map(|item| format!("\"item {item}, é\",c{item},{}\n", ["even", "odd"][item % 2]));
    let new = (0..9).map(|item| format!("new {item},c{},\n", 100 + item));
    let file = rows.chain(new).fold("item_id,code,taste\n".to_owned(), |text, row| text + &row);
    std::fs::write(folder.file("items.csv"), file).unwrap();
    let code = r#"{"column":"code","kind":"category"}"#;
    std::fs::write(folder.file("code.json"), format!(r#"{{"version":1,"fields":[{code}]}}"#)).unwrap();
    let both = format!(r#"{{"version":1,"fields":[{code},{{"column":"taste","kind":"category"}}]}}"#);
    std::fs::write(folder.file("both.json"), both).unwrap();
    let flaw = "column \"code\" has 20 different values, and none is in at least 2 rows of the training";
    for algorithm in ["ContentKNN", "IALS"] {
        let train = format!("train all.csv --items items.csv --algorithm {algorithm} --output m.st --item-features");
        let refused = folder.complaint(&format!("{train} code.json"));
        assert!(refused.contains(flaw), "{refused}");
        let (report, told) = folder.told(&format!("{train} both.json --json"));
        assert!(told.contains(flaw) && told.contains("9 new items are left out: no value of theirs occurs"), "{told}");
        assert_eq!(report["n_new_items"], 0);
    }
}

#[test]
fn what_is_wrong_with_a_spec_or_with_ids_is_named() {
    let folder = Folder::new();
    std::fs::write(folder.file("items.csv"), described() + "\"item 3, é\",odd,red\n\"item 3, é\",odd,red\n").unwrap();
    for (name, field, wanted) in [
        ("kind", r#"{"column":"taste","kind":"txt"}"#, "column \"taste\": unknown variant `txt`"),
        ("weight", r#"{"column":"taste","kind":"text","weight":1e300}"#, "weight 1e300 is not between 0.000001 and 1000000"),
    ] {
        std::fs::write(folder.file(name), format!(r#"{{"version":1,"fields":[{field}]}}"#)).unwrap();
        let refused =
            folder.complaint(&format!("train all.csv --items items.csv --item-features {name} --algorithm IALS --output x"));
        assert!(refused.contains(wanted), "{refused}");
    }
    let (_, told) = folder.told("train all.csv --items items.csv --algorithm RP3beta --output m.st --json");
    assert!(told.contains("2 rows repeat items, such as \"item 3, é\"; the last row of each counts"), "{told}");
    std::fs::write(folder.file("few.csv"), "item_id,price\n007,1\nB07,2\nB08,3\nB09,4\n").unwrap();
    let (_, told) = folder.told("train all.csv --items few.csv --algorithm RP3beta --output m.st --json");
    let wanted = "only 1 of 21 have a row, so hardly anything can be learnt from it; the ids of the table look like \"B07\", those of \
                  the training like \"item 0, é\"";
    assert!(told.contains(wanted), "{told}");
}

#[test]
fn dates_without_times_of_interactions_are_measured_from_the_latest_one() {
    let folder = Folder::new();
    let rows = (0..20).map(|item| format!("\"item {item}, é\",2024-01-{:02}\n", item + 1));
    let file = rows.fold("item_id,released\n".to_owned(), |text, row| text + &row);
    std::fs::write(folder.file("items.csv"), file).unwrap();
    let train = |name: &str, more: &str| {
        folder.json(&format!("train all.csv --items items.csv --algorithm RP3beta --output {name} --json{more}"));
        std::fs::read(folder.file(name)).unwrap()
    };
    let first = train("1.st", "");
    assert!(first == train("2.st", ""), "the same at any time");
    assert!(first != train("3.st", " --time-column timestamp"), "with times, ages are those at the last interaction");
}
