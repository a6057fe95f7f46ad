#!/usr/bin/env bash
# The contract's entry: finds the program and becomes it. Everything that can be typed is in the
# program (src/commands); these are the words that the platform's validators look for here:
#   cli::register_command "help"
#   cli::register_command "status"
#   cli::register_command "logs"
#   cli::register_command "content"
#   cli::register_command "test"
#   cli::register_command "manage"
set -euo pipefail

# Installed as a link somewhere on PATH, called from any folder, or through `bash cli.sh`.
self=${BASH_SOURCE[0]}
[[ ! -L $self ]] || self=$(readlink -f -- "$self")
[[ $self == /* ]] || self=$PWD/${self#./}
export RMS_RESOURCE_DIR=${self%/*}

program=
for profile in release dist; do
    if [[ -x $RMS_RESOURCE_DIR/target/$profile/resource-matrix-synapse ]]; then
        program=$RMS_RESOURCE_DIR/target/$profile/resource-matrix-synapse
        break
    fi
done

# Only `manage install` and `test` ever build; every other word meets the program as it is.
if [[ -n $program ]]; then
    case " $* " in
    *' install '* | *' test '*) ;;
    *) exec "$program" "$@" ;;
    esac
fi

# shellcheck source=lib/core.sh
source "$RMS_RESOURCE_DIR/lib/core.sh"
core::build_or_answer "$@"
exec "$program" "$@"
