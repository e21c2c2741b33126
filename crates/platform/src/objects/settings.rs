//! Where a store is, without its secret.

use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::ToSchema;

/// The longest text of a setting, in characters.
const LONGEST: usize = 255;

/// The longest URL or path, in characters.
const LONGEST_PLACE: usize = 2_000;

/// Where a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreSettings {
    S3(S3Settings),
    Gcs(GcsSettings),
    Azure(AzureSettings),
    Web(WebSettings),
    Folder(FolderSettings),
}

/// A bucket of Amazon S3, or of a server that speaks its protocol. The secret is the secret access key; without one, requests are
/// not signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct S3Settings {
    pub bucket: String,
    #[serde(default = "usual_region")]
    pub region: String,
    /// URL of a server other than Amazon's, such as https://minio.example.com:9000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<String>,
    /// Whether the bucket is in the path of URLs rather than in the name of the host. Most servers other than Amazon's need it.
    #[serde(default)]
    pub path_style: bool,
}

/// A bucket of Google Cloud Storage. The secret is the key file (JSON) of a service account; without one, the bucket has to be
/// public.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GcsSettings {
    pub bucket: String,
    /// URL of a server other than Google's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
}

/// A container of Azure Blob Storage. The secret is an access key or a shared access signature (SAS); without one, the container
/// has to be public.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AzureSettings {
    pub account: String,
    pub container: String,
    /// URL of a server other than Microsoft's, with the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
}

/// Files of a web server. The secret is a token, which is sent as `Authorization: Bearer`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebSettings {
    /// URL of a file, or of a folder (with a slash at its end) in which files are named.
    pub url: String,
}

/// A folder of the machine that the program runs on. Only folders that the operator has released can be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FolderSettings {
    /// Absolute path.
    pub path: String,
}

/// A setting that is not valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingFault {
    pub field: &'static str,
    pub message: String,
}

fn usual_region() -> String {
    "us-east-1".to_owned()
}

fn fault<T>(field: &'static str, message: &str) -> Result<T, SettingFault> {
    Err(SettingFault { field, message: message.to_owned() })
}

impl StoreSettings {
    /// Removes blanks around texts, and treats empty texts as left out.
    pub fn tidy(&mut self) {
        match self {
            Self::S3(settings) => {
                tidy([&mut settings.bucket, &mut settings.region]);
                tidy_optional([&mut settings.endpoint, &mut settings.access_key_id]);
            }
            Self::Gcs(settings) => {
                tidy([&mut settings.bucket]);
                tidy_optional([&mut settings.endpoint]);
            }
            Self::Azure(settings) => {
                tidy([&mut settings.account, &mut settings.container]);
                tidy_optional([&mut settings.endpoint]);
            }
            Self::Web(settings) => tidy([&mut settings.url]),
            Self::Folder(settings) => tidy([&mut settings.path]),
        }
    }

    /// Checks every setting, as far as it can be checked without a connection.
    pub fn check(&self) -> Result<(), SettingFault> {
        match self {
            Self::S3(settings) => {
                name("bucket", &settings.bucket)?;
                name("region", &settings.region)?;
                settings.access_key_id.as_deref().map_or(Ok(()), |id| text("access_key_id", id))?;
                endpoint(settings.endpoint.as_deref())
            }
            Self::Gcs(settings) => {
                name("bucket", &settings.bucket)?;
                endpoint(settings.endpoint.as_deref())
            }
            Self::Azure(settings) => {
                name("account", &settings.account)?;
                name("container", &settings.container)?;
                endpoint(settings.endpoint.as_deref())
            }
            Self::Web(settings) => web_url("url", &settings.url),
            Self::Folder(settings) => folder(&settings.path),
        }
    }
}

fn tidy<const N: usize>(texts: [&mut String; N]) {
    for text in texts {
        *text = text.trim().to_owned();
    }
}

fn tidy_optional<const N: usize>(texts: [&mut Option<String>; N]) {
    for text in texts {
        *text = text.take().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    }
}

