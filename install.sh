#!/usr/bin/env bash
# Install the classready agent on a Debian-like gateway, or remove it. `./install.sh --help` explains.
set -Eeuo pipefail
umask 077
IFS=$'\n\t'

readonly OK=0 FAILED=1 USAGE=2 NOT_READY=3 BUSY=4
readonly FREE_MIB=200

usage() {
  cat <<'TEXT'
usage: ./install.sh [options]                 install or update the agent
       ./install.sh --uninstall [--keep-data] remove it

  --token-file FILE  the gateway's token, one line; - reads it from standard input.
                     (Never give a token on a command line: everybody on the box can read it there.)
  --wheel FILE       install this wheel of classready instead of the checkout around this script
  --wheels DIR       take every package from this folder, nothing from a network. Made elsewhere, on the
                     same kind of machine, in a checkout, with:
                     pip wheel --wheel-dir DIR --requirement requirements-agent.lock && pip wheel --no-deps
                     --wheel-dir DIR . ; then give that one of classready itself as --wheel
  --python PROGRAM   Python 3.11 or later (default: python3)
  --root DIR         work below DIR instead of / and leave services alone
  --dry-run          say what would be done
  --uninstall        stop the agent and remove what was installed, settings and unsent records too
  --keep-data        with --uninstall: keep settings, token and unsent records
  --help             this text

What goes where:
  /opt/classready/                               the program, in an environment of its own
  /etc/classready/agent.yml                      settings: written once from the example, never overwritten
  /etc/classready/secrets/token                  the token, readable by root only
  /etc/systemd/system/classready-agent.service   the service
  /var/lib/classready-agent/                     records that wait to be sent

It can be run again at any time: what is in place stays untouched; an update is built beside the running version
and then exchanged in one step. Exit: 0 done, 1 failed (run it again), 2 wrong usage, 3 something is missing on this
machine, 4 another run is going on.
TEXT
}

say() { printf '%s\n' "$*"; }
die() {
  local code=$1
  shift
  printf 'install.sh: %s\n' "$*" >&2
  exit "$code"
}

# Do it, or with --dry-run say so.
run() {
  if [[ $dry_run == yes ]]; then
    local IFS=' '
    say "would run: $*"
  else
    "$@"
  fi
}

parse() {
  action=install dry_run=no keep_data=no root='' token_file='' wheel='' wheels='' python=python3
  while (($#)); do
    case $1 in
      --token-file | --wheel | --wheels | --python | --root)
        (($# > 1)) || die $USAGE "$1 needs a value; see --help"
        local name=${1#--}
        printf -v "${name//-/_}" %s "$2"
        shift
        ;;
      --uninstall) action=uninstall ;;
      --keep-data) keep_data=yes ;;
      --dry-run) dry_run=yes ;;
      --help | -h) usage && exit $OK ;;
      *) die $USAGE "unknown option $1; see --help" ;;
    esac
    shift
  done
  [[ $keep_data == no || $action == uninstall ]] || die $USAGE "--keep-data goes with --uninstall"
  [[ -z $root || -d $root ]] || die $USAGE "--root: no such directory: $root"
  root=${root:+$(cd "$root" && pwd)}
  source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
  prefix=$root/opt/classready etc=$root/etc/classready
  unit=$root/etc/systemd/system/classready-agent.service
}

# The root directory itself is the lock: nothing is left behind.
lock() {
  exec 9<"${root:-/}"
  flock --nonblock 9 || die $BUSY "another install.sh is at work"
}

has_systemd() { [[ -z $root && -d /run/systemd/system ]]; }

check_machine() {
  [[ -n $root || $EUID -eq 0 ]] || die $NOT_READY "must be run as root: sudo ./install.sh"
  local needed="apt-get install python3 python3-venv"
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    die $NOT_READY "$python is not Python 3.11 or later; run: $needed"
  "$python" -c 'import ensurepip, venv' 2>/dev/null ||
    die $NOT_READY "$python cannot make environments; run: $needed"
  local free_mib
  free_mib=$(df --output=avail --block-size=1M "${root:-/}" | tail -n 1)
  ((free_mib >= FREE_MIB)) || die $NOT_READY "only $((free_mib)) MiB free, $FREE_MIB are needed"
  local part
  for part in configs/agent.example.yml systemd/classready-agent.service requirements-agent.lock; do
    [[ -f $source_dir/$part ]] || die $NOT_READY "$part is not beside this script: the copy is incomplete"
  done
  [[ -n $wheel || -f $source_dir/pyproject.toml ]] || die $NOT_READY "no checkout here; give a --wheel"
  [[ -z $wheel || -f $wheel ]] || die $USAGE "--wheel: no such file: $wheel"
  [[ -z $token_file || $token_file == - || -s $token_file ]] || die $USAGE "--token-file: empty or missing: $token_file"
  [[ -z $wheels || -d $wheels ]] || die $USAGE "--wheels: no such directory: $wheels"
}

