#!/usr/bin/env bash
# What cli.sh does besides becoming the program: it builds it for `manage install` and `test`, with the one
# beside it that keeps the keys of encrypted rooms, and answers in its place where it has not been built.
# Sourced by cli.sh under `set -euo pipefail`; reads `program` and RMS_RESOURCE_DIR, and sets `program`.

# Sets `word`, `verb` (the first two words that are no options), `json`, `help`, `offline`, `dry_run`, `clear`
# (without encryption) and `meant`, the flags that say which homeserver it is about and how that is set.
core::read_arguments() {
    word='' verb='' json='' help='' offline='' clear='' meant=() dry_run=${DRY_RUN:-}
    [[ $dry_run == true ]] || dry_run=''
    while (($# > 0)); do
        case $1 in
        --json | --format=json | --format=yaml) json=yes ;;
        --format)
            case ${2:-} in json | yaml) json=yes ;; esac
            (($# < 2)) || shift
            ;;
        --data-dir | --instance | --set)
            if (($# > 1)); then
                meant+=("$1" "$2")
                shift
            fi
            ;;
        --data-dir=* | --instance=* | --set=*) meant+=("$1") ;;
        --without-encryption) clear=yes ;;
        --dry-run) dry_run=yes ;;
        -h | --help) help=yes ;;
        --offline | --offline=*) offline=yes ;;
        -*) ;;
        *)
            if [[ -z $word ]]; then
                word=$1
            elif [[ -z $verb ]]; then
                verb=$1
            fi
            ;;
        esac
        shift
    done
}

# Builds where that is asked for and needed; where there is no program afterwards, answers and exits.
core::build_or_answer() {
    core::read_arguments "$@"
    if [[ -z $help && -z $dry_run ]]; then
        case $word:$verb in
        manage:install | install:*)
            [[ -n $program || -n $offline ]] || core::fetch_beside
            core::build
            if [[ -n ${fetching:-} ]]; then
                wait "$fetching" || true
                trap - EXIT
            fi
            ;;
        test:?*) core::build ;;
        esac
    fi
    if [[ -z $program ]]; then
        core::answer
    fi
}

# Has the packages of Synapse put into the cache of what will install them, while the program is built for the
# first time: `fetching` is the process. Where that fails, the install says why.
core::fetch_beside() {
    local list=$RMS_RESOURCE_DIR/src/python/synapse.lock
    local only=(--quiet --no-deps --require-hashes --only-binary :all:)
    set -m
    (
        set +m
        exec </dev/null >/dev/null 2>&1
        folder=$(mktemp -d)
        trap 'rm -rf -- "$folder"' EXIT
        trap 'exit 130' INT TERM
        if command -v uv; then
            uv pip install "${only[@]}" --target "$folder" --requirement "$list"
        else
            python3 -m pip download "${only[@]}" --dest "$folder" --requirement "$list"
        fi
    ) &
    fetching=$!
    set +m
    trap 'kill -- "-$fetching" 2>/dev/null || true' EXIT
}

