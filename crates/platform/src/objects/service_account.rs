//! The key file of a Google service account.

use serde::{Deserialize, Serialize};

use super::error::ObjectError;

/// What is taken from a key file. It also names addresses to ask for tokens, which are not taken: a key signs for itself.
#[derive(Deserialize)]
struct KeyFile {
    client_email: String,
    private_key: String,
    #[serde(default)]
    private_key_id: String,
}

/// What the library is given.
#[derive(Serialize)]
struct Account<'a> {
    client_email: &'a str,
    private_key: &'a str,
    private_key_id: &'a str,
    disable_oauth: bool,
}

/// Returns the key file with nothing in it but the key and whose it is.
pub fn reduced(text: &str) -> Result<String, ObjectError> {
    let wrong = ObjectError::InvalidSecret("enter the whole key file (JSON) of a service account");
    let Ok(file) = serde_json::from_str::<KeyFile>(text) else { return Err(wrong) };
    let is_plain = |text: &str| text.chars().all(|c| c.is_ascii_graphic());
    if !is_plain(&file.client_email) || !is_plain(&file.private_key_id) || !file.private_key.contains("PRIVATE KEY-----") {
        return Err(wrong);
    }
    let account = Account {
        client_email: &file.client_email,
        private_key: &file.private_key,
        private_key_id: &file.private_key_id,
        disable_oauth: false,
    };
    serde_json::to_string(&account).map_err(|_| wrong)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn addresses_in_a_key_file_are_not_taken() {
        let file = json!({
            "type": "service_account", "client_email": "x@y.iam", "private_key_id": "1",
            "private_key": "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n",
            "token_uri": "http://169.254.169.254/", "gcs_base_url": "http://127.0.0.1/", "disable_oauth": true,
        });
        let read: Value = serde_json::from_str(&reduced(&file.to_string()).unwrap()).unwrap();
        let names: Vec<&String> = read.as_object().unwrap().keys().collect();
        assert_eq!(names, ["client_email", "private_key", "private_key_id", "disable_oauth"]);
        assert_eq!(read["disable_oauth"], false);
    }

    #[test]
    fn a_text_that_is_no_key_file_is_not_repeated() {
        for text in ["hush", "{\"private_key\": \"hush\"}", "{\"client_email\": \"a b\", \"private_key\": \"hush\"}"] {
            assert!(!reduced(text).unwrap_err().to_string().contains("hush"), "{text}");
        }
    }
}
