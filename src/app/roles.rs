//! The roles of a process: serve, work, schedule, infer. Each runs until shutdown.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::middleware::{Compress, Condition, from_fn};
use actix_web::{App, HttpServer, web};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::draining::{self, Drain};
use super::subscriptions::SUBSCRIBERS;
use super::throttling::Throttles;
use super::worker_processes::{self, Launch};
use super::{addresses, answers, app_requests, full_disk, headers, jobs, routes};
use crate::features::accounts::{KnownNetworks, MailedInvitations, SessionLimits};
use crate::features::api_keys::{KnownKeys, NotedUses, Traffic};
use crate::features::datasets::UploadsUnderWay;
use crate::features::events::{EventWriter, KnownSlots};
use crate::features::inference::Inference;
use crate::features::live_updates::Hub;
use crate::features::models::ModelCache;
use crate::features::{ab_tests, data_sources, events, projects, recommendation_log, retraining, webhooks};
use crate::platform::http::bodies::{self, BodyLimits};
use crate::platform::http::connections::Connections;
use crate::platform::http::pace;
use crate::platform::http::unread::{self, UnreadAnswers};
use crate::platform::open_files;
use crate::platform::outbox::Courier;
use crate::platform::queue::{self, Group, Worker, WorkerOptions};
use crate::platform::services::Services;

/// Connections that a worker of the server accepts at once, where enough files may be open.
const MOST_CONNECTIONS: usize = 25_600;

/// Why a role ended.
#[derive(Debug, thiserror::Error)]
pub enum RoleError {
    /// The address is in use or may not be used.
    #[error("Cannot listen on {address}: {cause}. Choose another address with --bind.")]
    Bind { address: String, cause: std::io::Error },
    /// The server failed.
    #[error("The server stopped: {0}")]
    Server(std::io::Error),
}

/// The parts that `serve` runs besides the server.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Start of this program in processes for background jobs; `None` to run none.
    pub worker: Option<Launch>,
    pub scheduler: bool,
}

/// A server that is listening, so that its address is known.
pub struct Listening {
    server: actix_web::dev::Server,
    handle: ServerHandle,
    inference: Arc<Inference>,
    drain: Drain,
    /// Clones of the same sockets.
    sockets: Vec<TcpListener>,
    storing: Storing,
    /// What apps do, as far as it is not stored yet.
    pub traffic: Traffic,
    /// Address that it listens on.
    pub address: String,
}

impl Listening {
    /// Serves until `stop` is cancelled, then finishes the requests in flight and writes its log of lists.
    pub async fn run(self, stop: CancellationToken) -> Result<(), RoleError> {
        let (handle, drain, sockets, storing) = (self.handle, self.drain, self.sockets, self.storing);
        let watcher = tokio::spawn(async move {
            stop.cancelled().await;
            drain.run(sockets).await;
            handle.stop(true).await;
        });
        let result = self.server.await.map_err(RoleError::Server);
        watcher.abort();
        self.inference.finish().await;
        storing.finish().await;
        result
    }
}

/// The task that stores what apps do. It ends after the last request.
struct Storing {
    stop: DropGuard,
    task: JoinHandle<()>,
}

impl Storing {
    fn start(services: &Services, traffic: &Traffic) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(webhooks::keep_storing(services.clone(), traffic.clone(), stop.clone()));
        Self { stop: stop.drop_guard(), task }
    }

    /// Stores the rest.
    async fn finish(self) {
        drop(self.stop);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "what apps did could not be stored");
        }
    }
}

