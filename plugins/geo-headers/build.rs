//! Puts the database that `GEO_MMDB` names into the module, when it names one.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-env-changed=GEO_MMDB");
    let text = match std::env::var("GEO_MMDB") {
        Ok(file) => {
            println!("cargo:rerun-if-changed={file}");
            let file =
                std::fs::canonicalize(&file).map_err(|error| format!("GEO_MMDB: cannot read `{file}`: {error}"))?;
            format!("Some(include_bytes!({file:?}))")
        }
        Err(_) => String::from("None"),
    };
    let target = std::env::var("OUT_DIR")?;
    std::fs::write(Path::new(&target).join("embedded.rs"), text)?;
    Ok(())
}
