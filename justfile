# List the recipes
default:
    @just --list --unsorted

# Format, lint, document, test
[group('check')]
check: fmt lint doc test

# Check the format
[group('check')]
fmt:
    cargo fmt --check
    cargo fmt --check --manifest-path crypto/Cargo.toml

# Lint everything
[group('check')]
lint:
    cargo clippy --all-targets -- -D warnings
    cd crypto && cargo clippy --release --all-targets --target-dir ../target/crypto -- -D warnings

# Build the documentation
[group('check')]
doc:
    RUSTDOCFLAGS='-D warnings' cargo doc --no-deps --document-private-items

# Tests that need no server
[group('check')]
test *filter:
    cargo test --lib --test cli {{ filter }}
    cd crypto && cargo test --release --target-dir ../target/crypto {{ filter }}

# Tests against a real Synapse and PostgreSQL
[group('check')]
real *filter:
    cargo test --test real {{ filter }}

# Look through changed snapshots
[group('write')]
snapshots:
    cargo insta test --review --test cli

# Write what is generated: the schema, the shell files, the help, the tables of docs/reference-*.md
[group('write')]
generate:
    UPDATE=1 cargo test --lib generated::
    UPDATE=1 cargo test --test cli help:: -- --test-threads=1

# Check licences and sources of dependencies
[group('check')]
deny:
    cargo deny check bans licenses sources
    cargo deny --manifest-path crypto/Cargo.toml check --config '{{ justfile_directory() }}/deny.toml' bans licenses sources

# Build what is published: static programs that need no library of the machine
[group('write')]
dist:
    .ci/dist
