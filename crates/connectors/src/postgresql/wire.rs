//! The connection below the protocol: address, encryption, and the size of messages.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

use super::super::error::ConnectorError;
use super::super::tls::encrypt;
use super::{PORT, Postgresql};

/// The longest message that is accepted: a row and what is around it. PostgreSQL itself allows 1 GiB.
pub const LONGEST_MESSAGE: u64 = 64 << 20;

/// Time limit for the handshake of TLS.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long a connection may be silent before the system asks whether the other side still exists, and how often.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));

/// Asks for encryption: length and code of the request.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// A connection to a server, encrypted or not.
pub type Wire = Checked<Either<TcpStream, TlsStream<TcpStream>>>;

impl Postgresql {
    /// Connects to an allowed address.
    pub(super) async fn dial(&self) -> Result<TcpStream, ConnectorError> {
        let stream = self.outbound.dial(&self.settings.host, self.settings.port.unwrap_or(PORT)).await?;
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE.0).with_interval(KEEPALIVE.1);
        let set = stream.set_nodelay(true).and_then(|()| SockRef::from(&stream).set_tcp_keepalive(&keepalive));
        set.map_err(|error| ConnectorError::Unreachable(error.to_string()))?;
        Ok(stream)
    }

    /// Encrypts a connection, if the settings ask for it.
    pub(super) async fn encrypted(&self, mut stream: TcpStream) -> Result<Wire, ConnectorError> {
        let Some(config) = &self.encryption else { return Ok(Checked::new(Either::Left(stream))) };
        let handshake = async {
            let interrupted = |error: io::Error| ConnectorError::Interrupted(error.to_string());
            stream.write_all(&SSL_REQUEST).await.map_err(interrupted)?;
            match stream.read_u8().await.map_err(interrupted)? {
                b'S' => encrypt(stream, &self.settings.host, config.clone()).await,
                b'N' => Err(ConnectorError::TlsFailed("the server offers none. Turn it on there, or set tls to off.".to_owned())),
                _ => Err(ConnectorError::Protocol("it does not answer as PostgreSQL does".to_owned())),
            }
        };
        let stream = tokio::time::timeout(HANDSHAKE, handshake).await;
        let stream = stream.unwrap_or(Err(ConnectorError::TimedOut(HANDSHAKE.as_secs())))?;
        Ok(Checked::new(Either::Right(stream)))
    }
}

/// Follows the messages that are read and fails at one that is too long, before memory is reserved for it.
pub struct Checked<S> {
    stream: S,
    head: Head,
    too_long: TooLong,
}

/// Whether a message was too long. The library does not say why a connection ended.
pub type TooLong = Arc<AtomicBool>;

/// What is known of the message that is being read.
#[derive(Default)]
struct Head {
    /// Its kind and length, of which `read` bytes have arrived.
    bytes: [u8; 5],
    read: usize,
    /// Bytes of its body that have not arrived.
    left: u64,
}

/// A message is too long, or no message.
#[derive(Debug, thiserror::Error)]
#[error("a message of {0} bytes")]
pub struct BadMessage(pub u64);

impl Head {
    fn follow(&mut self, mut bytes: &[u8]) -> Result<(), BadMessage> {
        while !bytes.is_empty() {
            if self.left > 0 {
                let skipped = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
                bytes = &bytes[skipped..];
                self.left -= skipped as u64;
                continue;
            }
            let taken = bytes.len().min(self.bytes.len() - self.read);
            self.bytes[self.read..self.read + taken].copy_from_slice(&bytes[..taken]);
            (self.read, bytes) = (self.read + taken, &bytes[taken..]);
            if self.read == self.bytes.len() {
                let [_, length @ ..] = self.bytes;
                let length = u64::from(u32::from_be_bytes(length));
                if !(4..=LONGEST_MESSAGE).contains(&length) {
                    return Err(BadMessage(length));
                }
                (self.left, self.read) = (length - 4, 0);
            }
        }
        Ok(())
    }
}

impl<S> Checked<S> {
    fn new(stream: S) -> Self {
        Self { stream, head: Head::default(), too_long: TooLong::default() }
    }

    /// Returns what tells later whether a message was too long.
    pub fn too_long(&self) -> TooLong {
        self.too_long.clone()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Checked<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let this = &mut *self;
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        if let Poll::Ready(Ok(())) = read {
            this.head.follow(&buffer.filled()[before..]).map_err(|fault| {
                this.too_long.store(fault.0 > LONGEST_MESSAGE, Ordering::Relaxed);
                io::Error::other(fault)
            })?;
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Checked<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: u32) -> Vec<u8> {
        [&b"d"[..], &length.to_be_bytes()].concat()
    }

    #[test]
    fn messages_are_followed_however_they_are_cut() {
        let mut bytes = message(4);
        bytes.extend(message(7).into_iter().chain(*b"abc"));
        bytes.extend(message(u32::try_from(LONGEST_MESSAGE).unwrap() + 1));
        for piece in [1, 2, 3, 7, bytes.len()] {
            let mut head = Head::default();
            let faults = bytes.chunks(piece).filter(|piece| head.follow(piece).is_err()).count();
            assert_eq!(faults, 1, "pieces of {piece}");
        }
    }

    #[test]
    fn the_longest_message_is_accepted_and_nonsense_is_not() {
        let follow = |length: u32| Head::default().follow(&message(length)).is_ok();
        let longest = u32::try_from(LONGEST_MESSAGE).unwrap();
        assert!(follow(longest) && !follow(longest + 1));
        assert!(follow(4) && !follow(3) && !follow(u32::MAX));
    }
}