/// Starts listening with all routes for browsers and programs.
pub fn listen(services: &Services, stop: &CancellationToken) -> Result<Listening, RoleError> {
    let hub = web::Data::new(Hub::start(services, stop.clone()));
    let settings = &services.settings;
    let throttles = Throttles::new(&settings.throttle, services.clock.clone());
    let reports = web::Data::new(throttles.of_reports());
    let throttles = web::Data::new(throttles);
    let sessions = web::Data::new(SessionLimits::new(settings.throttle.session));
    let mailed = web::Data::new(MailedInvitations::default());
    let networks = web::Data::new(KnownNetworks::default());
    let slots = web::Data::new(KnownSlots::start(services, stop.clone()));
    let writer = web::Data::new(EventWriter::start(services));
    let uses = web::Data::new(NotedUses::default());
    let reserve = web::Data::new(full_disk::watched_reserve(services));
    let uploads = web::Data::new(UploadsUnderWay::new(settings));
    listen_with(services, stop, move |config| {
        config
            .app_data(hub.clone())
            .app_data(throttles.clone())
            .app_data(reports.clone())
            .app_data(sessions.clone())
            .app_data(mailed.clone())
            .app_data(networks.clone())
            .app_data(slots.clone())
            .app_data(writer.clone())
            .app_data(uses.clone())
            .app_data(uploads.clone())
            .app_data(reserve.clone())
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
    let models = web::Data::new(ModelCache::new(settings.model_cache_bytes, stop.clone()));
    let keys = KnownKeys::start(services, stop.clone());
    let traffic = keys.traffic().clone();
    let inference = Inference::start(services, models.clone().into_inner(), keys.clone(), stop);
    let keys = web::Data::new(keys);
    let inference_data = web::Data::from(Arc::clone(&inference));
    let origins = settings.cors_allowed_origins.clone();
    let is_secure = settings.jwt_auth_secure;
    let drain = Drain::default();
    let counted = web::Data::new(drain.clone());
    let limits = web::Data::new(BodyLimits::new(&settings, drain.begun()));
    let unread = web::Data::new(UnreadAnswers::new(&settings));
    let connections = Connections::new(&settings);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(data.clone())
            .app_data(models.clone())
            .app_data(inference_data.clone())
            .app_data(keys.clone())
            .app_data(counted.clone())
            .app_data(limits.clone())
            .app_data(unread.clone())
            .wrap(from_fn(bodies::watch))
            .wrap(from_fn(unread::hold))
            .wrap(Compress::default())
            .wrap(Condition::new(!origins.is_empty(), cors(&origins)))
            .wrap(from_fn(app_requests::watch))
            .wrap(from_fn(answers::if_admitted))
            .wrap(from_fn(answers::in_json))
            .wrap(headers::defaults(is_secure))
            .wrap(from_fn(pace::watch))
            .wrap(from_fn(headers::trace))
            .wrap(from_fn(addresses::spell))
            .wrap(from_fn(draining::count))
            .configure(configure.clone())
    })
    .on_connect(move |connection, data| connections.note(connection, data))
    .max_connections(most_connections())
    .keep_alive(Duration::from_secs(settings.keep_alive_seconds.max(1)))
    // A client that closes the connection has left: its request ends, and with it the work for its answer.
    .h1_allow_half_closed(false)
    .shutdown_timeout(settings.stop_grace_seconds)
    .disable_signals();
    let refused = |cause| RoleError::Bind { address: settings.bind.clone(), cause };
    let (mut server, mut sockets) = (server, Vec::new());
    for socket in draining::listeners(&settings.bind).map_err(refused)? {
        sockets.push(socket.try_clone().map_err(refused)?);
        server = server.listen(socket).map_err(refused)?;
    }
    let address = server.addrs().first().map_or_else(|| settings.bind.clone(), ToString::to_string);
    let server = server.run();
    let storing = Storing::start(services, &traffic);
    Ok(Listening { handle: server.handle(), server, inference, drain, sockets, storing, traffic, address })
}

