# Unpacks a script and its files from standard input into a private folder, runs the script, and takes
# everything away again, however it ends. Needs a POSIX shell and coreutils. `token`, `large` and the function
# `devbox_unpack` are put before this text by devbox; after the last file, standard input stays open for as
# long as somebody at the other end is interested, and its end stops the script.

devbox_place() {
    uid=$(id -u)
    if [ "$large" = yes ]; then
        set -- "${TMPDIR:-/tmp}"
    elif [ "$uid" = 0 ]; then
        set -- /run /dev/shm "${TMPDIR:-/tmp}"
    else
        set -- "/run/user/$uid" /dev/shm "${TMPDIR:-/tmp}"
    fi
    for base do
        stage=$(mktemp -d "$base/devbox.XXXXXXXXXX" 2>/dev/null) && return 0
    done
    stage=
    echo "devbox: no folder for temporary files: ${TMPDIR:-/tmp} cannot be written" >&2
    return 1
}

# devbox_take SIZE FILE: the next SIZE bytes of standard input. A short read means that the sender is gone:
# then nothing may run.
devbox_take() {
    mkdir -p "${2%/*}" && head -c "$1" <&3 >"$2" && [ "$(wc -c <"$2")" -eq "$1" ]
}

devbox_end_child() {
    kill -s TERM -- "-$child" 2>/dev/null || kill -s TERM "$child" 2>/dev/null
    { sleep 5; kill -s KILL -- "-$child"; } >/dev/null 2>&1 &
    timer=$!
    wait "$child"
    kill "$timer" 2>/dev/null
    kill -s KILL -- "-$child" 2>/dev/null
}

devbox_finish() {
    code=$1
    trap - EXIT
    trap '' HUP INT TERM PIPE
    [ -z "$watcher" ] || kill "$watcher" 2>/dev/null
    [ -z "$child" ] || devbox_end_child
    [ -z "$stage" ] || rm -rf "$stage"
    printf '%s end %s\n' "$token" "$code" 2>/dev/null
    printf '%s end %s\n' "$token" "$code" >&2
    exit "$code"
}

devbox_stage() {
    umask 077
    exec 3<&0 </dev/null
    stage= child= watcher=
    trap 'devbox_finish $?' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 141' PIPE
    trap 'exit 143' TERM
    printf '%s begin\n' "$token"
    printf '%s begin\n' "$token" >&2
    devbox_place && mkdir "$stage/files" && devbox_unpack || exit 125
    cd "${HOME:-/}" 2>/dev/null || cd /
    PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
    DEVBOX_STAGE=$stage/files
    export PATH DEVBOX_STAGE
    # A group of its own, so that ending the script ends what it started.
    if command -v setsid >/dev/null 2>&1; then set -- setsid; else set -- timeout 0; fi
    umask 022
    "$@" /bin/sh "$stage/script" 3<&- &
    child=$!
    { cat <&3; kill -s TERM $$; } >/dev/null 2>&1 &
    watcher=$!
    exec 3<&-
    wait "$child"
    code=$?
    child=
    exit "$code"
}

devbox_stage
