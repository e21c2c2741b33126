//! A receiver that answers every message at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::bail;

const PATIENCE: Duration = Duration::from_secs(300);

/// A receiver in a thread of its own.
pub struct Receiver {
    pub url: String,
    count: Arc<AtomicU64>,
}

impl Receiver {
    pub fn start() -> anyhow::Result<Self> {
        let (count, (tell, told)) = (Arc::new(AtomicU64::new(0)), std::sync::mpsc::channel());
        let counted = Arc::clone(&count);
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let receive = move |_: web::Bytes| {
                    counted.fetch_add(1, Ordering::SeqCst);
                    async { HttpResponse::NoContent().finish() }
                };
                let server = HttpServer::new(move || App::new().route("/hook", web::post().to(receive.clone())));
                let server = server.workers(1).bind("127.0.0.1:0").expect("a free port");
                tell.send(server.addrs()[0]).expect("it is awaited");
                server.run().await
            })
        });
        Ok(Self { url: format!("http://{}/hook", told.recv()?), count })
    }

    /// Returns how many messages have arrived.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    /// Waits until so many messages have arrived.
    pub fn wait_for(&self, count: u64) -> anyhow::Result<()> {
        let start = Instant::now();
        while self.count() < count {
            if start.elapsed() > PATIENCE {
                bail!("only {} of {count} messages have arrived", self.count());
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(())
    }
}
