# Installs Docker from the distribution's own packages. Nothing is upgraded, nothing removed; a daemon that is
# there is left alone. Says step=…, failed=…

say() { printf '%s=%s\n' "$1" "$2"; }
have() { command -v "$1" >/dev/null 2>&1; }

if have dockerd; then
    say step "Docker is there already"
    exit 0
fi
if have apt-get; then
    export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l
    say step "apt-get update"
    apt-get update -q >&2 || { say failed "apt-get update failed"; exit 1; }
    packages=docker.io
    # A package of its own since Debian 13; without it there is no `docker` to type on the host.
    apt-cache show docker-cli >/dev/null 2>&1 && packages="docker.io docker-cli"
    say step "apt-get install $packages"
    # shellcheck disable=SC2086
    apt-get install -q -y --no-upgrade --no-remove --no-install-recommends $packages >&2 ||
        { say failed "apt-get install $packages failed"; exit 1; }
elif have dnf; then
    say step "dnf install moby-engine"
    dnf install -q -y moby-engine >&2 || { say failed "dnf install moby-engine failed"; exit 1; }
elif have zypper; then
    say step "zypper install docker"
    zypper --non-interactive install docker >&2 || { say failed "zypper install docker failed"; exit 1; }
elif have pacman; then
    say step "pacman -S docker"
    pacman -S --noconfirm --needed docker >&2 || { say failed "pacman -S docker failed"; exit 1; }
else
    say failed "no package manager that devbox knows (apt-get, dnf, zypper, pacman)"
    exit 1
fi
systemctl enable -q --now docker.service || { say failed "docker.service does not start"; exit 1; }
say step "Docker is installed and runs"