# A name for exactly this version on this Python: equal contents, equal name.
release_name() {
  {
    "$python" -VV
    if [[ -n $wheel ]]; then
      sha256sum <"$wheel"
    else
      cd "$source_dir"
      find agent classready collector pyproject.toml -type f -not -path '*/__pycache__/*' -print0 |
        LC_ALL=C sort -z | xargs -0 sha256sum
    fi
    cat "$source_dir/requirements-agent.lock"
  } | sha256sum | cut -c 1-16
}

install_program() {
  local release
  release=$prefix/releases/$(release_name)
  if [[ ! -e $release/.complete ]]; then build "$release"; fi
  if [[ $(readlink "$prefix/venv" || true) != "$release" ]]; then
    run ln -sfn "$release" "$prefix/venv.new"
    run mv -T "$prefix/venv.new" "$prefix/venv"
    changed=yes
  fi
  local old
  for old in "$prefix"/releases/*; do
    [[ $old == "$release" || ! -e $old ]] || run rm -rf "$old"
  done
}

build() {
  local release=$1
  local pip=("$release/bin/python" -m pip --quiet --disable-pip-version-check install)
  [[ -z $wheels ]] || pip+=(--no-index --find-links "$(cd "$wheels" && pwd)")
  say "installing into $release"
  umask 022 # the service's own user must be able to read the program
  run rm -rf "$release"
  run mkdir -p "$prefix/releases"
  run "$python" -m venv "$release"
  run "${pip[@]}" --require-hashes --requirement "$source_dir/requirements-agent.lock"
  run "${pip[@]}" --no-deps "$(realpath "${wheel:-$source_dir}")"
  run "$release/bin/classready-agent" --help >/dev/null
  run touch "$release/.complete"
  umask 077
}

# Copy a file if it differs from what is there.
put() {
  local mode=$1 original=$2 copy=$3
  cmp -s "$original" "$copy" && return
  run install -D -m "$mode" "$original" "$copy"
  changed=yes
}

install_settings() {
  [[ -d $etc/secrets ]] || run install -d -m 755 "$etc"
  [[ -d $etc/secrets ]] || run install -d -m 700 "$etc/secrets"
  [[ -e $etc/agent.yml ]] || put 644 "$source_dir/configs/agent.example.yml" "$etc/agent.yml"
  if [[ $token_file == - ]]; then
    token_file=$(mktemp)
    trap 'rm -f "$token_file"' EXIT
    cat >"$token_file"
  fi
  [[ -z $token_file ]] || put 600 "$token_file" "$etc/secrets/token"
  put 644 "$source_dir/systemd/classready-agent.service" "$unit"
}

# Start or restart the service if its settings are right; otherwise say what is left to do.
start() {
  local check=("$prefix/venv/bin/classready-agent" check -c "$etc/agent.yml")
  [[ $dry_run == no ]] || return 0
  if has_systemd; then
    systemctl daemon-reload
    systemctl --quiet enable classready-agent.service
    if "${check[@]}" >/dev/null 2>&1; then
      if [[ $changed == yes ]] || ! systemctl --quiet is-active classready-agent.service; then
        systemctl restart classready-agent.service
      fi
      say "classready-agent is running; its log: journalctl -u classready-agent"
      return
    fi
  fi
  say "Installed. What is left to do:"
  say "  edit     $etc/agent.yml"
  [[ -s $etc/secrets/token ]] || say "  token    ./install.sh --token-file FILE"
  local IFS=' '
  say "  check    ${check[*]}"
  if has_systemd; then
    say "  start    systemctl restart classready-agent"
  else
    say "  start    systemctl enable --now classready-agent   (systemd is not running here)"
  fi
}

do_install() {
  changed=no
  check_machine
  install_program
  install_settings
  if [[ $changed == no ]]; then say "everything is in place already"; fi
  start
}

do_uninstall() {
  [[ -n $root || $EUID -eq 0 ]] || die $NOT_READY "must be run as root: sudo ./install.sh --uninstall"
  if has_systemd && [[ -e $unit ]]; then
    run systemctl --quiet disable --now classready-agent.service
  fi
  run rm -f "$unit"
  run rm -rf "$prefix/venv" "$prefix/venv.new" "$prefix/releases"
  if [[ $keep_data == no ]]; then
    run rm -rf "$root/var/lib/classready-agent" "$root/var/lib/private/classready-agent" "$etc/agent.yml"
    # A collector on the same machine keeps its own secrets there.
    [[ -e $etc/collector.yml ]] || run rm -rf "$etc/secrets"
  fi
  local folder
  for folder in "$prefix" "$etc"; do
    [[ ! -d $folder ]] || run rmdir --ignore-fail-on-non-empty "$folder"
  done
  if has_systemd; then run systemctl daemon-reload; fi
  say "classready-agent is removed"
}

main() {
  trap 'die $FAILED "failed at line $LINENO; nothing in use was changed: run it again"' ERR
  parse "$@"
  lock
  "do_$action"
}

main "$@"
