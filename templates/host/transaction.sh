#!/bin/sh
# Changes files of this host together or not at all, with dockerd's restart in between.
#
#   apply      take the changes that stand in $DEVBOX_STAGE, arm the way back, apply, restart, wait
#   commit ID  the client has proved that all is well: disarm
#   settle ID  end what an earlier run left: committed if it was proved, taken back if not
#   expire     the same, called by the timer that `apply` armed
#
# The way back is a systemd timer with files of its own, so that it needs neither our connection nor our
# process, and comes again after a reboot. $pending exists from before the first change until the last word:
#   undo       one line per file or folder, what to put back
#   old/N      the file that stood there
#   settings   what restarting dockerd takes here, and which units did not run
#   restarted  dockerd was restarted (or was about to be)
#   proved     the client saw it work
# devbox puts `id`, `owner`, `client`, `restart`, `deadline` and the like before this text, the verb after it.
# Says KEY=VALUE lines: step=…, failed=…, result=…; everything else is evidence for people.

state=${DEVBOX_STATE:-/var/lib/devbox}
lock=${DEVBOX_LOCK:-/run/devbox.lock}
units=${DEVBOX_UNITS:-/etc/systemd/system}
pending=$state/pending
guard=devbox-rollback
walls=devbox-firewall.service
umask 022

say() { printf '%s=%s\n' "$1" "$2"; }
fail() {
    say failed "$1"
    exit "${2:-1}"
}

take_lock() {
    exec 9>>"$lock" || fail "cannot write $lock"
    flock -w "$1" 9 || fail "another devbox is at work on this host" 75
}

flush() { sync -f "$state" "$units"; }

sum() {
    if [ -e "$1" ]; then sha256sum <"$1" | cut -d' ' -f1; else echo absent; fi
}

# put SOURCE PATH MODE OWNER: never a half file, whatever happens.
put() {
    cp "$1" "$2.devbox-new" && chown "$4" "$2.devbox-new" && chmod "$3" "$2.devbox-new" &&
        sync "$2.devbox-new" && mv -f "$2.devbox-new" "$2"
}

# folder MODE OWNER PATH: with missing ancestors. Inside a user's own tree it is made as that user, so that a
# symbolic link of theirs leads nowhere that they could not write anyway.
folder() {
    [ ! -d "$3" ] || return 0
    near=$(dirname "$3")
    while [ ! -e "$near" ]; do near=$(dirname "$near"); done
    owner=${2%%:*}
    if [ "$(id -u)" != 0 ] || [ "$owner" = 0 ]; then
        mkdir -p "$3" && chmod "$1" "$3"
    elif [ "$(stat -Lc %u "$near")" = "$owner" ]; then
        setpriv --reuid "$owner" --regid "${2##*:}" --clear-groups mkdir -p "$3"
    else
        mkdir -p "$(dirname "$3")" && mkdir "$3" && chown -h "$2" "$3"
    fi
}

# ---- checks, before anything is touched

check_unchanged() {
    while read -r verb _ _ _ old path; do
        case $verb in
        put | drop) [ "$(sum "$path")" = "$old" ] || fail "$path changed since the plan was made" 77 ;;
        esac
    done <"$DEVBOX_STAGE/changes"
}

check_units() {
    [ -d "$DEVBOX_STAGE/verify" ] || return 0
    command -v systemd-analyze >/dev/null 2>&1 || return 0
    # Its exit code is 0 for most faults: what it says about our files is what counts.
    said=$(systemd-analyze verify --man=no "$DEVBOX_STAGE/verify/docker.service" 2>&1 |
        grep -F "$DEVBOX_STAGE/verify/")
    [ -z "$said" ] || fail "systemd would not accept the new unit: $said"
    say step "unit files checked by systemd"
}

check_daemon() {
    [ -n "${arguments:-}" ] || return 0
    dockerd --help 2>/dev/null | grep -q -- --validate || return 0
    eval "set -- $arguments"
    said=$("$@" --validate 2>&1) || fail "dockerd would not accept its new settings: $said"
    say step "settings checked by dockerd"
}

# ---- the way back

now_resting() {
    for unit in docker.service docker.socket; do
        case $(systemctl is-active "$unit") in inactive | failed) printf '%s ' "$unit" ;; esac
    done
}