/// Returns how many connections each worker of the server accepts at once. Half of the files that may be open are reserved for
/// files and the database, so that clients cannot use them up.
fn most_connections() -> usize {
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let open = usize::try_from(open_files::raise_limit()).unwrap_or(usize::MAX);
    (open / 2 / workers).clamp(1, MOST_CONNECTIONS)
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

/// Runs the whole product: API, UI, inference, and the requested parts.
pub async fn serve(services: &Services, listening: Listening, parts: Parts, stop: &CancellationToken) -> Result<(), RoleError> {
    let working = parts.worker.map(|launch| tokio::spawn(work_as_set(services.clone(), launch, stop.clone())));
    let scheduling = parts.scheduler.then(|| tokio::spawn(schedule(services.clone(), stop.clone())));
    let result = listening.run(stop.clone()).await;
    // The end of the server, for any reason, ends the rest.
    stop.cancel();
    for part in [working, scheduling].into_iter().flatten() {
        if let Err(error) = part.await {
            tracing::error!(%error, "a part of the program stopped unexpectedly");
        }
    }
    result
}

/// Runs background jobs until shutdown, in processes of their own unless the settings say otherwise.
pub async fn work_as_set(services: Services, launch: Launch, stop: CancellationToken) {
    match services.settings.worker_processes {
        true => worker_processes::supervise(services, launch, stop).await,
        false => work(services, stop).await,
    }
}

/// Runs background jobs in this process until shutdown.
pub async fn work(services: Services, stop: CancellationToken) {
    let name = WorkerOptions::fresh_name();
    let group = Group::new(name.clone(), services.settings.worker_concurrency);
    let options = WorkerOptions {
        concurrency: group.most_at_once(),
        name,
        group: Some(group),
        // A private database has no other workers: jobs marked as running there are left over from a crash.
        alone: services.settings.database_url.is_none(),
        ..worker_options(&services)
    };
    run_worker(services, options, stop).await;
}

/// Does the work of a worker process: one job at a time, under names of its own and of its group that its supervisor knows.
pub async fn work_one_at_a_time(services: Services, name: String, group: String, stop: CancellationToken) {
    let group = Some(Group::new(group, services.settings.worker_concurrency));
    let options = WorkerOptions { concurrency: 1, name, group, ..worker_options(&services) };
    run_worker(services, options, stop).await;
}

fn worker_options(services: &Services) -> WorkerOptions {
    let most = services.settings.max_running_jobs_per_organisation;
    WorkerOptions { most_per_organisation: (most > 0).then_some(i64::from(most)), ..WorkerOptions::default() }
}

async fn run_worker(services: Services, options: WorkerOptions, stop: CancellationToken) {
    Worker::new(services.db.clone(), services.clock.clone(), jobs::registry(), services, options).run(stop).await;
}

/// Does the scheduled work until shutdown: cleans up the queue and the file store, creates partitions ahead, removes old events,
/// fires schedules, tells others what happened. Any number of processes may do so: of most duties one leads, and deliveries are
/// shared by all.
pub async fn schedule(services: Services, stop: CancellationToken) {
    let tidying = queue::maintain(services.db.clone(), services.clock.clone(), stop.clone());
    let sweeping = projects::sweep_until(services.clone(), stop.clone());
    let partitioning = events::keep_ahead(services.clone(), stop.clone());
    let expiring = ab_tests::keep_expiring(services.clone(), stop.clone());
    let logging = recommendation_log::keep_in_bounds(services.clone(), stop.clone());
    let watching = ab_tests::keep_watching(services.clone(), stop.clone());
    let telling = tell(services.clone(), stop.clone());
    let pulling = data_sources::keep_firing(services.clone(), stop.clone());
    let firing = retraining::keep_firing(services, stop);
    tokio::join!(tidying, sweeping, partitioning, expiring, logging, watching, telling, pulling, firing);
}

/// Hands what happened to its subscribers, and delivers messages to endpoints.
async fn tell(services: Services, stop: CancellationToken) {
    let courier = courier(&services).run(stop.clone());
    let delivering = webhooks::deliver_until(services.clone(), stop.clone());
    tokio::join!(courier, delivering, webhooks::keep_tidy(services, stop));
}

/// Returns the courier that hands what happened to its subscribers.
pub fn courier(services: &Services) -> Courier<Services> {
    let (db, clock) = (services.db.clone(), services.clock.clone());
    Courier { db, clock, context: services.clone(), subscribers: SUBSCRIBERS }
}
