//! A mail server that keeps what it is sent.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// Starts a mail server that passes on the messages it receives.
pub async fn mail_server() -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(take_mail(stream, sender.clone()));
        }
    });
    (url, receiver)
}

async fn take_mail(stream: TcpStream, sender: mpsc::UnboundedSender<String>) {
    let (reading, mut writing) = stream.into_split();
    let mut lines = BufReader::new(reading).lines();
    let (mut letter, mut in_letter) = (String::new(), false);
    writing.write_all(b"220 test\r\n").await.unwrap();
    while let Ok(Some(line)) = lines.next_line().await {
        let answer = match line.as_str() {
            "." if in_letter => {
                in_letter = false;
                sender.send(std::mem::take(&mut letter)).unwrap();
                "250 kept"
            }
            text if in_letter => {
                letter += &format!("{text}\n");
                continue;
            }
            "DATA" => {
                in_letter = true;
                "354 go on"
            }
            "QUIT" => "221 bye",
            _ => "250 fine",
        };
        if writing.write_all(format!("{answer}\r\n").as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Returns the next message.
pub async fn letter(receiver: &mut mpsc::UnboundedReceiver<String>) -> String {
    let letter = tokio::time::timeout(Duration::from_secs(30), receiver.recv()).await.expect("in time").expect("a letter");
    // Long lines are folded with a soft break.
    letter.replace("=\n", "").replace("=3D", "=")
}
