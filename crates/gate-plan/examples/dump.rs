fn main() {
    let p = std::env::args().nth(1).unwrap();
    let t = std::fs::read_to_string(&p).unwrap();
    match gate_plan::check(&t, &p) {
        Ok(plan) => {
            println!("{:#}", plan.describe());
            println!("{}", plan.warnings);
            for p in &plan.plugins {
                println!("{}", String::from_utf8_lossy(&p.config));
            }
        }
        Err(f) => println!("{f}"),
    }
}
