//! Which columns of item metadata hold the title and the picture of an item.

use serde_json::Value;

use crate::ml::features::{FeatureSpec, FieldKind, normal_form};

/// The largest number of characters of a title that are searched and answered.
const LONGEST_TITLE: usize = 300;
/// The largest number of bytes of the address of a picture.
const LONGEST_ADDRESS: usize = 2_000;

/// Names of the column with the title, in lower case and letters and digits alone, the best first.
pub const TITLES: &[&str] = &[
    "title",
    "itemtitle",
    "producttitle",
    "movietitle",
    "booktitle",
    "primarytitle",
    "name",
    "itemname",
    "productname",
    "displayname",
    "artistname",
    "trackname",
    "songname",
    "headline",
    "caption",
    "label",
    "タイトル",
    "記事タイトル",
    "題名",
    "表題",
    "商品名",
    "品名",
    "製品名",
    "作品名",
    "書名",
    "曲名",
    "アイテム名",
    "店舗名",
    "表示名",
    "名称",
    "名前",
    "見出し",
];

/// The same of the column with the address of a picture.
pub const PICTURES: &[&str] = &[
    "imageurl",
    "image",
    "images",
    "imagelink",
    "imageuri",
    "imagesrc",
    "img",
    "imgurl",
    "picture",
    "pictureurl",
    "photo",
    "photourl",
    "thumbnail",
    "thumbnailurl",
    "thumb",
    "poster",
    "posterurl",
    "posterpath",
    "cover",
    "coverurl",
    "coverimage",
    "icon",
    "iconurl",
    "画像url",
    "画像",
    "画像リンク",
    "商品画像",
    "サムネイル",
    "写真",
];

/// The columns that are shown of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shown {
    pub title: Option<usize>,
    pub image: Option<usize>,
}

/// Names of columns with a title and with a picture.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ShownNames {
    pub title: Option<String>,
    pub image: Option<String>,
}

impl Shown {
    /// Finds the columns that the project names, and others by their usual names; without a title among them, the title is the first
    /// text of the feature set in use.
    pub fn of(columns: &[String], chosen: &ShownNames, set: Option<&FeatureSpec>) -> Self {
        let place = |name: &Option<String>| columns.iter().position(|column| Some(column) == name.as_ref());
        let names: Vec<String> = columns.iter().map(|column| bare(column)).collect();
        let named = |known: &[&str]| known.iter().find_map(|known| names.iter().position(|name| name == known));
        let texts = set.into_iter().flat_map(|set| &set.fields).filter(|field| field.kind == FieldKind::Text);
        let first_text = || texts.into_iter().find_map(|field| columns.iter().position(|column| *column == field.column));
        Self {
            title: place(&chosen.title).or_else(|| named(TITLES)).or_else(first_text),
            image: place(&chosen.image).or_else(|| named(PICTURES)),
        }
    }

    /// Returns the names of these columns.
    pub fn names(self, columns: &[String]) -> ShownNames {
        let name = |at: Option<usize>| at.and_then(|at| columns.get(at)).cloned();
        ShownNames { title: name(self.title), image: name(self.image) }
    }
}

/// Returns the name of a column in normal form, letters and digits alone.
fn bare(column: &str) -> String {
    normal_form(column).chars().filter(|letter| letter.is_alphanumeric() || *letter == 'ー').collect()
}

/// Returns the title in a cell, on one line; `None` if there is none.
pub fn title_of(cell: &Value) -> Option<String> {
    let text = match cell {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let on_one_line = |letter: char| if letter.is_control() { ' ' } else { letter };
    let title: String = text.chars().take(LONGEST_TITLE).map(on_one_line).collect();
    (!title.is_empty()).then_some(title)
}

/// Returns the address of a picture in a cell; `None` if it is no address that a page may load.
pub fn address_of(cell: &Value) -> Option<String> {
    let text = cell.as_str()?.trim();
    let is_web = ["https://", "http://"]
        .iter()
        .any(|start| text.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start)));
    (is_web && text.len() <= LONGEST_ADDRESS).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(columns: &[&str], set: Option<&FeatureSpec>) -> (Option<usize>, Option<usize>) {
        let columns: Vec<String> = columns.iter().map(ToString::to_string).collect();
        let Shown { title, image } = Shown::of(&columns, &ShownNames::default(), set);
        (title, image)
    }

    #[test]
    fn columns_that_the_project_names_come_first_where_there_are_such() {
        let columns = ["title", "headliner", "pic"].map(str::to_owned);
        let chosen = |title: &str| ShownNames { title: Some(title.to_owned()), image: Some("pic".to_owned()) };
        let shown = |title| Shown::of(&columns, &chosen(title), None).names(&columns);
        assert_eq!(shown("headliner"), chosen("headliner"));
        assert_eq!(shown("gone"), chosen("title"));
    }

    #[test]
    fn columns_are_found_by_their_names_in_both_languages() {
        assert_eq!(shown(&["price", "Product_Name", "Image URL"], None), (Some(1), Some(2)));
        assert_eq!(shown(&["name", "TITLE"], None), (Some(1), None), "the better name, not the first column");
        assert_eq!(shown(&["ﾀｲﾄﾙ", "画像ＵＲＬ"], None), (Some(0), Some(1)));
        assert_eq!(shown(&["subtitle", "named"], None), (None, None));
    }

    #[test]
    fn a_feature_set_names_the_text_where_no_name_does() {
        let set = |fields: &[(&str, &str)]| -> FeatureSpec {
            let fields: Vec<_> = fields.iter().map(|(column, kind)| json!({ "column": column, "kind": kind })).collect();
            serde_json::from_value(json!({ "version": 1, "fields": fields })).unwrap()
        };
        let texts = set(&[("genre", "category"), ("gone", "text"), ("plot", "text")]);
        assert_eq!(shown(&["genre", "plot"], Some(&texts)).0, Some(1));
        assert_eq!(shown(&["plot", "title"], Some(&texts)).0, Some(1));
        assert_eq!(shown(&["genre"], Some(&set(&[("genre", "category")]))).0, None);
    }

    #[test]
    fn titles_are_one_line_and_pictures_are_addresses() {
        assert_eq!(title_of(&json!(" a\nb ")).as_deref(), Some("a b"));
        assert_eq!(title_of(&json!(1984)).as_deref(), Some("1984"));
        assert_eq!(title_of(&json!("é".repeat(LONGEST_TITLE + 1))).map(|title| title.chars().count()), Some(LONGEST_TITLE));
        assert!([json!(""), json!("  "), json!(null), json!(["a"]), json!(true)].iter().all(|cell| title_of(cell).is_none()));
        assert_eq!(address_of(&json!(" HTTPS://a.example/b ")).as_deref(), Some("HTTPS://a.example/b"));
        let long = format!("https://{}", "a".repeat(LONGEST_ADDRESS));
        for wrong in ["javascript:alert(1)", "data:image/png;base64,AA", "//a/b", "a.png", "", "htt", long.as_str()] {
            assert_eq!(address_of(&json!(wrong)), None, "{wrong}");
        }
        assert!(address_of(&json!(&long[..LONGEST_ADDRESS])).is_some());
    }
}
