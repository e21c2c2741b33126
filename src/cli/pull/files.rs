//! Where files are, as the command line names it: s3://bucket/pattern, an address of the web, or a path.

use std::path::PathBuf;

use crate::connectors::{Local, Settings};
use crate::platform::objects::{FolderSettings, S3Settings, StoreSettings, WebSettings};

/// The options of a bucket.
#[derive(Debug, Clone, clap::Args)]
pub struct BucketArgs {
    /// Id of the access key of a bucket; without one, requests are not signed
    #[arg(long, value_name = "ID")]
    pub access_key_id: Option<String>,
    /// Region of a bucket
    #[arg(long, value_name = "NAME", default_value = "us-east-1")]
    pub region: String,
    /// URL of a server of buckets other than Amazon's; the bucket is then in the path
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<String>,
}

/// A place of files, and the pattern of their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    store: StoreSettings,
    pub pattern: String,
}

/// Reads a place; `None` if the text names none.
pub fn parse(text: &str) -> Option<Result<Place, String>> {
    let missing = || Err("name the files after the place, such as s3://bucket/events/*.parquet".to_owned());
    let place = |store, pattern: &str| {
        if pattern.is_empty() { missing() } else { Ok(Place { store, pattern: pattern.to_owned() }) }
    };
    if let Some(rest) = text.strip_prefix("s3://") {
        let (bucket, pattern) = rest.split_once('/').unwrap_or((rest, ""));
        let settings = S3Settings {
            bucket: bucket.to_owned(),
            region: String::new(),
            endpoint: None,
            access_key_id: None,
            path_style: false,
        };
        return Some(place(StoreSettings::S3(settings), pattern));
    }
    if text.starts_with("http://") || text.starts_with("https://") {
        let (folder, name) = text.rsplit_once('/')?;
        return Some(place(StoreSettings::Web(WebSettings { url: format!("{folder}/") }), name));
    }
    if text.starts_with('/') {
        let plain = &text[..text.find(['*', '?', '{']).unwrap_or(text.len())];
        let end = plain.rfind('/').unwrap_or(0);
        let path = if end == 0 { "/" } else { &text[..end] };
        return Some(place(StoreSettings::Folder(FolderSettings { path: path.to_owned() }), &text[end + 1..]));
    }
    None
}

impl Place {
    /// Returns the settings of the place.
    pub fn settings(&self, bucket: &BucketArgs) -> Settings {
        let mut store = self.store.clone();
        if let StoreSettings::S3(settings) = &mut store {
            settings.region.clone_from(&bucket.region);
            settings.endpoint.clone_from(&bucket.endpoint);
            settings.access_key_id.clone_from(&bucket.access_key_id);
            settings.path_style = bucket.endpoint.is_some();
        }
        Settings::Files(store)
    }

    /// Returns what of this machine may be used: the folder that is named.
    pub fn local(&self) -> Local {
        let folders = match &self.store {
            StoreSettings::Folder(settings) => vec![PathBuf::from(&settings.path)],
            _ => Vec::new(),
        };
        Local { folders, ..Local::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Option<(StoreSettings, String)> {
        parse(text)?.ok().map(|place| (place.store, place.pattern))
    }

    #[test]
    fn a_place_ends_where_the_names_of_files_begin() {
        let (store, pattern) = parts("s3://shop/events/dt={yyyy-mm-dd}/*.parquet").unwrap();
        assert!(matches!(store, StoreSettings::S3(settings) if settings.bucket == "shop"));
        assert_eq!(pattern, "events/dt={yyyy-mm-dd}/*.parquet");
        let (store, pattern) = parts("https://files.example.com/daily/events.csv.gz?x=1").unwrap();
        assert_eq!(store, StoreSettings::Web(WebSettings { url: "https://files.example.com/daily/".into() }));
        assert_eq!(pattern, "events.csv.gz?x=1");
        let folder = |path: &str| StoreSettings::Folder(FolderSettings { path: path.into() });
        assert_eq!(parts("/srv/in/a*/b.csv"), Some((folder("/srv/in"), "a*/b.csv".into())));
        assert_eq!(parts("/a.csv"), Some((folder("/"), "a.csv".into())));
        assert!(parse("s3://shop").is_some_and(|place| place.is_err()) && parse("postgres://reader@db/shop").is_none());
    }
}
