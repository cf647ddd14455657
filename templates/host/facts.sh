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
    systemctl show "$2" -p LoadState -p ActiveState -p UnitFileState -p FragmentPath -p DropInPaths -p MainPID \
        -p TriggeredBy 2>/dev/null | prefix "$1."
    systemctl show "$2" -p FragmentPath -p DropInPaths 2>/dev/null | cut -d= -f2- | tr ' ' '\n' |
        while read -r path; do [ -z "$path" ] || file "$path"; done
}

containers() {
    for process in /proc/[0-9]*; do
        { tr '\0' ' ' <"$process/cmdline"; echo; } 2>/dev/null |
            sed -n 's/^[^ ]*containerd-shim.* -id \([0-9a-f]\{64\}\) .*/container=\1/p'
    done
}

engine() {
    have docker || return 0
    timeout 5 docker -H unix:///var/run/docker.sock info --format 'engine.id={{.ID}}
engine.live_restore={{.LiveRestoreEnabled}}
engine.version={{.ServerVersion}}' 2>/dev/null | grep '^engine\.'
    timeout 5 docker -H unix:///var/run/docker.sock ps --no-trunc --format 'running={{.ID}} {{.Names}}' 2>/dev/null
}

firewalls() {
    grep -qsi '^ENABLED=yes' /etc/ufw/ufw.conf && say firewall ufw
    [ "$(systemctl is-active firewalld 2>/dev/null)" = active ] && say firewall firewalld
    have nft && nft list ruleset 2>/dev/null | sed -n 's/.*hook input.*policy drop.*/firewall=nftables/p' | sort -u
    have iptables && iptables -S INPUT 2>/dev/null | sed -n 's/^-P INPUT DROP$/firewall=iptables/p'
    have ip6tables && ip6tables -S INPUT 2>/dev/null | sed -n 's/^-P INPUT DROP$/firewall=ip6tables/p'
    return 0
}

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
say init "$(cat /proc/1/comm 2>/dev/null)"
say systemd "$([ -d /run/systemd/system ] && systemctl --version 2>/dev/null | sed -n '1s/^systemd \([0-9]*\).*/\1/p')"
sed -n 's/^\(ID\|VERSION_ID\|PRETTY_NAME\)="\{0,1\}\([^"]*\)"\{0,1\}$/os.\1=\2/p' /etc/os-release 2>/dev/null
have ip && ip -o addr show scope global 2>/dev/null | while read -r _ link _ address _; do
    say address "$link ${address%%/*}"
done
say dockerd "$(command -v dockerd)"
say dockerd_version "$(dockerd --version 2>/dev/null | head -1)"
say docker "$(command -v docker)"
have docker && docker --version 2>/dev/null | sed -n 's/.*podman.*/shim=podman/p'
[ -d /snap/docker ] && say shim snap
[ -S "/run/user/$(id -u "$who")/docker.sock" ] && say shim rootless
[ -S /var/run/docker.sock ] && say socket "$(stat -Lc '%a %U:%G' /var/run/docker.sock)"
say socket_open "$([ -w /var/run/docker.sock ] && echo yes || echo no)"
if [ -d /run/systemd/system ]; then
    unit service docker.service
    unit socket docker.socket
fi
file /etc/docker/daemon.json
for path in /etc/docker/devbox/*.pem /etc/docker/devbox/manifest.json; do
    case $path in */key.pem) secret "$path" ;; *) file "$path" ;; esac
done
engine
containers
firewalls
if have ss; then
    ss -Hltnp 2>/dev/null | while read -r _ _ _ local _ process; do say listen "$local $process"; done
fi
df -Pk /var/lib/docker 2>/dev/null | sed -n '2s/^[^ ]* *[0-9]* *[0-9]* *\([0-9]*\) .*/disk_free_kb=\1/p'
for path in id owner started; do
    [ ! -r "/var/lib/devbox/pending/$path" ] || say "pending.$path" "$(cat "/var/lib/devbox/pending/$path")"
done
[ ! -r /var/lib/devbox/last ] || sed 's/^/last./' /var/lib/devbox/last
roots
say end 1
