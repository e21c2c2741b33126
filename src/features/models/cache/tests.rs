//! Tests of the cache with models of one kind and loads that the test controls.

use super::super::artifacts::tests::sample as artifact;
use super::super::opening::tests::trained;
use super::*;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

fn cache(budget: u64) -> Arc<ModelCache> {
    Arc::new(ModelCache::new(budget, CancellationToken::new()))
}

fn of(id: i64, signature: &str) -> Wanted<'_> {
    Wanted { tenant: Tenant::Founder(1), id, signature, items: Items::Any }
}

fn opened(bytes: u64) -> Opened {
    Opened { model: ReadyModel::Matrix(artifact()), bytes, new_items: NewItems::Added }
}

impl ModelCache {
    /// Returns a model that has no new items.
    async fn get_or_load<L>(self: &Arc<Self>, wanted: Wanted<'_>, load: impl FnOnce() -> L) -> Found
    where
        L: Future<Output = Loaded> + Send + 'static,
    {
        self.get_with(wanted, load, || async { Err(ModelError::Missing) }).await
    }
}

#[tokio::test]
async fn a_model_is_loaded_once_however_many_ask_and_all_hear_when_it_is_bad() {
    let cache = cache(100);
    let loads = Arc::new(AtomicU32::new(0));
    let load = |outcome: fn() -> Loaded| {
        let loads = Arc::clone(&loads);
        async move {
            loads.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
            outcome()
        }
    };
    let bad = || load(|| Err(ModelError::Missing));
    let answers = futures_util::future::join_all((0..20).map(|_| cache.get_or_load(of(7, "s"), bad))).await;
    assert!(answers.iter().all(Result::is_err));
    assert_eq!(loads.swap(0, Ordering::SeqCst), 1);
    let good = || load(|| Ok(opened(10)));
    let answers = futures_util::future::join_all((0..20).map(|_| cache.get_or_load(of(7, "s"), good))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(loads.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_model_is_kept_whose_caller_left_while_it_was_loaded() {
    let cache = cache(100);
    let (release, hold) = tokio::sync::oneshot::channel::<()>();
    let load = || async move {
        hold.await.ok();
        Ok(opened(10))
    };
    let mut asking = Box::pin(cache.get_or_load(of(7, "s"), load));
    tokio::select! {
        biased;
        _ = &mut asking => panic!("it is not loaded yet"),
        () = tokio::task::yield_now() => {}
    }
    drop(asking);
    drop(release);
    while cache.ids().is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(cache.get_or_load(of(7, "s"), || async { Err(ModelError::Missing) }).await.is_ok());
}

#[tokio::test]
async fn a_model_that_found_no_place_for_loading_is_tried_again() {
    let cache = cache(100);
    assert!(matches!(cache.get_or_load(of(7, "a"), || async { Err(Busy.into()) }).await, Err(ModelError::Busy(_))));
    let first = cache.get_or_load(of(7, "a"), || async { Ok(opened(10)) }).await.unwrap();
    let busy = || async { Err(Busy.into()) };
    for _ in 0..3 {
        assert!(Arc::ptr_eq(&first, &cache.get_or_load(of(7, "b"), busy).await.unwrap()));
        tokio::task::yield_now().await;
    }
    let good = || async { Ok(opened(10)) };
    while Arc::ptr_eq(&first, &cache.get_or_load(of(7, "b"), good).await.unwrap()) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_least_recently_used_model_makes_room() {
    let cache = cache(25);
    for id in [1, 2] {
        cache.get_or_load(of(id, "s"), || async { Ok(opened(10)) }).await.unwrap();
    }
    assert!(!cache.is_full());
    cache.get_or_load(of(1, "s"), || async { Err(ModelError::Missing) }).await.unwrap();
    cache.get_or_load(of(3, "s"), || async { Ok(opened(10)) }).await.unwrap();
    assert_eq!(cache.ids(), [1, 3]);
    cache.get_or_load(of(4, "s"), || async { Ok(opened(1_000)) }).await.unwrap();
    assert_eq!(cache.ids(), [4]);
    assert!(cache.is_full());
}

#[tokio::test]
async fn a_tenant_pushes_out_its_own_models_before_those_of_others() {
    let cache = cache(30);
    let put = async |founder: i64, id: i64, bytes: u64| {
        let wanted = Wanted { tenant: Tenant::Founder(founder), id, signature: "s", items: Items::Any };
        cache.get_or_load(wanted, || async move { Ok(opened(bytes)) }).await.unwrap();
    };
    put(2, 20, 10).await;
    for id in [10, 11, 12] {
        put(1, id, 10).await;
    }
    assert_eq!(cache.ids(), [20, 11, 12]);
    put(1, 13, 1_000).await;
    assert_eq!(cache.ids(), [20, 13], "a model that is larger than all may be");
    put(2, 21, 10).await;
    assert_eq!(cache.ids(), [20, 21], "it is the first to go");
}

#[tokio::test]
async fn a_tenant_with_many_small_models_pushes_out_none_of_another() {
    let cache = cache(30);
    let put = async |tenant: Tenant, id: i64| {
        let wanted = Wanted { tenant, id, signature: "s", items: Items::Any };
        cache.get_or_load(wanted, || async { Ok(opened(5)) }).await.unwrap();
    };
    put(Tenant::Organisation(1), 20).await;
    // Models of as many projects of one founder.
    for id in 0..10 {
        put(Tenant::Founder(1), id).await;
    }
    assert_eq!(cache.ids(), [20, 5, 6, 7, 8, 9]);
}

#[tokio::test]
async fn what_was_good_answers_while_its_successor_is_read_and_when_that_is_bad() {
    let cache = cache(100);
    assert!(cache.get_or_load(of(1, "a"), || async { Err(ModelError::Missing) }).await.is_err());
    let good = cache.get_or_load(of(1, "a"), || async { Ok(opened(10)) }).await.unwrap();
    let (heard, mut hears) = tokio::sync::mpsc::channel(9);
    let bad = || {
        let heard = heard.clone();
        async move {
            heard.send(()).await.unwrap();
            Err(ModelError::Untrusted(String::new()))
        }
    };
    for _ in 0..3 {
        let still = cache.get_or_load(of(1, "b"), bad).await.unwrap();
        assert!(Arc::ptr_eq(&good, &still));
        tokio::task::yield_now().await;
    }
    hears.recv().await.unwrap();
    assert!(hears.try_recv().is_err(), "a bad successor is read once");
    let (done, is_done) = tokio::sync::oneshot::channel();
    let successor = async move {
        let _ = done.send(());
        Ok(opened(10))
    };
    assert!(Arc::ptr_eq(&good, &cache.get_or_load(of(1, "c"), || successor).await.unwrap()));
    is_done.await.unwrap();
    tokio::task::yield_now().await;
    assert!(!Arc::ptr_eq(&good, &cache.get_or_load(of(1, "c"), || async { Err(ModelError::Missing) }).await.unwrap()));
    cache.forget(1);
    assert!(cache.get_or_load(of(1, "c"), || async { Err(ModelError::Missing) }).await.is_err());
}

/// Returns a model that takes new items.
fn taking(new_items: NewItems) -> Opened {
    Opened { model: trained("ContentKNNRecommender"), bytes: 10, new_items }
}

#[tokio::test]
async fn new_items_that_take_long_are_added_while_the_model_serves_and_not_tried_again_when_they_cannot_be() {
    let cache = cache(100);
    let key: Arc<str> = Arc::from("items");
    let wanted = Wanted { items: Items::Of(Some(&key)), ..of(7, "s") };
    let (release, hold) = tokio::sync::oneshot::channel::<NewItems>();
    let extensions = Arc::new(AtomicU32::new(0));
    type Later = Pin<Box<dyn Future<Output = NewItems> + Send>>;
    let extended = |new_items: Later| {
        extensions.fetch_add(1, Ordering::SeqCst);
        async move { Ok(taking(new_items.await)) }
    };
    let pending = || async { Ok(taking(NewItems::Pending)) };
    let held = async { hold.await.unwrap() };
    let first = cache.get_with(wanted, pending, || extended(Box::pin(held))).await.unwrap();
    let again = async || {
        let none = || async { Err(ModelError::Missing) };
        cache.get_with(wanted, none, || extended(Box::pin(async { NewItems::Added }))).await.unwrap()
    };
    assert!(Arc::ptr_eq(&first, &again().await), "it serves meanwhile");
    release.send(NewItems::LeftOut).unwrap();
    while Arc::ptr_eq(&first, &again().await) {
        tokio::task::yield_now().await;
    }
    for _ in 0..3 {
        again().await;
        tokio::task::yield_now().await;
    }
    assert_eq!(extensions.load(Ordering::SeqCst), 1, "nothing is tried again for the same metadata");
}

#[tokio::test]
async fn a_renewed_model_answers_the_next_request_and_is_not_used_more_than_before() {
    let cache = cache(100);
    let missing = || async { Err(ModelError::Missing) };
    let good = || async { Ok(opened(10)) };
    assert!(cache.renew_with(of(1, "b"), good, missing).is_none());
    assert!(cache.ids().is_empty(), "the next request for it reads it");
    let first = cache.get_or_load(of(1, "a"), good).await.unwrap();
    cache.get_or_load(of(2, "a"), good).await.unwrap();
    let bad = || async { Err(ModelError::Untrusted(String::new())) };
    cache.renew_with(of(1, "b"), bad, missing).unwrap().await.unwrap();
    assert!(Arc::ptr_eq(&first, &cache.get_or_load(of(1, "a"), missing).await.unwrap()));
    cache.get_or_load(of(2, "a"), missing).await.unwrap();
    cache.renew_with(of(1, "c"), good, missing).unwrap().await.unwrap();
    assert_eq!(cache.ids(), [1, 2]);
    let renewed = cache.get_or_load(of(1, "c"), missing).await.unwrap();
    assert!(!Arc::ptr_eq(&first, &renewed));
    assert!(cache.renew_with(of(1, "c"), missing, missing).is_none());
}
