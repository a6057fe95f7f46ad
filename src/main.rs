fn main() -> std::process::ExitCode {
    resource_matrix_synapse::main()
}