remember() {
    rm -rf "$state/next"
    mkdir -p "$state/next/old" && chmod 0700 "$state" "$state/next" || return 1
    while read -r verb number _ _ _ path; do
        case $verb in
        folder) [ -d "$path" ] || say folder "$path" ;;
        put | drop)
            say "file $number" "$path"
            [ ! -e "$path" ] || cp -p "$path" "$state/next/old/$number" || return 1
            ;;
        esac
    done <"$DEVBOX_STAGE/changes" >"$state/next/undo" || return 1
    cp "$DEVBOX_STAGE/transaction.sh" "$state/next/transaction.sh" &&
        echo "$id" >"$state/next/id" &&
        echo "$owner" >"$state/next/owner" &&
        echo "$client" >"$state/next/client" &&
        date +%s >"$state/next/started" &&
        { say stop_socket "$stop_socket"; say resting "$(now_resting)"; } >"$state/next/settings" &&
        flush || return 1
    mv "$state/next" "$pending"
}

arm() {
    cat >"$units/$guard.service" <<UNIT
[Unit]
Description=Put Docker's settings back unless devbox has proved the new ones

[Service]
Type=oneshot
ExecStart=/bin/sh $pending/transaction.sh expire
UNIT
    cat >"$units/$guard.timer" <<UNIT
[Unit]
Description=When to put Docker's settings back

[Timer]
OnActiveSec=$deadline
OnUnitInactiveSec=30
AccuracySec=1s

[Install]
WantedBy=timers.target
UNIT
    flush
    systemctl daemon-reload && systemctl enable -q --now "$guard.timer" &&
        systemctl is-active -q "$guard.timer"
}

disarm() {
    systemctl disable -q --now "$guard.timer" 2>/dev/null
    rm -f "$units/$guard.timer" "$units/$guard.service"
    systemctl daemon-reload
}

# end RESULT WHY: the last word about what is pending. The order matters: a guard without anything pending
# does nothing, something pending without a guard would stay.
end() {
    { say result "$1"; say why "$2"; say at "$(date +%s)"
        for word in id owner client; do say "$word" "$(cat "$pending/$word" 2>/dev/null)"; done; } >"$state/last.new"
    mv -f "$state/last.new" "$state/last"
    rm -rf "$state/ended"
    mv "$pending" "$state/ended"
    disarm
    rm -rf "$state/ended"
    flush
}

# Rules of the firewall are what its unit does when it starts, and takes back when it stops.
walls_down() {
    [ ! -e "$units/$walls" ] || systemctl stop "$walls" 2>/dev/null
}
walls_up() {
    [ ! -e "$units/$walls" ] || systemctl start "$walls"
}

restore() {
    ! grep -q "=$units/$walls\$" "$pending/undo" || walls_down
    # Last made, first removed.
    sed -n '1!G;h;$p' "$pending/undo" | while IFS='=' read -r what path; do
        rm -f "$path.devbox-new"
        case $what in
        folder) rmdir "$path" 2>/dev/null || : ;;
        *)
            number=${what#file }
            if [ ! -e "$pending/old/$number" ]; then
                rm -f "$path"
            elif [ "$(sum "$path")" != "$(sum "$pending/old/$number")" ]; then
                mkdir -p "$(dirname "$path")"
                cp -p "$pending/old/$number" "$path.devbox-new" && mv -f "$path.devbox-new" "$path"
            fi
            ;;
        esac
    done
    flush
}

setting() { sed -n "s/^$1=//p" "$pending/settings"; }

back() {
    restore
    systemctl daemon-reload
    walls_up
    if [ -e "$pending/restarted" ]; then
        stop_socket=$(setting stop_socket)
        resting=$(setting resting)
        rests docker.service || systemctl kill -s KILL docker.service 2>/dev/null
        systemctl reset-failed docker.service docker.socket 2>/dev/null
        restart_units || say step "dockerd does not come back with its old settings either"
    fi
    end rolled-back "$1"
}

conclude() {
    if [ -e "$pending/proved" ]; then end committed proved; else back "$1"; fi
}

# ---- forward

apply_files() {
    ! grep -q " $units/$walls\$" "$DEVBOX_STAGE/changes" || walls_down
    while read -r verb number mode owner _ path; do
        case $verb in
        put)
            folder 755 0:0 "$(dirname "$path")"
            put "$DEVBOX_STAGE/new/$number" "$path" "$mode" "$owner" || return 1
            ;;
        drop) rm -f "$path" || return 1 ;;
        empty) rmdir "$path" 2>/dev/null || : ;;
        folder) folder "$mode" "$owner" "$path" || return 1 ;;
        esac
    done <"$DEVBOX_STAGE/changes"
    flush
}

