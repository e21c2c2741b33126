//! A new migration or a newly built UI must be embedded again.
fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
