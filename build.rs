//! Rebuilds when a migration is added: `sqlx::migrate!` embeds the folder, the compiler does not watch it.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
