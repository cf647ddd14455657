# Says what this host is, in one go, and changes nothing. Every line is KEY=VALUE; file contents are base64.
# Needs a POSIX shell, coreutils and sed; what else is missing is a fact. `port` and the function `roots`,
# which calls `root PATH` for each remote root, are put before this text by devbox.

LC_ALL=C
export LC_ALL
unset DOCKER_HOST DOCKER_CONTEXT DOCKER_TLS_VERIFY DOCKER_CERT_PATH

say() { printf '%s=%s\n' "$1" "$2"; }
have() { command -v "$1" >/dev/null 2>&1; }
prefix() { sed -n "s/^\([A-Za-z]\)/$1\1/p"; }

# file=MODE UID:GID CONTENT PATH; the content is `-` when it cannot be read, `=` when the file is empty.
file() {
    [ -e "$1" ] || return 0
    content=-
    [ ! -r "$1" ] || content=$(base64 <"$1" | tr -d '\n')
    [ -s "$1" ] || content==
    say file "$(stat -Lc '%a %u:%g' "$1") ${content:--} $1"
}

# A private key never travels: its SHA-256 is enough to see whether it is the one we sent.
secret() {
    [ -r "$1" ] || return 0
    say secret "$(stat -Lc '%a %u:%g' "$1") $(sha256sum <"$1" | cut -d' ' -f1) $1"
}

root() {
    case $1 in "~") path=$home ;; "~/"*) path=$home/${1#"~/"} ;; *) path=$1 ;; esac
    if [ -d "$path" ]; then
        say root "$(stat -Lc '%u' "$path") $path"
    elif [ -e "$path" ]; then
        say root "other $path"
    else
        say root "absent $path"
    fi
}

unit() {
    shown=$(systemctl show "$2" -p LoadState -p ActiveState -p UnitFileState -p FragmentPath -p DropInPaths \
        -p MainPID -p TriggeredBy -p EnvironmentFiles 2>/dev/null)
    echo "$shown" | prefix "$1."
    for path in $(echo "$shown" | sed -n 's/^FragmentPath=//p; s/^DropInPaths=//p; s/^EnvironmentFiles=\(.*\) (.*/\1/p'); do
        file "$path"
    done
}

containers() {
    for process in $(grep -ls containerd-shim /proc/[0-9]*/cmdline 2>/dev/null); do
        { tr '\0' ' ' <"$process"; echo; } 2>/dev/null |
            sed -n 's/^[^ ]*containerd-shim.* -id \([0-9a-f]\{64\}\) .*/container=\1/p'
    done
}

# What takes long to ask for is asked at the same time: `ask NAME COMMAND…` now, `answer NAME` at the end.
ask() {
    name=$1
    shift
    "$@" >"$answers/$name" 2>/dev/null &
}
answer() { cat "$answers/$1"; }

versions() {
    say dockerd_version "$(dockerd --version 2>/dev/null | head -1)"
    # Even that question goes to the daemon: here to one that is not there.
    have docker && DOCKER_HOST=unix:///dev/null docker --version 2>/dev/null | sed -n 's/.*podman.*/shim=podman/p'
}

# Whoever asks a daemon that sleeps behind its socket starts it; who looks changes nothing.
awake() {
    state=$(systemctl show -p LoadState -p ActiveState --value docker.service 2>/dev/null | tr '\n' ' ')
    have docker && [ "$state" != "loaded inactive " ]
}

running() {
    awake || return 0
    timeout 5 docker -H unix:///var/run/docker.sock ps --no-trunc --format 'running={{.ID}} {{.Names}}'
}

engine() {
    awake || return 0
    timeout 5 docker -H unix:///var/run/docker.sock info --format 'engine.id={{.ID}}
engine.os={{.OperatingSystem}}
engine.live_restore={{.LiveRestoreEnabled}}
engine.version={{.ServerVersion}}' | grep '^engine\.'
}

