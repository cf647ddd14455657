# Shared by the scripts: where things are, what is missing, and installing it. Sourced, not run.
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV=${DEVBOX_VENV:-$TOP/.venv}

say() { printf '== %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# Runs a command as root: directly, or through sudo; 1 when neither is possible.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else return 1; fi
}

can_be_root() { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }

# need_packages PKG...: installs those of Debian's packages that are missing, and only those.
need_packages() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ "${#missing[@]}" = 0 ] && return 0
  command -v apt-get >/dev/null || die "missing: ${missing[*]} (no apt-get here: install them by hand)"
  can_be_root || die "missing packages, and installing them needs root: apt-get install ${missing[*]}"
  say "installing ${missing[*]}"
  as_root apt-get update -qq || true
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null \
    || die "apt-get install ${missing[*]} failed"
}

# The first Python from 3.10 on that can make virtual environments.
find_python() {
  local candidate
  for candidate in ${DEVBOX_PYTHON:-} python3 /usr/bin/python3 python3.13 python3.12 python3.11 python3.10; do
    "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && { echo "$candidate"; return 0; }
  done
  return 1
}

# ensure_venv [EXTRAS]: $VENV with devbox (editable) and, as "[dev]", what its tests and checks need; quick when
# nothing changed. What has more serves who needs less.
ensure_venv() {
  [ -n "${DEVBOX_VENV:-}" ] && return 0
  local extras=${1:-} project has python
  project=$(sha256sum < "$TOP/pyproject.toml" | cut -c1-16)
  has=$(cat "$VENV/.stamp" 2>/dev/null || true)
  if [ -x "$VENV/bin/python" ] && { [ "$has" = "$project$extras" ] || [ "$has" = "${project}[dev]" ]; }; then return 0; fi
  python=$(find_python) || { need_packages python3 python3-venv; python=$(find_python) || die "no Python from 3.10 on"; }
  say "setting up $VENV with $("$python" --version)"
  "$python" -m venv "$VENV"
  "$VENV/bin/python" -m pip install -q --disable-pip-version-check -e "$TOP$extras" 2>&1 | grep -v '^WARNING: Location' >&2 || true
  "$VENV/bin/python" -c "import devbox, paramiko${extras:+, pytest}" || die "installing devbox's dependencies failed"
  echo "$project$extras" > "$VENV/.stamp"
}

# ensure_docker: a Docker daemon that answers, one of our own if need be; 1 where that is impossible.
ensure_docker() {
  command -v docker >/dev/null && docker version >/dev/null 2>&1 && return 0
  can_be_root || { say "no Docker daemon answers, and starting one needs root: what needs a rehearsal host is left out"; return 1; }
  command -v dockerd >/dev/null || need_packages docker.io
  "$TOP/scripts/rehearsal" daemon start >&2 || { say "Docker is impossible on this machine: what needs a rehearsal host is left out"; return 1; }
}
