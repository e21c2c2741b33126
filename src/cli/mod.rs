//! The command line: one file per subcommand.

mod all_lists;
mod assign_owners;
mod closed_output;
mod create_api_key;
mod create_superuser;
mod create_test_users;
mod deliver;
mod demo;
mod evaluate;
mod feature_files;
mod infer;
mod inspect;
mod item_options;
mod job_worker;
mod log_options;
mod migrate;
mod offline;
mod openapi;
mod pull;
mod recommend;
mod resign_models;
mod scheduler;
mod serve;
mod server_of_tables;
mod server_options;
mod similar;
mod synthesize;
mod train;
mod tune;
mod user_options;
mod wait_db;
mod webhook;
mod weight_options;
mod worker;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// From a file of user–item interactions to tuned, compared, deployed recommendations.
///
/// `recotem serve` alone is the whole product: without a database URL it runs a private PostgreSQL in its data
/// directory. `recotem demo` shows everything on sample data.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run API, UI, inference, a worker and the scheduler in one process
    Serve(serve::Args),
    /// Run background jobs only
    Worker(worker::Args),
    /// Run one background job after another for the process that started it
    #[command(hide = true)]
    JobWorker(job_worker::Args),
    /// Run the scheduler only; any number may run, one leads
    Scheduler(scheduler::Args),
    /// Answer predictions only
    Infer(infer::Args),
    /// Show the whole flow on sample data or on your own file
    Demo(demo::Args),
    /// Bring the database schema up to date
    Migrate(migrate::Args),
    /// Wait until the database answers
    #[command(alias = "wait_db")]
    WaitDb(wait_db::Args),
    /// Create a user who may do everything
    #[command(alias = "create_superuser")]
    CreateSuperuser(create_superuser::Args),
    /// Create an API key for a project
    #[command(alias = "create_api_key")]
    CreateApiKey(create_api_key::Args),
    /// Check every model's file, and sign those again that an earlier secret signed
    #[command(alias = "resign_models")]
    ResignModels(resign_models::Args),
    /// Assign unowned projects to a user
    #[command(alias = "assign_owners")]
    AssignOwners(assign_owners::Args),
    /// Create users for tests, or reset their passwords; not in production mode
    #[command(alias = "create_test_users")]
    CreateTestUsers(create_test_users::Args),
    /// Print the OpenAPI document of the API
    Openapi(openapi::Args),
    /// Check webhook messages, as a receiver does
    Webhook(webhook::Args),
    /// Fit on one file and evaluate on another; no server needed
    Evaluate(evaluate::Args),
    /// Search over algorithms and parameters; no server needed
    Tune(tune::Args),
    /// Fit on a file and write the model; no server needed
    Train(train::Args),
    /// List the best items for a user, or for all users, from a model file
    Recommend(recommend::Args),
    /// List the items most similar to one, or to each item, from a model file
    Similar(similar::Args),
    /// Show how a file is read: its columns, the decisions about them, and its first rows
    Inspect(inspect::Args),
    /// Read a table or query of a database into a file; no server needed
    Pull(pull::Args),
    /// Replace a table of a database by the lists of a file; no server needed
    Deliver(deliver::Args),
    /// Generate synthetic interactions for benchmarks
    Synthesize(synthesize::Args),
}

/// Runs the program.
pub fn run() -> ExitCode {
    closed_output::end_quietly();
    let result = match Cli::parse().command {
        Command::Serve(args) => serve::run(args),
        Command::Worker(args) => worker::run(args),
        Command::JobWorker(args) => job_worker::run(args),
        Command::Scheduler(args) => scheduler::run(args),
        Command::Infer(args) => infer::run(args),
        Command::Demo(args) => demo::run(args),
        Command::Migrate(args) => migrate::run(args),
        Command::WaitDb(args) => wait_db::run(args),
        Command::CreateSuperuser(args) => create_superuser::run(args),
        Command::CreateApiKey(args) => create_api_key::run(args),
        Command::ResignModels(args) => resign_models::run(args),
        Command::AssignOwners(args) => assign_owners::run(args),
        Command::CreateTestUsers(args) => create_test_users::run(args),
        Command::Openapi(args) => openapi::run(args),
        Command::Webhook(args) => webhook::run(args),
        Command::Evaluate(args) => evaluate::run(args),
        Command::Tune(args) => tune::run(args),
        Command::Train(args) => train::run(args),
        Command::Recommend(args) => recommend::run(args),
        Command::Similar(args) => similar::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Pull(args) => pull::run(args),
        Command::Deliver(args) => deliver::run(args),
        Command::Synthesize(args) => synthesize::run(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("recotem: {error:#}");
            ExitCode::FAILURE
        }
    }
}