# Whose connection this is, as the host sees it; sudo does not hand SSH_CONNECTION on.
client() {
    process=$$
    while [ "${process:-0}" -gt 1 ]; do
        found=$({ tr '\0' '\n' <"/proc/$process/environ"; } 2>/dev/null | sed -n 's/^SSH_CONNECTION=\([^ ]*\) .*/\1/p')
        [ -z "$found" ] || { say client "$found"; return; }
        process=$(sed -n 's/^PPid:[^0-9]*//p' "/proc/$process/status" 2>/dev/null)
    done
}

# Input chains that drop or refuse what no rule of theirs lets in: by their policy or by their last word.
nft_chains() {
    have nft || return 0
    nft list ruleset | awk '
        $1 == "table" { family = $2; table = $3 }
        $1 == "chain" { chain = $2; input = 0; said = 0 }
        /hook input/ { input = 1 }
        input && !said && (/hook input.*policy drop/ || $1 == "drop" || $1 == "reject") {
            print "nft_chain=" family " " table " " chain; said = 1
        }'
}

iptables_input() {
    have "$1" || return 0
    "$1" -S INPUT 2>/dev/null | grep -qE '^-P INPUT DROP|^-A INPUT (-j (DROP|REJECT)|-j REJECT .*)$' && say firewall "$1"
}

firewalls() {
    grep -qsi '^ENABLED=yes' /etc/ufw/ufw.conf && say firewall ufw
    [ "$(systemctl is-active firewalld 2>/dev/null)" = active ] && say firewall firewalld
    nft_chains
    iptables_input iptables
    iptables_input ip6tables
}

answers=$DEVBOX_STAGE
ask versions versions
ask engine engine
ask running running
ask firewalls firewalls

who=${SUDO_USER:-$(id -un)}
home=$(getent passwd "$who" 2>/dev/null | cut -d: -f6)
home=${home:-$HOME}
say format 1
say user "$who"
say uid "$(id -u "$who")"
say gid "$(id -g "$who")"
say home "$home"
say root_now "$([ "$(id -u)" = 0 ] && echo yes || echo no)"
say clock "$(date +%s)"
say hostname "$(hostname 2>/dev/null || cat /proc/sys/kernel/hostname)"
say fqdn "$(hostname -f 2>/dev/null)"
say system "$(uname -s)"
say init "$(cat /proc/1/comm 2>/dev/null)"
say systemd "$([ -d /run/systemd/system ] && systemctl --version 2>/dev/null | sed -n '1s/^systemd \([0-9]*\).*/\1/p')"
sed -n 's/^\(ID\|VERSION_ID\|PRETTY_NAME\)="\{0,1\}\([^"]*\)"\{0,1\}$/os.\1=\2/p' /etc/os-release 2>/dev/null
have ip && ip -o addr show scope global 2>/dev/null | while read -r _ link _ address _; do
    say address "$link ${address%%/*}"
done
say dockerd "$(command -v dockerd)"
say docker "$(command -v docker)"
[ -d /snap/docker ] && say shim snap
[ -S "/run/user/$(id -u "$who")/docker.sock" ] && say shim rootless
[ -S /var/run/docker.sock ] && say socket "$(stat -Lc '%a %U:%G' /var/run/docker.sock)"
say socket_open "$([ -w /var/run/docker.sock ] && echo yes || echo no)"
if [ -d /run/systemd/system ]; then
    unit service docker.service
    unit socket docker.socket
fi
client
file /etc/docker/daemon.json
file /etc/systemd/system/devbox-firewall.service
for path in /etc/docker/devbox/*.pem /etc/docker/devbox/manifest.json; do
    case $path in */key.pem) secret "$path" ;; *) file "$path" ;; esac
done
containers
if have ss; then
    ss -Hltnp 2>/dev/null | while read -r _ _ _ local _ process; do say listen "$local $process"; done
fi
df -Pk /var/lib/docker 2>/dev/null | sed -n '2s/^[^ ]* *[0-9]* *[0-9]* *\([0-9]*\) .*/disk_free_kb=\1/p'
for path in id owner client started; do
    [ ! -r "/var/lib/devbox/pending/$path" ] || say "pending.$path" "$(cat "/var/lib/devbox/pending/$path")"
done
[ ! -r /var/lib/devbox/last ] || sed 's/^/last./' /var/lib/devbox/last
roots
wait
for name in versions engine running firewalls; do answer $name; done
say end 1
