//! Stands in for the package of this name: a store of keys uses one type of it, and all of it took a fifth of the time
//! that the program takes to build.

pub use matrix_sdk_common::cross_process_lock;
