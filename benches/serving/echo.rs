//! A bare actix-web server that answers JSON with JSON: the cost of the framework alone.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use actix_web::{App, HttpResponse, HttpServer, web};
use serde_json::Value;

/// The echo in a process of its own, as the server under test is.
pub struct Echo {
    child: Child,
    pub address: String,
}

impl Echo {
    pub fn start() -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?).arg("--echo").stdout(Stdio::piped()).spawn()?;
        let mut address = String::new();
        let output = child.stdout.take().ok_or_else(|| anyhow::anyhow!("the echo has no output"))?;
        BufReader::new(output).read_line(&mut address)?;
        Ok(Self { child, address: address.trim().to_owned() })
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves until killed; the first line of the output is the address.
pub fn run() -> anyhow::Result<()> {
    let echo = async |body: web::Json<Value>| HttpResponse::Ok().json(body.into_inner());
    actix_web::rt::System::new().block_on(async move {
        let server = HttpServer::new(move || App::new().route("/{path:.*}", web::post().to(echo))).bind("127.0.0.1:0")?;
        println!("{}", server.addrs()[0]);
        server.run().await?;
        Ok(())
    })
}
