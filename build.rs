//! A newly built UI must be embedded again; without a built UI there is an empty folder to embed.

fn main() -> std::io::Result<()> {
    println!("cargo:rerun-if-changed=web/dist");
    std::fs::create_dir_all("web/dist")
}
