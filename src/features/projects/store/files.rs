//! The files that belong to rows.

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::dependents::Kind;
use crate::features::projects::shares::Usage;

/// Folders of the file store whose files are named by rows; files of other folders are never swept.
pub const FOLDERS: [&str; 7] = ["uploads", "unpacked", "prepared", "rejected", "metadata", "models", "deliveries"];

/// The files of an upload `d`: the prepared form, the rejected rows and the decompressed copy have the name of the original.
const OF_DATA: &str = "SELECT f.key FROM training_data d, LATERAL (VALUES (d.storage_key), (d.prepared_key),
    (regexp_replace(d.storage_key, '^uploads/(.*)$', 'prepared/\\1.safetensors')),
    (regexp_replace(d.storage_key, '^uploads/(.*)$', 'rejected/\\1.csv')),
    (regexp_replace(d.storage_key, '^uploads/', 'unpacked/'))) AS f (key)";

/// The files of item metadata `d`: the original, its unpacked copy and the prepared form.
const OF_METADATA: &str = "SELECT f.key FROM item_meta_data d, LATERAL (VALUES (d.storage_key), (d.prepared_key),
    (regexp_replace(d.storage_key, '^metadata/', 'unpacked/'))) AS f (key)";

/// The files of a model `m`: the artifact and its signature.
const OF_MODELS: &str =
    "SELECT f.key FROM trained_models m, LATERAL (VALUES (m.storage_key), (m.storage_key || '.sig')) AS f (key)";

/// The files of deliveries `v`.
const OF_DELIVERIES: &str = "SELECT v.storage_key AS key FROM deliveries v";

/// Those of the keys in `$1` that are parts of deliveries in progress.
const PARTS: &str = "SELECT p.key FROM unnest($1) AS p (key) JOIN deliveries v
    ON v.state IN ('queued', 'running') AND p.key LIKE 'deliveries/' || v.id || '.part-%'";

#[derive(QueryableByName)]
struct File {
    #[diesel(sql_type = Text)]
    key: String,
}

/// Lists the files to delete with the object, with those of everything that is deleted with it.
pub async fn files_of(connection: &mut AsyncPgConnection, kind: Kind, id: i64) -> QueryResult<Vec<String>> {
    let (data, metadata, deliveries) = match kind {
        Kind::Project => ("d.project_id = $1", "d.project_id = $1", "v.project_id = $1"),
        Kind::TrainingData => ("d.id = $1", "false", "false"),
        Kind::ItemMetaData => ("false", "d.id = $1", "false"),
        _ => ("false", "false", "false"),
    };
    let sql = format!(
        "SELECT key FROM ({OF_DATA} WHERE {data} UNION {OF_METADATA} WHERE {metadata} UNION {OF_DELIVERIES} WHERE {deliveries} \
         UNION {OF_MODELS} WHERE {}) AS files WHERE key IS NOT NULL",
        kind.models()
    );
    let files: Vec<File> = diesel::sql_query(sql).bind::<BigInt, _>(id).load(connection).await?;
    Ok(files.into_iter().map(|file| file.key).collect())
}

/// Lists the files of one upload.
pub async fn of_upload(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Vec<String>> {
    let sql = format!("SELECT key FROM ({OF_DATA} WHERE d.id = $1) AS files WHERE key IS NOT NULL");
    let files: Vec<File> = diesel::sql_query(sql).bind::<BigInt, _>(id).load(connection).await?;
    Ok(files.into_iter().map(|file| file.key).collect())
}

#[derive(QueryableByName)]
struct Sums {
    #[diesel(sql_type = BigInt)]
    of_organisation: i64,
    #[diesel(sql_type = BigInt)]
    of_founder: i64,
}

/// Returns the bytes of all files of an organisation, and with those of the others that the same user created.
pub async fn stored_bytes(connection: &mut AsyncPgConnection, organisation: i64) -> QueryResult<Usage> {
    let sql = "SELECT stored_bytes_of($1, false) AS of_organisation, stored_bytes_of($1, true) AS of_founder";
    let sums: Sums = diesel::sql_query(sql).bind::<BigInt, _>(organisation).get_result(connection).await?;
    Ok(Usage { of_organisation: sums.of_organisation.unsigned_abs(), of_founder: sums.of_founder.unsigned_abs() })
}

/// Waits until no other transaction counts what this tenant stores, and keeps others waiting until the present one ends.
pub async fn lock_stored_bytes(connection: &mut AsyncPgConnection, tenant: &str) -> QueryResult<()> {
    let query = diesel::sql_query("SELECT pg_advisory_xact_lock(hashtextextended('stored_bytes:' || $1, 0))");
    query.bind::<Text, _>(tenant).execute(connection).await.map(drop)
}

/// Returns the keys that no row names.
pub async fn unnamed(connection: &mut AsyncPgConnection, keys: Vec<String>) -> QueryResult<Vec<String>> {
    let sql = format!(
        "SELECT key FROM unnest($1) AS known (key) \
         EXCEPT ({OF_DATA} UNION ALL {OF_METADATA} UNION ALL {OF_MODELS} UNION ALL {OF_DELIVERIES} UNION ALL {PARTS})"
    );
    let files: Vec<File> = diesel::sql_query(sql).bind::<Array<Text>, _>(keys).load(connection).await?;
    Ok(files.into_iter().map(|file| file.key).collect())
}
