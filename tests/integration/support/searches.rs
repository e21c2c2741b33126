//! Data with a structure that a search can find.

/// Returns interactions of two groups of users with tastes of their own, and ids that are not numbers.
pub fn interactions() -> String {
    let names = ["007", "Sigur Rós", "\"a/b c\"", "1.0", "001", "x", "y", "z", "千と千尋", "w"];
    let mut csv = String::from("user_id,item_id\n");
    for user in 0..60 {
        for (item, name) in names.iter().enumerate() {
            let same_group = (user % 2 == 0) == (item % 2 == 0);
            if same_group && (user / 2 + item) % 5 != 0 {
                csv.push_str(&format!("0{user},{name}\n"));
            }
        }
    }
    csv
}