make_folders() {
    while read -r _ _ mode owner _ path; do
        folder "$mode" "$owner" "$path" || return 1
    done <"$DEVBOX_STAGE/changes"
}

# rests UNIT: it did not run before devbox, and is not to run after it.
rests() { case " $resting " in *" $1 "*) ;; *) false ;; esac; }

# Stopped as dockerd wishes to be, with its containers; its socket before it, or that would start it again.
stop_units() {
    systemctl stop docker.socket 2>/dev/null
    timeout "$patience" systemctl stop docker.service || systemctl kill -s KILL docker.service
    rests docker.socket || systemctl start docker.socket
}

restart_units() {
    if rests docker.service; then
        stop_units
        return
    fi
    if [ "$stop_socket" = yes ]; then
        systemctl stop docker.service docker.socket && systemctl start docker.socket || return 1
    fi
    # Others may have restarted it a moment ago: systemd counts those starts too, and refuses one too many.
    systemctl reset-failed docker.service 2>/dev/null
    # Not holding the lock: what systemctl starts may outlive us.
    timeout "$patience" systemctl restart docker.service 9>&-
}

# quote UNIT [INVOCATION]: the last of what the unit's own processes said since the change began, without that
# invocation (the daemon before it); what systemd says of the unit where they said nothing. A process that ends
# at once may be gone before the journal has read its words: --sync waits for them.
quote() {
    command -v journalctl >/dev/null 2>&1 || return 0
    set -- "$1" "${2:-none}" --since "@$(cat "$pending/started")"
    journalctl --sync
    journal=$(journalctl "_SYSTEMD_UNIT=$1" "$3" "$4" -o cat --output-fields=_SYSTEMD_INVOCATION_ID --no-pager |
        grep -Ex '[0-9a-f]{32}' | grep -vx "$2" | sort -u | sed 's/^/_SYSTEMD_INVOCATION_ID=/')
    # shellcheck disable=SC2086
    journalctl ${journal:-"-u" "$1" "$3" "$4"} -n 15 -o cat --no-pager
} 2>/dev/null

# give_up WHY UNIT [INVOCATION]
give_up() {
    say failed "$1"
    [ -z "${2:-}" ] || quote "$2" "${3:-}"
    back "$1"
    say result rolled-back
    exit 1
}

apply() {
    if ! grep -qv '^folder ' "$DEVBOX_STAGE/changes" && [ "$restart" = no ]; then
        # Nothing to take back, so no lock either: a user without root may not write it.
        make_folders || fail "a folder could not be made"
        say result applied
        return
    fi
    take_lock 5
    [ ! -e "$pending" ] || fail "$(cat "$pending/owner") is at work on this host" 75
    check_unchanged
    check_units
    check_daemon
    remember || fail "cannot write $state"
    arm || { back "the way back could not be armed"; fail "the way back could not be armed"; }
    say step "the way back is armed: in $deadline s without proof the old state returns"
    apply_files || give_up "a file could not be written"
    say step "files in place"
    systemctl daemon-reload
    walls_up || give_up "the firewall does not take the new rules" "$walls"
    if [ "$restart" = yes ]; then
        : >"$pending/restarted"
        flush
        former=$(systemctl show -p InvocationID --value docker.service)
        restart_units || give_up "dockerd does not start with its new settings" docker.service "$former"
        if rests docker.service; then
            say step "dockerd stopped: it did not run before devbox"
        else
            systemctl is-active -q docker.service ||
                give_up "dockerd ended right after its start" docker.service "$former"
            say step "dockerd restarted"
        fi
    fi
    say pid "$(systemctl show -p MainPID docker.service | cut -d= -f2)"
    say result applied
}

commit() {
    take_lock 30
    [ "$(cat "$pending/id" 2>/dev/null)" = "$1" ] || fail "it was taken back before it could be proved" 78
    : >"$pending/proved"
    flush
    end committed proved
    say result committed
}

settle() {
    take_lock 30
    [ "$(cat "$pending/id" 2>/dev/null)" = "$1" ] || return 0
    conclude "an earlier run did not end"
    say result settled
}

expire() {
    take_lock 20
    [ -e "$pending" ] || { disarm; return 0; }
    conclude "nobody proved it in time"
}

patience=${patience:-75}
"$@"