/// Checks the name of a bucket, a region, an account or a container, which becomes a part of a URL.
fn name(field: &'static str, value: &str) -> Result<(), SettingFault> {
    if value.is_empty() {
        return fault(field, "This field may not be blank.");
    }
    let is_plain = value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '$'));
    if !is_plain || value.len() > LONGEST || value.starts_with('.') || value.contains("..") {
        return fault(field, "Enter the name only: letters, digits, hyphens and dots.");
    }
    Ok(())
}

fn text(field: &'static str, value: &str) -> Result<(), SettingFault> {
    if value.chars().count() > LONGEST || value.chars().any(char::is_control) {
        return fault(field, &format!("Enter at most {LONGEST} characters, without line breaks."));
    }
    Ok(())
}

fn endpoint(value: Option<&str>) -> Result<(), SettingFault> {
    let Some(value) = value else { return Ok(()) };
    web_url("endpoint", value)?;
    if value.contains(['?', '#']) {
        return fault("endpoint", "Enter the URL without a query.");
    }
    Ok(())
}

fn web_url(field: &'static str, value: &str) -> Result<(), SettingFault> {
    let is_web = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    let Some(url) = Url::parse(value).ok().filter(is_web) else {
        return fault(field, "Enter a URL such as https://files.example.com/.");
    };
    if !url.username().is_empty() || url.password().is_some() {
        return fault(field, "The URL contains a user name or a password. Leave them out.");
    }
    if value.chars().count() > LONGEST_PLACE {
        return fault(field, &format!("Enter at most {LONGEST_PLACE} characters."));
    }
    Ok(())
}

fn folder(path: &str) -> Result<(), SettingFault> {
    let is_plain = path.starts_with('/') && !path.contains('\0') && !path.split('/').any(|part| part == "..");
    if !is_plain || path.chars().count() > LONGEST_PLACE {
        return fault("path", "Enter an absolute path such as /srv/incoming, without \"..\".");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s3(change: impl FnOnce(&mut S3Settings)) -> Option<&'static str> {
        let mut settings = S3Settings {
            bucket: "shop".into(),
            region: usual_region(),
            endpoint: Some("https://minio.example.com:9000".into()),
            access_key_id: Some("AKIA".into()),
            path_style: true,
        };
        change(&mut settings);
        let mut settings = StoreSettings::S3(settings);
        settings.tidy();
        settings.check().err().map(|fault| fault.field)
    }

    #[test]
    fn a_fault_names_its_setting() {
        assert_eq!(s3(|_| {}), None);
        assert_eq!(s3(|settings| settings.endpoint = Some(" ".into())), None, "as if left out");
        assert_eq!(s3(|settings| settings.bucket = " ".into()), Some("bucket"));
        assert_eq!(s3(|settings| settings.bucket = "a/../b".into()), Some("bucket"));
        assert_eq!(s3(|settings| settings.bucket = "b".repeat(255)), None);
        assert_eq!(s3(|settings| settings.bucket = "b".repeat(256)), Some("bucket"));
        assert_eq!(s3(|settings| settings.region = "eu@evil".into()), Some("region"));
        assert_eq!(s3(|settings| settings.endpoint = Some("minio:9000".into())), Some("endpoint"));
        assert_eq!(s3(|settings| settings.endpoint = Some("https://u:p@minio".into())), Some("endpoint"));
        assert_eq!(s3(|settings| settings.endpoint = Some("https://minio/?x=1".into())), Some("endpoint"));
        assert_eq!(s3(|settings| settings.access_key_id = Some("a\nb".into())), Some("access_key_id"));
    }

    #[test]
    fn a_folder_is_an_absolute_path() {
        let check = |path: &str| StoreSettings::Folder(FolderSettings { path: path.into() }).check().is_ok();
        assert!(check("/srv/incoming") && check("/srv/..."));
        assert!(!check("") && !check("srv") && !check("/srv/../etc") && !check("/srv\0"));
    }
}
