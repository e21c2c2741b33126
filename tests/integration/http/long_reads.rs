//! Reads of many rows, which leave connections to everything else.

use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use crate::support::events::stage_with;

const READS: usize = 30;
/// The reads that wait, without that of the recent events, which the server itself reads when it starts.
const WAITING: &str = "SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%conversion_events%'
        AND query NOT LIKE '%max(id)%' AND query NOT LIKE '%\"item_id\" != %'";

#[tokio::test(flavor = "multi_thread")]
async fn reads_of_many_rows_leave_connections_to_other_requests() {
    let stage = stage_with(|_| {}).await;
    let (user, other) = (stage.prepared.user.clone(), stage.app.user("other").await);
    // Until it is unlocked, no read of events ends.
    let mut lock = AsyncPgConnection::establish(stage.app.services.db.url()).await.unwrap();
    lock.batch_execute("BEGIN; LOCK TABLE conversion_events IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let paths = ["conversion_event/daily_counts/", "conversion_event/"].into_iter().cycle().take(READS);
    let read = |path: &'static str| {
        let user = user.clone();
        tokio::spawn(async move { user.get(path).await })
    };
    let mut reads: FuturesUnordered<_> = paths.map(read).collect();
    stage.app.soon("one of them reads", async || stage.app.count(WAITING).await == 1).await;
    user.get("project/").await.expect(200);
    let of_other = tokio::spawn(async move { other.get("conversion_event/daily_counts/").await });
    stage.app.soon("another user reads beside it", async || stage.app.count(WAITING).await == 2).await;
    for _ in 1..READS {
        let refused = reads.next().await.unwrap().unwrap().expect(503);
        assert_eq!((refused.body["code"].as_str(), refused.header("retry-after").as_str()), (Some("busy"), "2"));
    }
    lock.batch_execute("COMMIT").await.unwrap();
    reads.next().await.unwrap().unwrap().expect(200);
    of_other.await.unwrap().expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_logs_leave_connections_to_other_requests() {
    let stage = stage_with(|_| {}).await;
    let user = stage.prepared.user.clone();
    for (table, path) in [("task_logs", "task_log/"), ("audit_log", "audit_log/")] {
        // Until it is unlocked, no read of the log ends.
        let mut lock = AsyncPgConnection::establish(stage.app.services.db.url()).await.unwrap();
        lock.batch_execute(&format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")).await.unwrap();
        let waiting = format!(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%{table}%'"
        );
        let read = |_| {
            let user = user.clone();
            tokio::spawn(async move { user.get(path).await })
        };
        let mut reads: FuturesUnordered<_> = (0..READS).map(read).collect();
        stage.app.soon("one of them reads", async || stage.app.count(&waiting).await == 1).await;
        user.get("project/").await.expect(200);
        for _ in 1..READS {
            let refused = reads.next().await.unwrap().unwrap().expect(503);
            assert_eq!(refused.body["code"].as_str(), Some("busy"), "{path}");
        }
        lock.batch_execute("COMMIT").await.unwrap();
        reads.next().await.unwrap().unwrap().expect(200);
    }
}
