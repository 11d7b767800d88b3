//! Compiles `rules/*.toml` and the tables of Unicode into static tables, so that the scanner parses nothing when it starts.

#![expect(clippy::print_stdout, reason = "a build script talks to Cargo on its standard output")]

mod lookalikes;
mod pattern;
mod schema;
mod tables;

use std::{env, error::Error, fs, path::Path};

fn main() {
    println!("cargo::rerun-if-changed=rules");
    println!("cargo::rerun-if-changed=build");
    if let Err(error) = compile() {
        for line in error.to_string().lines() {
            println!("cargo::error={line}");
        }
    }
}

fn compile() -> Result<(), Box<dyn Error>> {
    let rules = schema::read(Path::new("rules"))?;
    let code = tables::code(&rules)? + &lookalikes::code();
    fs::write(Path::new(&env::var("OUT_DIR")?).join("tables.rs"), code)?;
    Ok(())
}
