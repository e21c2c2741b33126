use super::*;
use std::sync::atomic::AtomicUsize;

/// A table of one number that counts its reads.
#[derive(Clone, Default)]
struct Table {
    reads: Arc<AtomicUsize>,
}

impl Table {
    fn reads(&self) -> usize {
        self.reads.swap(0, Ordering::SeqCst)
    }

    /// Returns a number when notified.
    async fn later(self, value: Option<i32>, go: Arc<tokio::sync::Notify>) -> Result<Option<i32>, ReadError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        go.notified().await;
        Ok(value)
    }

    async fn at_once(self, value: Option<i32>) -> Result<Option<i32>, ReadError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        Ok(value)
    }

    async fn fails(self) -> Result<Option<i32>, ReadError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        Err(DbError::Unavailable(String::new()).into())
    }

    async fn hangs(self) -> Result<Option<i32>, ReadError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        std::future::pending().await
    }
}

fn known() -> (Known<u8, i32>, Table) {
    (Known::new("numbers", 100), Table::default())
}

async fn found(found: impl Future<Output = Found<i32>>) -> Option<i32> {
    found.await.ok().flatten().map(|value| *value)
}

#[tokio::test]
async fn many_who_ask_at_once_are_answered_by_one_reading() {
    let (known, table) = known();
    let go = Arc::new(tokio::sync::Notify::new());
    let asking = (0..20).map(|_| known.get(&1, || table.clone().later(Some(5), go.clone())));
    let (answers, ()) = tokio::join!(futures_util::future::join_all(asking), async { go.notify_one() });
    assert!(answers.into_iter().all(|answer| answer.is_ok_and(|value| value.as_deref() == Some(&5))));
    assert_eq!(table.reads(), 1);
    assert_eq!(found(known.get(&1, || table.clone().fails())).await, Some(5));
    assert_eq!(table.reads(), 0, "it is in memory");
    assert_eq!(found(known.get(&2, || table.clone().at_once(None))).await, None);
    assert_eq!((known.count(), table.reads()), (1, 1), "what is not there is not kept");
}

#[tokio::test]
async fn what_is_in_doubt_is_read_again_and_counts_while_it_cannot_be() {
    let (known, table) = known();
    assert_eq!(found(known.get(&1, || table.clone().at_once(Some(5)))).await, Some(5));
    known.doubt_all();
    assert_eq!(found(known.get(&1, || table.clone().at_once(Some(6)))).await, Some(6));
    known.doubt(&1);
    assert_eq!(found(known.get(&1, || table.clone().fails())).await, Some(6));
    known.doubt_all();
    for _ in 0..100 {
        assert_eq!(found(known.get(&1, || table.clone().hangs())).await, Some(6));
    }
    tokio::task::yield_now().await;
    assert!(table.reads() <= 4, "a database that hangs is not asked for every request");
    known.doubt(&1);
    assert_eq!(found(known.get(&1, || table.clone().at_once(None))).await, Some(6), "no caller waits in vain again");
    while known.peek(&1).is_some() {
        tokio::task::yield_now().await;
    }
    assert_eq!(found(known.get(&1, || table.clone().at_once(None))).await, None, "it has been deleted");
}

#[tokio::test]
async fn what_is_distrusted_does_not_count_until_it_is_read_again() {
    let (known, table) = known();
    for key in [1, 2] {
        found(known.get(&key, || table.clone().at_once(Some(key.into())))).await;
    }
    known.distrust(|value| *value == 1);
    assert_eq!(found(known.get(&1, || table.clone().hangs())).await, None);
    assert_eq!(found(known.get(&2, || table.clone().hangs())).await, Some(2));
    known.outdate(&1);
    assert_eq!(found(known.get(&1, || table.clone().at_once(Some(7)))).await, Some(7));
}

#[tokio::test]
async fn what_was_read_before_a_change_is_not_kept() {
    let (known, table) = known();
    let go = Arc::new(tokio::sync::Notify::new());
    let change = async {
        known.outdate(&1);
        go.notify_one();
    };
    let (answer, ()) = tokio::join!(found(known.get(&1, || table.clone().later(Some(5), go.clone()))), change);
    assert_eq!((answer, known.peek(&1)), (Some(5), None));
    let mark = known.mark();
    assert!(known.put(mark, [(1, Arc::new(8))]));
    known.doubt(&2);
    assert!(!known.put(mark, [(1, Arc::new(9))]));
    assert_eq!(known.peek(&1).as_deref(), Some(&8));
}

#[tokio::test]
async fn only_what_a_change_concerns_is_read_again_and_counts_meanwhile() {
    let (known, table) = known();
    for key in [1, 2] {
        found(known.get(&key, || table.clone().at_once(Some(key.into())))).await;
    }
    known.doubt_where(|value| *value == 1);
    assert_eq!((known.current(&1), known.current(&2).as_deref()), (None, Some(&2)));
    assert_eq!(found(known.get(&1, || table.clone().fails())).await, Some(1));
    known.distrust(|value| *value == 2);
    known.doubt_where(|value| *value == 2);
    assert_eq!(found(known.get(&2, || table.clone().fails())).await, None, "doubt does not restore trust");
}

#[tokio::test]
async fn changes_that_never_end_do_not_make_a_reading_endless() {
    let (known, table) = known();
    let read = |is_changed: bool| {
        let (known, table) = (known.clone(), table.clone());
        async move {
            let value = table.at_once(Some(5)).await?;
            if is_changed {
                known.doubt(&2);
            }
            Ok::<Vec<_>, ReadError>(value.map(|value| (1, Arc::new(value))).into_iter().collect())
        }
    };
    assert!(matches!(known.fill(|| read(true)).await, Ok(false)));
    assert!((1..100).contains(&table.reads()));
    assert_eq!(known.count(), 0, "it may have changed");
    assert!(matches!(known.fill(|| read(false)).await, Ok(true)));
    assert_eq!((known.current(&1).as_deref(), table.reads()), (Some(&5), 1));
}

#[tokio::test]
async fn what_is_at_hand_is_sure_unless_the_database_is_silent_and_never_distrusted() {
    let (known, table) = known();
    assert_eq!(found(known.get(&1, || table.clone().at_once(Some(5)))).await, Some(5));
    let at_hand = || known.at_hand(&1).map(|value| *value);
    assert_eq!((at_hand(), known.at_hand(&2)), (Some(5), None));
    known.doubt_all();
    assert_eq!(at_hand(), None, "it may have changed");
    let failed = known.fill(|| async { Err(DbError::Unavailable(String::new()).into()) }).await;
    assert!(failed.is_err());
    assert_eq!(at_hand(), Some(5), "the database does not answer");
    known.distrust(|_| true);
    assert_eq!(at_hand(), None);
}
