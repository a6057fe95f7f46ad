//! Links the program at a fixed address: relocating a binary of this size costs a short command a
//! third of a millisecond. What it gives up is the random address of the executable alone; libraries,
//! heap and stack keep theirs, and the program has no unsafe code of its own.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-link-arg-bins=-no-pie");
}
