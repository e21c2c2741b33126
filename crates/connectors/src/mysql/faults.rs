//! The server's errors as ours.

use mysql_async::{DriverError, Error, IoError, ServerError, TlsError};

use super::super::error::{ConnectorError, cut};
use super::super::tls::words_for;

/// The longest packet that is accepted: a row and what is around it.
pub const LONGEST_PACKET: usize = 64 << 20;

/// Returns the error of a statement.
pub fn in_words(error: &Error) -> ConnectorError {
    match error {
        Error::Server(reported) => of_server(reported),
        Error::Io(IoError::Tls(cause)) => of_tls(cause),
        Error::Io(IoError::Io(cause)) => of_io(cause),
        Error::Driver(DriverError::PacketTooLarge) => too_large(),
        Error::Driver(DriverError::ConnectionClosed) => ConnectorError::Interrupted("the server closed it".to_owned()),
        Error::Driver(DriverError::NoClientSslFlagFromServer) => {
            ConnectorError::TlsFailed("the server offers none. Turn it on there, or set tls to off.".to_owned())
        }
        Error::Driver(DriverError::LocalInfile(_)) => {
            ConnectorError::Protocol("it asks for a file of this machine, which it does not get".to_owned())
        }
        Error::Driver(DriverError::CleartextPluginDisabled) => {
            ConnectorError::LogInFailed("the server wants the password in clear text, which is not sent".to_owned())
        }
        // Its text may repeat values or what the server sent.
        Error::Driver(DriverError::UnexpectedPacket { .. } | DriverError::FromRow { .. } | DriverError::FromValue { .. }) => {
            ConnectorError::Protocol("it does not answer as MySQL does".to_owned())
        }
        other => ConnectorError::Protocol(cut(&other.to_string())),
    }
}

/// Returns the error of connecting and logging in.
pub fn of_log_in(error: &Error) -> ConnectorError {
    match (in_words(error), error) {
        (_, Error::Io(IoError::Io(cause))) if cause.kind() == std::io::ErrorKind::ConnectionRefused => {
            ConnectorError::Unreachable(cut(&cause.to_string()))
        }
        (ConnectorError::PermissionDenied(text) | ConnectorError::Server(text) | ConnectorError::BadSql(text), _) => {
            ConnectorError::LogInFailed(text)
        }
        (ConnectorError::TooLarge { .. }, _) => ConnectorError::Protocol("it does not answer as MySQL does".to_owned()),
        (other, _) => other,
    }
}

fn too_large() -> ConnectorError {
    ConnectorError::TooLarge { what: "a row of the source", limit: LONGEST_PACKET as u64 }
}

fn of_io(error: &std::io::Error) -> ConnectorError {
    let inner = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(cause)) => ConnectorError::WrongCertificate(words_for(cause)),
        Some(cause) => ConnectorError::TlsFailed(cause.to_string()),
        None if error.to_string().contains("too large") => too_large(),
        None => ConnectorError::Interrupted(cut(&error.to_string())),
    }
}

fn of_tls(error: &TlsError) -> ConnectorError {
    match error {
        TlsError::Tls(rustls::Error::InvalidCertificate(cause)) => ConnectorError::WrongCertificate(words_for(cause)),
        TlsError::InvalidDnsName(_) => {
            ConnectorError::WrongCertificate("the host is not a name that certificates can hold".to_owned())
        }
        other => ConnectorError::TlsFailed(cut(&other.to_string())),
    }
}

fn of_server(error: &ServerError) -> ConnectorError {
    let text = cut(&error.message);
    match error.code {
        1_044 | 1_045 | 1_049 | 1_130 | 1_698 | 1_862 | 4_151 => ConnectorError::LogInFailed(text),
        1_142 | 1_143 | 1_227 | 1_370 => ConnectorError::PermissionDenied(text),
        1_217 | 1_451 | 3_730 => ConnectorError::Depended(text),
        1_146 | 1_109 => ConnectorError::NoSuchTable(text),
        1_054 => ConnectorError::NoSuchColumn(text),
        1_792 | 1_290 | 1_836 => ConnectorError::Writes(text),
        1_040 | 1_203 | 1_226 => ConnectorError::Busy(text),
        1_969 | 3_024 => ConnectorError::StatementTimedOut,
        1_053 | 1_205 | 1_213 | 1_317 | 1_927 | 4_031 => ConnectorError::Interrupted(text),
        _ if error.state.starts_with("42") || error.state.starts_with("22") => ConnectorError::BadSql(text),
        _ => ConnectorError::Server(text),
    }
}
