//! What a process does: serve, work, schedule, infer. Each runs until it is told to stop.

use std::net::TcpListener;
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use actix_web::middleware::{Compress, Condition, from_fn};
use actix_web::{App, HttpServer, web};
use tokio_util::sync::CancellationToken;

use super::draining::{self, Drain};
use super::throttling::Throttles;
use super::{answers, headers, jobs, routes};
use crate::features::api_keys::NotedUses;
use crate::features::events::{EventWriter, KnownSlots};
use crate::features::inference::Inference;
use crate::features::live_updates::Hub;
use crate::features::models::ModelCache;
use crate::features::{ab_tests, events, projects, recommendation_log, retraining};
use crate::platform::queue::{self, Worker, WorkerOptions};
use crate::platform::services::Services;

/// Seconds requests in flight may take to finish after a stop signal.
const GRACE_SECONDS: u64 = 20;

/// Why a role ended.
#[derive(Debug, thiserror::Error)]
pub enum RoleError {
    /// The address is taken or not ours to use.
    #[error("Cannot listen on {address}: {cause}. Choose another address with --bind.")]
    Bind { address: String, cause: std::io::Error },
    /// The server broke.
    #[error("The server stopped: {0}")]
    Server(std::io::Error),
}

/// Which parts of `serve` run in this process.
#[derive(Debug, Clone, Copy)]
pub struct Parts {
    pub worker: bool,
    pub scheduler: bool,
}

/// A server that listens already, so that its address is known.
pub struct Listening {
    server: actix_web::dev::Server,
    handle: ServerHandle,
    inference: Arc<Inference>,
    drain: Drain,
    /// The same sockets once more.
    sockets: Vec<TcpListener>,
    /// Where it listens.
    pub address: String,
}

impl Listening {
    /// Serves until `stop` is cancelled, then finishes what has got through and logs its lists.
    pub async fn run(self, stop: CancellationToken) -> Result<(), RoleError> {
        let (handle, drain, sockets) = (self.handle, self.drain, self.sockets);
        let watcher = tokio::spawn(async move {
            stop.cancelled().await;
            drain.run(sockets).await;
            handle.stop(true).await;
        });
        let result = self.server.await.map_err(RoleError::Server);
        watcher.abort();
        self.inference.observer.finish().await;
        result
    }
}

/// Starts listening with everything a browser or a program can ask for.
pub fn listen(services: &Services, stop: &CancellationToken) -> Result<Listening, RoleError> {
    let hub = web::Data::new(Hub::start(services, stop.clone()));
    let settings = &services.settings;
    let throttles = Throttles::new(&settings.throttle, services.clock.clone());
    let throttles = web::Data::new(throttles);
    let slots = web::Data::new(KnownSlots::start(services, stop.clone()));
    let writer = web::Data::new(EventWriter::start(services));
    let uses = web::Data::new(NotedUses::default());
    listen_with(services, stop, move |config| {
        config
            .app_data(hub.clone())
            .app_data(throttles.clone())
            .app_data(slots.clone())
            .app_data(writer.clone())
            .app_data(uses.clone())
            .configure(routes::all);
    })
}

/// Starts listening for predictions only.
pub fn listen_for_inference(services: &Services, stop: &CancellationToken) -> Result<Listening, RoleError> {
    listen_with(services, stop, |config| {
        config.configure(routes::inference_only);
    })
}

fn listen_with(
    services: &Services,
    stop: &CancellationToken,
    configure: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
) -> Result<Listening, RoleError> {
    let settings = services.settings.clone();
    let data = web::Data::new(services.clone());
    let models = web::Data::new(ModelCache::new(settings.model_cache_bytes));
    let inference = Inference::start(services, models.clone().into_inner(), stop);
    let inference_data = web::Data::from(Arc::clone(&inference));
    let origins = settings.cors_allowed_origins.clone();
    let drain = Drain::default();
    let counted = web::Data::new(drain.clone());
    let server = HttpServer::new(move || {
        App::new()
            .app_data(data.clone())
            .app_data(models.clone())
            .app_data(inference_data.clone())
            .app_data(counted.clone())
            .wrap(Compress::default())
            .wrap(Condition::new(!origins.is_empty(), cors(&origins)))
            .wrap(from_fn(answers::for_our_hosts))
            .wrap(from_fn(answers::in_json))
            .wrap(headers::defaults())
            .wrap(from_fn(headers::trace))
            .wrap(from_fn(draining::count))
            .configure(configure.clone())
    })
    .shutdown_timeout(GRACE_SECONDS)
    .disable_signals();
    let refused = |cause| RoleError::Bind { address: settings.bind.clone(), cause };
    let (mut server, mut sockets) = (server, Vec::new());
    for socket in draining::listeners(&settings.bind).map_err(refused)? {
        sockets.push(socket.try_clone().map_err(refused)?);
        server = server.listen(socket).map_err(refused)?;
    }
    let address = server.addrs().first().map_or_else(|| settings.bind.clone(), ToString::to_string);
    let server = server.run();
    Ok(Listening { handle: server.handle(), server, inference, drain, sockets, address })
}

fn cors(origins: &[String]) -> actix_cors::Cors {
    let cors = actix_cors::Cors::default()
        .allowed_methods(["DELETE", "GET", "OPTIONS", "PATCH", "POST", "PUT"])
        .allowed_headers([
            "accept",
            "authorization",
            "content-type",
            "user-agent",
            "x-api-key",
            "x-csrftoken",
            "x-requested-with",
        ])
        .expose_headers(["allow", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "retry-after", "x-request-id"])
        .supports_credentials()
        .max_age(86_400);
    origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin))
}

/// Runs the whole product: API, UI, inference, and the parts asked for.
pub async fn serve(services: &Services, listening: Listening, parts: Parts, stop: &CancellationToken) -> Result<(), RoleError> {
    let working = parts.worker.then(|| tokio::spawn(work(services.clone(), stop.clone())));
    let scheduling = parts.scheduler.then(|| tokio::spawn(schedule(services.clone(), stop.clone())));
    let result = listening.run(stop.clone()).await;
    // Whatever ended the server ends the rest.
    stop.cancel();
    for part in [working, scheduling].into_iter().flatten() {
        if let Err(error) = part.await {
            tracing::error!(%error, "a part of the program stopped unexpectedly");
        }
    }
    result
}

/// Runs background jobs until told to stop.
pub async fn work(services: Services, stop: CancellationToken) {
    let options = WorkerOptions {
        concurrency: services.settings.worker_concurrency.max(1),
        // A private database has no other workers: what is marked as running there is left over from a crash.
        alone: services.settings.database_url.is_none(),
        ..WorkerOptions::default()
    };
    Worker::new(services.db.clone(), services.clock.clone(), jobs::registry(), services, options).run(stop).await;
}

/// Does what falls due by itself until told to stop: tidies the queue and the file store, makes partitions ahead, removes old
/// events, fires schedules. Any number of processes may; one leads.
pub async fn schedule(services: Services, stop: CancellationToken) {
    let tidying = queue::maintain(services.db.clone(), services.clock.clone(), stop.clone());
    let sweeping = projects::sweep_until(services.clone(), stop.clone());
    let partitioning = events::keep_ahead(services.clone(), stop.clone());
    let expiring = ab_tests::keep_expiring(services.clone(), stop.clone());
    let logging = recommendation_log::keep_in_bounds(services.clone(), stop.clone());
    tokio::join!(tidying, sweeping, partitioning, expiring, logging, retraining::keep_firing(services, stop));
}
