//! Sends mail through the configured SMTP server.

use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use secrecy::ExposeSecret;
use tokio::sync::Semaphore;

use super::config::Settings;

/// Mails that may wait to be sent. While the mail server does not answer, further ones are dropped.
const MOST_WAITING: usize = 1_000;
/// Mails that are sent at once.
const AT_ONCE: usize = 4;

static QUEUE: Semaphore = Semaphore::const_new(MOST_WAITING);
static SENDING: Semaphore = Semaphore::const_new(AT_ONCE);

/// A plain-text mail to one recipient.
#[derive(Debug, Clone)]
pub struct Letter {
    pub to: String,
    pub subject: String,
    pub text: String,
}

/// Why a mail was not sent.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    #[error("Mail is not configured: set smtp_url and public_url.")]
    NotConfigured,
    #[error("\"{0}\" is not an address that mail can be sent to or from.")]
    Address(String),
    #[error("The mail server rejected the message: {0}")]
    Refused(String),
}

/// Sends a mail to the mail server and waits for its answer.
pub async fn send(settings: &Settings, letter: Letter) -> Result<(), MailError> {
    let url = settings.smtp_url.as_ref().filter(|_| settings.sends_mail()).ok_or(MailError::NotConfigured)?.expose_secret();
    let mailbox = |text: &str| text.parse::<Mailbox>().map_err(|_| MailError::Address(text.to_owned()));
    let message = Message::builder()
        .from(mailbox(&settings.mail_from)?)
        .to(mailbox(&letter.to)?)
        .subject(letter.subject)
        .header(ContentType::TEXT_PLAIN)
        .body(letter.text)
        .map_err(|error| MailError::Refused(error.to_string()))?;
    let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url).map_err(|error| MailError::Refused(error.to_string()))?;
    transport.build().send(message).await.map(drop).map_err(|error| MailError::Refused(error.to_string()))
}

/// Sends a mail in the background, after those that wait already; a failure is logged.
pub fn post(settings: std::sync::Arc<Settings>, letter: Letter) {
    let Ok(place) = QUEUE.try_acquire() else {
        tracing::warn!("a mail was not sent: {MOST_WAITING} others wait for the mail server");
        return;
    };
    tokio::spawn(async move {
        let _place = place;
        let _turn = SENDING.acquire().await;
        if let Err(error) = send(&settings, letter).await {
            tracing::warn!(%error, "a mail was not sent");
        }
    });
}

/// Returns whether mail can be sent to an address.
pub fn is_address(text: &str) -> bool {
    text.parse::<lettre::Address>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::is_address;

    #[test]
    fn addresses_are_told_from_other_text() {
        assert!(is_address("margarete@example.com"));
        for wrong in ["", "margarete", "a b@example.com", "a@b@c", "x@example.com\r\nBcc: y@example.com", "Me <x@example.com>"] {
            assert!(!is_address(wrong), "{wrong}");
        }
    }
}