# The programs as their sources are now, both at once. With no cargo on the machine those that are there have to do.
core::build() {
    if [[ -n $program ]]; then
        core::find_stale
        if ((${#stale[@]} == 0)) || ! command -v cargo >/dev/null; then
            return 0
        fi
    fi
    core::check_tools
    local target=$RMS_RESOURCE_DIR/target
    local log=$target/build.log crypto_log=$target/build-crypto.log
    mkdir -p -- "$target" || core::fail environment "\`$target\` cannot be made" "make the folder writable"
    # cargo waits for its own lock; ours also keeps two builds from writing one log.
    exec 9>>"$log"
    if command -v flock >/dev/null; then
        flock 9
    fi
    if [[ -z $program || " ${stale[*]} " == *' program '* ]]; then
        program=$target/release/resource-matrix-synapse
    fi
    core::find_stale
    if ((${#stale[@]} > 0)); then
        : >"$log"
        : >"$crypto_log"
        core::run_builds 9>&-
    fi
    exec 9>&-
}

# Sets `stale` to what is to be built, and `beside` to where the second program is to lie.
core::find_stale() {
    stale=()
    beside=${program%/*}/resource-matrix-crypto
    core::is_fresh "$program" src templates python config Cargo.toml Cargo.lock build.rs || stale+=(program)
    if ! core::is_fresh "$beside" crypto/src crypto/base crypto/Cargo.toml crypto/Cargo.lock \
        src/crypto/wire.rs && core::encrypts; then
        stale+=(crypto)
    fi
}

# core::is_fresh PROGRAM SOURCE...: whether it is there and no source is newer.
core::is_fresh() {
    local built=$1 sources=() name
    shift
    [[ -x $built ]] || return 1
    for name in "$@"; do
        [[ ! -e $RMS_RESOURCE_DIR/$name ]] || sources+=("$RMS_RESOURCE_DIR/$name")
    done
    ((${#sources[@]} == 0)) || [[ -z $(find "${sources[@]}" -type f -newer "$built" -print -quit) ]]
}

# Whether the program that keeps keys is wanted: `--without-encryption` leaves it out, now and, as the setting
# that it is, later.
core::encrypts() {
    [[ -d $RMS_RESOURCE_DIR/crypto && -z ${clear:-} ]] || return 1
    [[ ! -x $program ]] ||
        [[ $("$program" "${meant[@]}" config show --quiet encryption.enabled 2>/dev/null </dev/null || true) != false ]]
}

# Builds what is `stale`; on a terminal one line says how far it is. What fails ends everything.
core::run_builds() {
    local i builds=() failed=''
    # Each in a group of its own, so that an interrupt ends all that it began.
    set -m
    for i in "${!stale[@]}"; do
        (
            set +m
            "core::build_${stale[i]}"
        ) </dev/null &
        builds+=("$!")
    done
    set +m
    trap 'core::end_builds "${builds[@]}"; exit 130' INT TERM HUP
    if [[ -z $json && -t 2 ]]; then
        core::show_progress "${builds[@]}"
    fi
    for i in "${!stale[@]}"; do
        wait "${builds[i]}" || failed=${failed:-${stale[i]}}
    done
    trap - INT TERM HUP
    case $failed in
    program)
        core::fail environment "the program could not be built: $(core::last_error "$log")" \
            "\`less $log\` shows all of cargo's output"
        ;;
    crypto)
        core::fail environment \
            "the program that keeps the keys of encrypted rooms could not be built: $(core::last_error "$crypto_log")" \
            "\`less $crypto_log\` shows all of cargo's output; \`manage install --without-encryption\` leaves it out"
        ;;
    esac
}

core::end_builds() {
    local pid
    for pid in "$@"; do
        kill -- "-$pid" 2>/dev/null || true
    done
    [[ ! -t 2 ]] || printf '\n' >&2
}

# As long as one of these processes runs.
core::show_progress() {
    local name locks=() parts
    for name in "${stale[@]}"; do
        locks+=("$RMS_RESOURCE_DIR/${name/#program/.}/Cargo.lock")
    done
    parts=$(cat -- "${locks[@]}" | grep -c '^\[\[package\]\]' || true)
    while kill -0 "$@" 2>/dev/null; do
        printf '\r\033[Kbuilding: %s of at most %s parts, %s s (%s)' \
            "$(cat -- "$log" "$crypto_log" | grep -c '^ *Compiling ' || true)" "$parts" "$SECONDS" "$log" >&2
        sleep 1
    done
    printf '\r\033[K' >&2
}

# The machine cargo builds for, where the program can be linked statically: a short command then loads
# no library, which is a seventh of its time. Only glibc says by its name what it is.
core::static_host() {
    local host
    host=$(rustc -vV 2>/dev/null | sed -n 's/^host: //p') || return 0
    if [[ $host == *-linux-gnu && $(cc -print-file-name=libc.a 2>/dev/null) == /* ]]; then
        printf '%s' "$host"
    fi
}

# The newer way of naming functions tells apart what was made of one function for several types.
core_static_flags='-C target-feature=+crt-static -C relocation-model=static -C symbol-mangling-version=v0'

core::build_program() {
    local target=$RMS_RESOURCE_DIR/target host built
    local words=(--release --locked --bin resource-matrix-synapse --manifest-path "$RMS_RESOURCE_DIR/Cargo.toml"
        --target-dir "$target")
    host=$(core::static_host)
    if [[ -z $host ]]; then
        core::cargo "$log" build "${words[@]}" || return
        # cargo leaves a program alone that would come out the same.
        touch -c -- "$program"
        return
    fi
    local RUSTFLAGS="${RUSTFLAGS:-} $core_static_flags"
    export RUSTFLAGS
    words+=(--target "$host")
    built=$target/$host/release/resource-matrix-synapse
    core::cargo "$log" build "${words[@]}" || return
    if ! core::link_in_order "$log" "$built" "$target/order" "${words[@]}"; then
        printf 'linked as it comes: a short command takes a little longer\n' >>"$log"
        core::cargo "$log" build "${words[@]}" || return
    fi
    core::put "$built" "$program"
}

# It has a folder of its own for what cargo makes, so that neither waits for the other.
core::build_crypto() {
    local target=$RMS_RESOURCE_DIR/target/crypto host
    local words=(--release --locked --manifest-path "$RMS_RESOURCE_DIR/crypto/Cargo.toml" --target-dir "$target")
    host=$(core::static_host)
    if [[ -n $host ]]; then
        local RUSTFLAGS="${RUSTFLAGS:-} $core_static_flags"
        export RUSTFLAGS
        words+=(--target "$host")
    fi
    # The other one ends with a minute on one processor: this one is to be left for that, and not to come before it.
    local niceness=10
    core::cargo "$crypto_log" build "${words[@]}" || return
    core::put "$target${host:+/$host}/release/resource-matrix-crypto" "$beside"
}

# core::cargo LOG WORDS...
core::cargo() {
    CARGO_TERM_COLOR=never ${niceness:+nice -n "$niceness"} cargo "${@:2}" >>"$1" 2>&1
}

# core::put BUILT PLACE: whole or not at all; the old one may be running.
core::put() {
    mkdir -p -- "${2%/*}" && cp -- "$1" "$2.new" && mv -f -- "$2.new" "$2"
}

# Links the built program again, with what a short command runs side by side and without symbols. A linker
# other than lld, rustc's own on this machine, cannot.
core::link_in_order() {
    local log=$1 built=$2 order=$3
    shift 3
    {
        python3 "$RMS_RESOURCE_DIR/lib/order.py" find "$built" <"$RMS_RESOURCE_DIR/lib/order.txt" >"$order" &&
            CARGO_TERM_COLOR=never cargo rustc "$@" -- -C link-arg=-Wl,--symbol-ordering-file="$order" \
                -C link-arg=-Wl,--no-warn-symbol-ordering -C strip=symbols
    } </dev/null >>"$log" 2>&1
}

core::last_error() {
    grep -m 1 '^error' "$1" || tail -n 1 "$1"
}

# Refuses before anything is changed, and names all that is missing at once.
core::check_tools() {
    local missing=() commands=() packages=()
    if ! command -v cargo >/dev/null; then
        missing+=(cargo)
        commands+=("curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh")
    fi
    if ! command -v cc >/dev/null; then
        missing+=('a C linker (cc)')
        packages+=(gcc)
    fi
    if ! core::has_python; then
        missing+=('Python 3.10 or newer')
        packages+=(python3)
    fi
    ((${#missing[@]} > 0)) || return 0
    if ((${#packages[@]} > 0)); then
        commands+=("$(core::package_command "${packages[@]}")")
    fi
    local list hints
    list=$(printf ', %s' "${missing[@]}")
    hints=$(printf ' && %s' "${commands[@]}")
    core::fail environment "this machine lacks ${list:2}" "\`${hints:4}\`"
}

core::has_python() {
    local python
    for python in python3 python3.{10..15}; do
        if command -v "$python" >/dev/null &&
            "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            return 0
        fi
    done
    return 1
}

# The command that installs packages here; Debian's python3 comes without venv.
core::package_command() {
    local packages=("$@") root=''
    ((EUID == 0)) || root='sudo '
    if command -v apt-get >/dev/null; then
        packages=("${packages[@]/#gcc/gcc libc6-dev}")
        packages=("${packages[@]/#python3/python3 python3-venv}")
        printf '%sapt-get install -y %s' "$root" "${packages[*]}"
    elif command -v dnf >/dev/null; then
        printf '%sdnf install -y %s' "$root" "${packages[*]}"
    elif command -v pacman >/dev/null; then
        printf '%spacman -S --needed %s' "$root" "${packages[*]/python3/python}"
    elif command -v apk >/dev/null; then
        packages=("${packages[@]/#gcc/gcc musl-dev}")
        printf '%sapk add %s' "$root" "${packages[*]}"
    else
        printf 'install %s with the package manager of this system' "${packages[*]}"
    fi
}

# Answers for a program that is not there, and exits.
core::answer() {
    # A shell that asks for completions wants no words.
    [[ -z ${RESOURCE_MATRIX_SYNAPSE_COMPLETE:-} ]] || exit 0
    if [[ -n $help || -z $word || $word == help ]]; then
        if [[ -n $json ]]; then
            printf '{"help":"%s\\n"}\n' "$(core::escaped "$(<"$RMS_RESOURCE_DIR/lib/help.txt")")"
        else
            cat -- "$RMS_RESOURCE_DIR/lib/help.txt"
        fi
        exit 0
    fi
    if [[ $word == status ]]; then
        core::status
        exit 2
    fi
    if [[ -n $dry_run && $word:$verb =~ ^(manage:install|install:.*)$ ]]; then
        if [[ -n $json ]]; then
            printf '{"dry_run":true,"steps":["build the program with cargo","install it"]}\n'
        else
            printf 'would build the program with cargo, then install it\n'
        fi
        exit 0
    fi
    core::fail request 'matrix-synapse is not installed' '`manage install` builds and installs it'
}

core::status() {
    # What it would be: the settings are not read without the program.
    local message='Matrix Synapse is not installed' enabled=null port=${MATRIX_SYNAPSE_PORT:-${MATRIX_HTTP_PORT:-8008}}
    [[ $port =~ ^[1-9][0-9]*$ ]] || port=8008
    local file=${VROOLI_ROOT:-}/.vrooli/service.json
    local pattern='"matrix-synapse"[[:space:]]*:[[:space:]]*\{[^}]*"enabled"[[:space:]]*:[[:space:]]*(true|false)'
    if [[ -n ${VROOLI_ROOT:-} && -r $file && $(<"$file") =~ $pattern ]]; then
        enabled=${BASH_REMATCH[1]}
    fi
    if [[ -n $json ]]; then
        printf '{"name":"matrix-synapse","category":"communication","enabled":%s,"installed":false,' "$enabled"
        printf '"running":false,"healthy":false,"health_message":"%s",' "$message"
        printf '"status":"not_installed","port":%s,"health_url":"http://127.0.0.1:%s/health"}\n' "$port" "$port"
        return
    fi
    printf '📊 Matrix Synapse Status\n   ❌ Installed: No\n   ⚠️  Running: No\n   ⚠️  Health: %s\n' "$message"
    printf '💡 Installation required: %s manage install --start\n' "resource-matrix-synapse"
    printf '   📶 Port: %s\n' "$port"
}

# core::fail KIND MESSAGE HINT: as the program says it, on stdout where a program reads.
core::fail() {
    if [[ -n $json ]]; then
        printf '{"error":{"because":[],"hint":"%s","kind":"%s","message":"%s"}}\n' \
            "$(core::escaped "$3")" "$1" "$(core::escaped "$2")"
    else
        printf 'error: %s\n\nhint: %s\n' "$2" "$3" >&2
    fi
    exit 1
}

core::escaped() {
    local text=${1//\\/\\\\}
    text=${text//\"/\\\"}
    text=${text//$'\n'/\\n}
    printf '%s' "${text//[[:cntrl:]]/ }"
}
