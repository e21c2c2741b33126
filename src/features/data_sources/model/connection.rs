//! Rows of connections, and the fields of their bodies.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::connectors::ConnectionKind;
use crate::platform::http::body::{Choice, Id, JsonObject, Nullable, Secret, Text};
use crate::platform::request_fields;
use crate::schema::data_connections;

const LONGEST_NAME: usize = 200;

/// Room for a certificate beside the other settings.
const LARGEST_SETTINGS: usize = 128 << 10;

request_fields! {
    /// The organisation of a connection.
    pub struct OfOrganisation {
        /// Its projects share the connection.
        pub organisation: i64 => Id,
    }
}

request_fields! {
    /// The fields of a connection.
    #[derive(Debug, Clone, Queryable, Selectable, AsChangeset, Insertable, Serialize, ToSchema)]
    #[diesel(table_name = data_connections)]
    #[schema(as = DataConnectionFields)]
    pub struct ConnectionFields {
        /// Unique within the organisation.
        pub name: String => Text(LONGEST_NAME),
        /// Cannot change.
        pub kind: ConnectionKind => Choice(&[]),
        /// How to reach it. Of a database `host`, `port`, `database`, `username`, `tls` (`verify_full`, `require` or `off`),
        /// `ca_certificate` and `time_zone`; of S3 `bucket`, `region`, `endpoint`, `access_key_id` and `path_style`; of Google Cloud
        /// Storage `bucket` and `endpoint`; of Azure `account`, `container` and `endpoint`; of a web server `url`; of a folder `path`.
        pub settings: Value => JsonObject(LARGEST_SETTINGS),
    }
}

request_fields! {
    /// The secret of a connection.
    pub struct SecretField {
        /// The password, or the secret of the key. It is stored sealed and never returned. A change that leaves it out keeps it; null removes it.
        pub secret: Option<String> = None => Nullable(Secret),
    }
}

/// How to reach a server, without its secret.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = data_connections)]
pub struct DataConnection {
    pub id: i64,
    pub organisation_id: i64,
    #[diesel(embed)]
    pub fields: ConnectionFields,
    pub secret_changed_at: Option<DateTime<Utc>>,
    pub last_test_at: Option<DateTime<Utc>>,
    pub last_test: Option<Value>,
    pub ins_datetime: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A connection to be stored.
#[derive(Debug, Insertable)]
#[diesel(table_name = data_connections)]
pub struct NewConnection {
    pub id: i64,
    pub organisation_id: i64,
    pub created_by: i64,
    #[diesel(embed)]
    pub fields: ConnectionFields,
    pub secret_sealed: Option<Vec<u8>>,
    pub secret_changed_at: Option<DateTime<Utc>>,
}

/// The sealed secret of a connection.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = data_connections)]
pub struct SealedSecret {
    pub id: i64,
    pub organisation_id: i64,
    pub secret_sealed: Option<Vec<u8>>,
}
