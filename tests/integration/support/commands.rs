//! The commands of the program, run to their end as an operator runs them.

use std::path::Path;
use std::process::Command;

use secrecy::ExposeSecret;

use super::TestApp;
use super::app::SECRET;

/// The output of a command, and how it ended.
pub struct Said {
    pub code: Option<i32>,
    pub output: String,
    pub errors: String,
}

impl Said {
    /// Runs a command to its end.
    pub fn by(command: &mut Command) -> Self {
        let output = command.output().expect("the program starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        Self { code: output.status.code(), output: text(output.stdout), errors: text(output.stderr) }
    }

    /// Fails the test unless the command succeeded.
    #[track_caller]
    pub fn done(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.output, self.errors);
        self.output
    }

    /// Fails the test unless the command was refused; returns its output.
    #[track_caller]
    pub fn refused(self) -> String {
        assert_eq!(self.code, Some(1), "{}{}", self.output, self.errors);
        self.errors
    }
}

/// An install whose commands are run.
pub struct Install<'a> {
    pub data_dir: &'a Path,
    /// The URL of its database; `None` for a private one.
    pub database: Option<String>,
    pub variables: Vec<(&'static str, &'static str)>,
}

impl<'a> Install<'a> {
    /// Returns the install of a server in this process.
    pub fn of(app: &'a TestApp) -> Self {
        let settings = &app.services.settings;
        let database = settings.database_url.as_ref().map(|url| url.expose_secret().to_owned());
        Self { data_dir: &settings.data_dir, database, variables: Vec::new() }
    }

    /// Adds variables to the environment of its commands.
    pub fn with(self, variables: &[(&'static str, &'static str)]) -> Self {
        Self { variables: variables.to_vec(), ..self }
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_recotem"));
        command.args(arguments).arg("--data-dir").arg(self.data_dir);
        for variable in ["DATABASE_URL", "DEFAULT_ADMIN_PASSWORD"] {
            command.env_remove(variable);
        }
        command.env("SECRET_KEY", SECRET).envs(self.variables.iter().copied());
        command.envs(self.database.iter().map(|url| ("DATABASE_URL", url)));
        Said::by(&mut command)
    }
}
