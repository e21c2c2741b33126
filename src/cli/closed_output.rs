//! Output that is read only in part, as by `recotem inspect FILE | head -1`.

use std::panic;

/// Lets every command end quietly once the reader of its output has left: no error, and no report of a panic.
pub fn end_quietly() {
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if info.payload_as_str().is_some_and(is_closed_output) {
            std::process::exit(0);
        }
        report(info);
    }));
}

/// Returns whether a panic is that of `print!` because the reader of the output has left. The standard library has only words for it.
fn is_closed_output(message: &str) -> bool {
    message.strip_prefix("failed printing to stdout: ").is_some_and(|reason| reason.starts_with("Broken pipe"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_closed_output_is_quiet() {
        assert!(is_closed_output("failed printing to stdout: Broken pipe (os error 32)"));
        for other in ["failed printing to stdout: No space left on device (os error 28)", "Broken pipe", "assertion failed"] {
            assert!(!is_closed_output(other), "{other}");
        }
    }
}
