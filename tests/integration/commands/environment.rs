//! Variables of the environment.

use crate::support::commands::Install;
use crate::support::processes::folder;

#[test]
fn the_environment_is_warned_about_passed_over_or_refused() {
    let folder = folder();
    let run =
        |variables| Install { data_dir: folder.path(), database: None, variables: Vec::new() }.with(variables).run(&["wait-db"]);
    let injected =
        run(&[("RECOTEM_SERVICE_HOST", "10.0.0.1"), ("RECOTEM_PORT", "tcp://10.0.0.1:8000"), ("RECOTEM_STORAGE_TYPE", "")]);
    assert_eq!(injected.errors, "");
    injected.done();
    let mistyped = run(&[("RECOTEM_WORKER_CONCURENCY", "4")]);
    assert_eq!(mistyped.errors.matches("Did you mean RECOTEM_WORKER_CONCURRENCY?").count(), 1, "{}", mistyped.errors);
    mistyped.done();
    let wrong = run(&[("RECOTEM_WORKER_CONCURRENCY", "many")]).refused();
    let told = "recotem: The variable RECOTEM_WORKER_CONCURRENCY is \"many\", and takes a whole number of 0 or more.\n";
    assert_eq!(wrong, told);
    let bucket = run(&[("RECOTEM_STORAGE_TYPE", "S3")]).refused();
    assert_eq!(bucket.matches("object storage is not available yet").count(), 1, "{bucket}");
}
