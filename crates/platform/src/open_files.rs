//! The number of files and connections that the process may have open at once.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Number of open files that a server of this kind needs.
const ENOUGH: u64 = 1 << 16;

/// Raises the limit as far as the system allows and the server needs. Returns the new limit.
pub fn raise_limit() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let (current, most) = (current.unwrap_or(u64::MAX), maximum.unwrap_or(u64::MAX).min(ENOUGH));
    if current >= most {
        return current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum }) {
        Ok(()) => most,
        Err(error) => {
            tracing::warn!(%error, current, "the limit for open files could not be raised");
            current
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_once() {
        let raised = raise_limit();
        assert!(raised > 0);
        assert_eq!(raise_limit(), raised);
    }
}
