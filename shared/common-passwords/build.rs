//! Compiles `passwords.txt` to a finite state transducer, which is searched where it lies in the binary: it costs no start-up time.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=passwords.txt");
    let list = std::fs::read_to_string("passwords.txt")?;
    let set = fst::Set::from_iter(list.lines())?;
    let out = std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?;
    std::fs::write(Path::new(&out).join("passwords.fst"), set.as_fst().as_bytes())?;
    Ok(())
}
