#!/bin/sh
# Install, upgrade or remove classready on a box, from the bundle around this script; `sh install.sh --help` explains.
# POSIX sh. Everything is in functions, and the last line calls one: a copy that was cut short does nothing.

OK=0 FAILED=1 USAGE=2 NOT_ROOT=3 BUSY=4 NO_SYSTEMD=5 NO_PYTHON=6 NO_SPACE=7 CLOCK=8 UNFIT=9 DAMAGED=10 UNSIGNED=11
REFUSED=12 UNREACHED=13 ROLLED_BACK=14 UNHEALTHY=15 OLDER=16

# A killed run has another code than these; what it was asked for is taken up again.
KILLED=128

# Without a page at 9712 an agent is believed when it has run this long without a restart.
STEADY_S=10

# More than a bundle for every kind of box has.
COPY_MAX_MIB=400

usage() {
  cat <<'TEXT'
usage: sh install.sh [options]                 install or upgrade from the bundle around this script
       sh install.sh --rollback                go back to the release before
       sh install.sh --requested               install what the agent fetched and asked for (classready-upgrade.service)
       sh install.sh --uninstall [--keep-data] remove it

  --offline BUNDLE   the bundle: a folder, or the .tar.gz of one (default: the folder of this script)
  --from URL         fetch the bundle from there: a folder on a web server, or /install/bundle of a collector; the key must
                     be known. A line that breaks is taken up where it broke when it is run again
  --enroll URL       fetch this gateway's name and token from the collector at URL, with a one-time code
  --code-file FILE   the code, one line; - is standard input (default)
  --ca-file FILE     certificate of the bureau's own authority, in PEM
  --token-file FILE  a token instead of enrolment, one line; - is standard input
                     (A code or token never stands on a command line: everybody on the box can read it there.)
  --role ROLE        agent (default), collector, or responder: the far end of the bandwidth test alone
  --key FILE         trust this key (PEM) and remember it; else the one remembered, else the bundle's at the first time
  --python PROGRAM   use this Python
  --no-systemd       there is no systemd: install, and say what to run
  --health-s N       how long a new release may take to get well, before it is rolled back (default: 40, and the time
                     over which agents spread their first reports: 20 at most, 60 on a box that has just booted)
  --root DIR         a trial: work below DIR instead of /; implies --no-systemd
  --check            check everything, change nothing
  --uninstall        remove program, service, settings, secrets and unsent records
  --keep-data        with --uninstall: keep settings, secrets and records
  --help             this text

What goes where (ROLE is agent, collector or responder):
  /opt/classready/ROLE/releases/VERSION/          programs; the last two stay
  /opt/classready/ROLE/current, previous          links to them
  /usr/local/bin/classready-agent, -collector     link to the command
  /etc/classready/                                settings: written once, never overwritten; bundle.pub: the key trusted
  /etc/classready/secrets/                        readable by root only
  /etc/systemd/system/classready-ROLE.service     the service; for an agent classready-acceptance.timer and
                                                  classready-upgrade.path, too
  /var/lib/classready-agent/                      records that wait to be sent

All is checked before anything is changed. It can be killed at any time, and run again.
  0 done                                  8 the clock is wrong
  1 failed unexpectedly; run it again     9 the bundle is not for this kind of machine
  2 wrong usage                          10 the bundle is incomplete or damaged
  3 not root                             11 the bundle is not signed by the key that is trusted
  4 another run is going on              12 the collector refused the enrolment
  5 no systemd                           13 the collector was not reached
  6 no Python that fits                  14 the new release did not get well: the one before runs again
  7 not enough space, or read-only       15 it does not get well, and there is none before it
                                         16 older than what runs: only with --requested
TEXT
}

# English, Chinese: what is said depends on who reads.
say() { case $language in zh*) printf '%s\n' "$2" ;; *) printf '%s\n' "$1" ;; esac; }
die() {
  explained=yes
  say "install.sh: $2" "install.sh：$3" >&2
  exit "$1"
}
on_exit() {
  code=$?
  [ -z "$scratch" ] || rm -rf "$scratch"
  [ -z "$wanted" ] || note_result
  if [ $code -ne 0 ] && [ $explained = no ]; then
    explained=yes
    say "install.sh: failed unexpectedly; what ran before still runs. Run it again." \
      "install.sh：意外失败,原来运行的版本不受影响。请再运行一次。" >&2
    exit $FAILED
  fi
}

parse() {
  action=install check_only=no keep_data=no systemd=yes role=agent health_s=''
  offline='' address='' enroll='' code_file=- ca_file='' token_file='' key='' python='' root=''
  while [ $# -gt 0 ]; do
    case $1 in
      --offline | --from | --enroll | --code-file | --ca-file | --token-file | --role | --key | --python | --health-s | --root)
        [ $# -gt 1 ] || die $USAGE "$1 needs a value; see --help" "$1 后面缺少取值,见 --help"
        set_option "$1" "$2"
        shift
        ;;
      --uninstall | --rollback | --requested) action=${1#--} ;;
      --keep-data) keep_data=yes ;;
      --no-systemd) systemd=no ;;
      --check) check_only=yes ;;
      --help | -h) usage && exit $OK ;;
      *) die $USAGE "unknown option; see --help" "未知选项,见 --help" ;; # not repeated: it might be a code
    esac
    shift
  done
  check_options
}

set_option() {
  case $1 in
    --offline) offline=$2 ;;
    --from) address=${2%/} ;;
    --enroll) enroll=${2%/} ;;
    --code-file) code_file=$2 ;;
    --ca-file) ca_file=$2 ;;
    --token-file) token_file=$2 ;;
    --role) role=$2 ;;
    --key) key=$2 ;;
    --python) python=$2 ;;
    --health-s) health_s=$2 ;;
    --root) root=$2 ;;
  esac
}

check_options() {
  case $role in agent | collector | responder) ;; *) die $USAGE "--role: agent, collector or responder" "--role 只能是 agent、collector 或 responder" ;; esac
  case $health_s in *[!0-9]*) die $USAGE "--health-s: a number of seconds" "--health-s 应为秒数" ;; esac
  case $enroll in
    '' | https://* | http://127.0.0.1 | http://127.0.0.1:*) ;;
    *) die $USAGE "--enroll: an address that begins with https://" "--enroll 的地址必须以 https:// 开头" ;;
  esac
  case $address in
    '' | https://* | http://127.0.0.1:*) ;;
    *) die $USAGE "--from: an address that begins with https://" "--from 的地址必须以 https:// 开头" ;;
  esac
  [ -z "$address" ] || [ -z "$offline" ] || die $USAGE "--from or --offline, not both" "--from 与 --offline 只能选一个"
  [ $keep_data = no ] || [ "$action" = uninstall ] || die $USAGE "--keep-data goes with --uninstall" "--keep-data 只能与 --uninstall 同用"
  [ -z "$enroll" ] || [ -z "$token_file" ] || die $USAGE "--enroll or --token-file, not both" "--enroll 与 --token-file 只能选一个"
  [ "$action" != requested ] || [ "$role$offline$address$enroll$token_file$key" = agent ] ||
    die $USAGE "--requested goes alone: what is asked for says the rest" "--requested 不能与其他安装选项同用"
  [ "$role" = agent ] || [ -z "$enroll$token_file" ] || die $USAGE "only an agent has a token" "只有 agent 才需要令牌"
  case $enroll in *[!][A-Za-z0-9.:/_~%-]*) die $USAGE "--enroll: not an address: $enroll" "--enroll 的地址有误：$enroll" ;; esac
  must_be_pem "$ca_file" CERTIFICATE
  must_be_pem "$key" "PUBLIC KEY"
  if [ -n "$root" ]; then
    [ -d "$root" ] || die $USAGE "--root: no such directory: $root" "--root：目录不存在：$root"
    root=$(cd "$root" && pwd) systemd=no
  fi
}

must_be_pem() {
  [ -z "$1" ] || grep -qs -e "^-----BEGIN $2-----" "$1" || die $USAGE "empty or missing, or no $2 in PEM: $1" "文件不存在、为空,或不是 PEM 格式($2)：$1"
}

places() {
  cache=$root/var/cache/classready-$role
  home=$root/opt/classready prefix=$root/opt/classready/$role etc=$root/etc/classready
  service=classready-$role.service
  units=$root/etc/systemd/system
  unit=$units/$service
  beside=''
  mailbox=$root/var/lib/classready-agent/upgrade taken=$prefix/requested
  command=classready-agent module=agent settings=$etc/agent.yml example=agent.example.yml lock=agent need_mib=100
  case $role in
    agent) beside="classready-acceptance.service classready-acceptance.timer classready-upgrade.service classready-upgrade.path" ;;
    collector) command=classready-collector module=collector settings=$etc/collector.yml example=collector.example.yml lock=collector need_mib=300 ;;
    responder) command=classready-collector module=collector settings=$etc/responder.conf example=responder.example.conf lock=collector need_mib=300 ;;
  esac
}

# ---- checks: nothing is changed until all of them hold

check_root() {
  [ -n "$root" ] || [ "$(id -u)" -eq 0 ] || die $NOT_ROOT "run it as root: sudo sh install.sh" "请用 root 运行：sudo sh install.sh"
}

# A directory that every system has is the lock: nothing is left behind.
take_lock() {
  exec 9<"$root/etc"
  if [ "$action" = requested ]; then set -- -w 900; else set -- -n; fi
  flock "$@" 9 || die $BUSY "another install.sh is at work; wait until it is done" "另一个 install.sh 正在运行,请等它结束"
}

check_systemd() {
  [ $systemd = no ] || [ -d /run/systemd/system ] ||
    die $NO_SYSTEMD "systemd is not running here; with --no-systemd it is installed, and you are told what to run" \
      "本机没有运行 systemd。加上 --no-systemd 可以安装,并会告诉您要运行的命令"
}

in_systemd() { for each in $beside; do echo "systemd/$each"; done; }

find_bundle() {
  bundle=${offline:-$(dirname "$0")}
  [ -z "$address" ] || fetch_bundle
  if [ -f "$bundle" ]; then
    scratch=$(mktemp -d)
    if ! tar -xzf "$bundle" -C "$scratch" 2>/dev/null; then
      tar -tzf "$bundle" >/dev/null 2>&1 || die $DAMAGED "$bundle is not a whole .tar.gz; copy it again" "$bundle 不是完整的 .tar.gz,请重新复制"
      die $NO_SPACE "no room in ${scratch%/*} to unpack $bundle; set TMPDIR to a folder that has some" \
        "${scratch%/*} 的空间不足以解开 $bundle,请把 TMPDIR 设为空间充足的目录"
    fi
    for bundle in "$scratch"/*; do :; done
  fi
  [ -d "$bundle" ] || die $USAGE "--offline: no such bundle: $bundle" "--offline：找不到安装包：$bundle"
  bundle=$(cd "$bundle" && pwd)
  for part in SHA256SUMS SHA256SUMS.sig bundle.pub VERSION BUILT_AT PLATFORMS PYTHONS pip.lock $lock.lock systemd/$service $(in_systemd); do
    [ -s "$bundle/$part" ] || die $DAMAGED "$part is missing in $bundle: no bundle for this role, or an incomplete copy" \
      "$bundle 中缺少 $part：安装包不含此角色,或没有复制完整"
  done
}

# The list and its signature first; nothing more is fetched unless the key that is known has signed it.
fetch_bundle() {
  bundle=$cache
  [ -s "${key:-$etc/bundle.pub}" ] || die $UNSIGNED "nothing says which key to trust: --from needs --key FILE at the first time" \
    "不知道应信任哪个公钥：首次使用 --from 需要 --key 文件"
  command -v curl >/dev/null || die $FAILED "the program curl is missing: apt-get install curl" "本机缺少程序 curl：apt-get install curl"
  say "fetching from $address" "正在从 $address 下载"
  mkdir -p "$cache"
  rm -f "$cache/SHA256SUMS" "$cache/SHA256SUMS.sig"
  fetch SHA256SUMS
  fetch SHA256SUMS.sig
  check_signature
  fetch_whole VERSION
  if [ "$prefix/releases/$(cat "$cache/VERSION")" = "$(links_to current)" ] && [ ! -e "$prefix/pending" ]; then
    [ $check_only = yes ] || rm -rf "$cache"
    say "everything is in place already" "一切已就绪,没有改动"
    exit $OK
  fi
  (cd "$cache" && find . -type f) | sed 's|^\./||' | while read -r name; do
    case $name in SHA256SUMS | SHA256SUMS.sig) ;; *) [ -n "$(listed "$name")" ] || rm -f "$cache/$name" ;; esac
  done
  while read -r _ name; do
    case $name in
      '' | /* | *..* | *[!A-Za-z0-9._+/@-]*) die $DAMAGED "the bundle names an odd file: $name" "安装包中有异常文件名：$name" ;;
    esac
    is_for_others "$name" || fetch_whole "$name"
  done <"$cache/SHA256SUMS"
}

listed() { awk -v name="$1" 'substr($0, 67) == name' "$cache/SHA256SUMS"; }
is_whole() { (cd "$cache" && listed "$1" | sha256sum --check --status 2>/dev/null); }

# What is there and wrong is the beginning of the file, or of another release's: then once more, from the start.
fetch_whole() {
  is_whole "$1" && return
  fetch "$1"
  is_whole "$1" && return
  rm -f "$cache/$1"
  fetch "$1"
  is_whole "$1" || die $DAMAGED "$address/$1 is not what was signed; nothing was changed" "$address/$1 与签名不符,没有做任何改动"
}

fetch() {
  mkdir -p "$(dirname "$cache/$1")"
  failed=0
  why=$(curl -fsS --proto "=${address%%:*}" ${ca_file:+--cacert "$ca_file"} --retry 5 --retry-delay 1 --connect-timeout 15 \
    --speed-limit 100 --speed-time 60 -C - -o "$cache/$1" "$address/$1" 2>&1) || failed=$?
  case $failed:$why in
    0:*) ;;
    33:*) rm -f "$cache/$1" ;; # no ranges there: it is fetched from the start
    22:*416*) ;;               # nothing is missing at its end
    23:*) die $NO_SPACE "no room in $cache for what is fetched" "$cache 的空间不足,无法保存下载的文件" ;;
    60:*expired* | 60:*"not yet valid"*)
      die $CLOCK "the certificate of $address is not valid on $(date +%Y-%m-%d), the date of this machine: check the clock, or tell who runs it" \
        "按本机日期 $(date +%Y-%m-%d),$address 的证书无效：请检查时钟,或联系对方" ;;
    *) die $UNREACHED "$address did not give $1: ${why#curl: } (what was fetched is kept; run it again)" \
      "没能从 $address 取得 $1：${why#curl: }(已下载的部分会保留,请再运行一次)" ;;
  esac
}

# Wheels and Pythons have the machine that they are for in their names.
is_for_others() {
  for other in x86_64 aarch64 loongarch64 riscv64; do
    [ "$other" = "$(uname -m)" ] && continue
    case $1 in wheels/*_"$other".whl | python/"$other".tar.gz) return 0 ;; esac
  done
  return 1
}

# A clock before the day on which this was built is certainly wrong; no certificate would be valid for it.
check_clock() {
  built_at=$(cat "$bundle/BUILT_AT")
  [ "$(date +%s)" -ge "$built_at" ] && return
  now=$(date +%Y-%m-%d)
  die $CLOCK "the clock is at $now, TLS would refuse; set it (date -s 'YYYY-MM-DD hh:mm') and see that NTP works: timedatectl" \
    "本机时钟是 $now,TLS 会拒绝连接。请校时(date -s '年-月-日 时:分'),并检查 NTP：timedatectl"
}

check_platform() {
  machine=$(uname -m)
  case " $(cat "$bundle/PLATFORMS") " in *" $machine "*) return ;; esac
  die $UNFIT "this bundle is for $(cat "$bundle/PLATFORMS"), this machine is $machine; ask the bureau for one that fits" \
    "本安装包适用于 $(cat "$bundle/PLATFORMS"),本机是 $machine。请向教育局索取对应的安装包"
}

links_to() { readlink "$prefix/$1" 2>/dev/null || true; }
is_kept() { [ "$1" = "$(links_to current)" ] || [ "$1" = "$(links_to previous)" ]; }

# What a killed run left, and releases before the last two, are removed before anything is built: they count as free.
check_space() {
  place=$prefix/releases
  while [ ! -d "$place" ]; do place=$(dirname "$place"); done
  free_kib=$(df -Pk "$place" | awk 'NR == 2 { print $4 }')
  for old in "$prefix"/releases/*; do
    [ ! -d "$old" ] || is_kept "$old" || free_kib=$((free_kib + $(du -sk "$old" | cut -f 1)))
  done
  [ -d "$release" ] || [ "$free_kib" -ge $((need_mib * 1024)) ] ||
    die $NO_SPACE "only $((free_kib / 1024)) MiB free in $place, $need_mib are needed" "$place 只剩 $((free_kib / 1024)) MiB,需要 $need_mib MiB"
}

# A card that fails is made read-only by the kernel, in the middle of its life; some systems are from the beginning.
check_writable() {
  for place in "$prefix" "$etc" "$unit" "$root/usr/local/bin"; do
    while [ ! -d "$place" ]; do place=$(dirname "$place"); done
    ! is_read_only "$place" || die $NO_SPACE "$place is on a disk that cannot be written (read-only): does it fail? See: dmesg" \
      "$place 所在的磁盘为只读,无法写入。磁盘可能有故障,请查看：dmesg"
  done
}

is_read_only() {
  awk -v at="$(df -P "$1" | awk 'NR == 2 { print $6 }')" '$2 == at { ro = $4 ~ /^ro(,|$)/ } END { exit !ro }' /proc/mounts
}

check_signature() {
  trusted=${key:-$etc/bundle.pub}
  [ -z "$wanted" ] || [ -s "$trusted" ] ||
    die $UNSIGNED "$trusted is missing: what comes over the network is not trusted without it" "缺少 $trusted：没有它就不信任从网络下载的安装包"
  [ -s "$trusted" ] || trusted=$bundle/bundle.pub
  if openssl version 2>/dev/null | grep -q '^OpenSSL [3-9]'; then
    openssl pkeyutl -verify -pubin -inkey "$trusted" -rawin -in "$bundle/SHA256SUMS" -sigfile "$bundle/SHA256SUMS.sig" >/dev/null 2>&1 && return
  elif verifier=$(any_python); then
    "$verifier" -I -c "$ED25519" "$trusted" "$bundle/SHA256SUMS" "$bundle/SHA256SUMS.sig" 2>/dev/null && return
  else
    die $NO_PYTHON "neither OpenSSL 3 nor any Python is here to check the signature; install one: $(how_to_python)" \
      "本机既没有 OpenSSL 3 也没有 Python,无法验证签名。请先安装：$(how_to_python)"
  fi
  die $UNSIGNED "the bundle is not signed by the key in $trusted; nothing was changed. Ask the bureau." \
    "安装包的签名与 $trusted 中的公钥不符,没有做任何改动。请联系教育局。"
}

# The agent's word is enough for something newer: whoever got hold of the agent must not bring back an old fault.
check_requested() {
  [ -n "$wanted" ] || return 0
  [ "$(cat "$bundle/VERSION")" = "$wanted" ] ||
    die $DAMAGED "the bundle is $(cat "$bundle/VERSION"), and $wanted was asked for" "安装包是 $(cat "$bundle/VERSION"),而要求的是 $wanted"
  [ "$built_at" -ge "$(cat "$prefix/current/BUILT_AT")" ] ||
    die $OLDER "$wanted is older than what runs; install it by hand if that is meant" "$wanted 比现用版本旧,如确需安装请手动操作"
}

any_python() {
  for each in "${python:-python3}" python3 /usr/libexec/platform-python; do
    if "$each" -c '' >/dev/null 2>&1; then echo "$each" && return; fi
  done
  return 1
}

# A link may lead elsewhere a moment later, and a pipe is never read to its end: a bundle has files and folders.
check_sums() {
  odd=$(cd "$bundle" && find . ! -type d ! -type f | head -n 1)
  [ -z "$odd" ] || die $DAMAGED "neither a file nor a folder, so not signed: ${odd#./} is in the bundle; nothing was changed" \
    "安装包中有既不是文件也不是文件夹的内容：${odd#./}。没有做任何改动。"
  wrong=$(cd "$bundle" && sha256sum --check --strict --quiet --ignore-missing SHA256SUMS 2>/dev/null | head -n 1) || true
  [ -z "$wrong" ] || die $DAMAGED "a file is not what was signed: ${wrong%%:*}; nothing was changed. Copy the bundle again." \
    "文件与签名不符：${wrong%%:*}。没有做任何改动,请重新复制安装包。"
  strange=$(cd "$bundle" && find . ! -type d | sed 's|^\./||' | awk '
    FILENAME == "SHA256SUMS" { listed[substr($0, 67)] = 1; next }
    !listed[$0] && $0 !~ /^SHA256SUMS(\.sig)?$/' SHA256SUMS - | head -n 1)
  [ -z "$strange" ] || die $DAMAGED "a file that was not signed is in the bundle: $strange; nothing was changed" \
    "安装包中有未经签名的文件：$strange。没有做任何改动。"
}

find_python() {
  brought=$bundle/python/$machine.tar.gz
  if [ -n "$python" ]; then set -- "$python"; else set -- python3.13 python3.12 python3.11 python3; fi
  for each in "$@"; do
    version=$("$each" -I -c 'import sys, venv; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
    case " $(cat "$bundle/PYTHONS") " in *" $version "*) python=$(command -v "$each") brought='' && return ;; esac
  done
  [ ! -f "$brought" ] || return 0
  die $NO_PYTHON "no Python of $(cat "$bundle/PYTHONS") is here; run: $(how_to_python)" \
    "本机没有 Python $(cat "$bundle/PYTHONS") 中的任何一个。请运行：$(how_to_python)"
}

how_to_python() {
  # shellcheck disable=SC1091 # the box's own
  distribution=$(. "$root/etc/os-release" 2>/dev/null && echo "${ID:-} ${VERSION_ID:-}") || true
  case $distribution in
    "ubuntu 22.04") echo "apt-get install python3.11" ;;
    "debian 11"* | "debian 10"* | "ubuntu 20.04" | kylin* | uos* | deepin* | "openEuler 2"[0-2]* | "openEuler 1"*)
      say "(this release of ${distribution%% *} has none) ask the bureau for a bundle that brings a Python" \
        "(此版本的 ${distribution%% *} 没有)请向教育局索取自带 Python 的安装包" ;;
    debian* | ubuntu* | '') echo "apt-get install python3" ;;
    openEuler* | fedora* | rhel* | centos*) echo "dnf install python3" ;;
    *) say "(the package of Python 3.11 or later)" "(安装 Python 3.11 或更高版本的软件包)" ;;
  esac
}

# Into variables: no secret is ever an argument or a file that others can read. What is wrong is found before any change.
read_secrets() {
  secret=''
  [ -z "$enroll$token_file" ] && return
  if [ -n "$enroll" ] && [ -s "$etc/secrets/token" ]; then
    say "This box has a token already; it is not enrolled again (to do so: remove $etc/secrets/token)." \
      "本机已有令牌,不再重新登记(如需重新登记,请先删除 $etc/secrets/token)。"
    enroll=''
    return
  fi
  from=${token_file:-$code_file}
  [ "$from" = - ] || [ -r "$from" ] || die $USAGE "no such file: $from" "文件不存在：$from"
  if [ "$from" = - ]; then secret=$(head -c 4097 | tr -d '\r'); else secret=$(head -c 4097 "$from" | tr -d '\r'); fi
  [ -n "$secret" ] || die $USAGE "the code or token is empty; nothing was changed" "登记码或令牌为空,没有做任何改动"
  case $secret in
    *[![:graph:]]*) die $USAGE "the code or token is not one line of printable characters; nothing was changed" "登记码或令牌应为一行可打印字符,没有做任何改动" ;;
  esac
  [ ${#secret} -le 4096 ] || die $USAGE "the code or token is longer than 4,096 characters" "登记码或令牌超过 4096 个字符"
}

# ---- the release

build() {
  say "building $release" "正在安装到 $release"
  umask 022 # the service's own user must be able to read the program
  prune
  mkdir -p "$prefix/releases"
  [ -z "$brought" ] || bring_python
  new=$release.tmp
  "$python" -I -m venv --without-pip --symlinks "$new"
  [ -z "$brought" ] || echo "$runtime" >"$new/runtime"
  fill || die $UNFIT "the bundle does not fit this machine or its Python ($python); what ran before still runs" \
    "安装包与本机或其 Python($python)不符,原来运行的版本不受影响"
  rm -f "$new"/bin/[aA]ctivate* "$new/own.lock" # an environment to run, not to work in
  # What pip wrote names the folder it was written in, on a second line where that has a space or is long.
  "$python" -I -c "$MOVED" "$new" "$release"
  cp -R "$bundle/systemd" "$bundle/VERSION" "$bundle/BUILT_AT" "$bundle/sbom.cdx.json" "$bundle/docs" "$bundle/install.sh" "$new"
  "$new/bin/python" -I -m "$module" --help >/dev/null
  sync -f "$new" 2>/dev/null || sync
  mv "$new" "$release"
  umask 077
}

fill() (
  own=$(cd "$bundle/wheels" && echo classready-*.whl)
  grep -F "  wheels/$own" "$bundle/SHA256SUMS" | while read -r sum _; do
    echo "classready==$(echo "$own" | cut -d - -f 2) --hash=sha256:$sum"
  done >"$new/own.lock"
  cd "$new" # the present folder may be gone
  PIP_CONFIG_FILE=/dev/null "$new/bin/python" -I "$(echo "$bundle"/wheels/pip-*.whl)/pip" --isolated --quiet --no-cache-dir \
    --disable-pip-version-check install --no-index --find-links "$bundle/wheels" --only-binary :all: --no-deps \
    --no-warn-script-location --require-hashes --requirement "$bundle/$lock.lock" --requirement "$new/own.lock"
)

bring_python() {
  runtime=$prefix/python/$(sha256sum "$brought" | cut -c 1-16)
  if [ ! -d "$runtime" ]; then
    rm -rf "$runtime.tmp"
    mkdir -p "$runtime.tmp"
    tar -xzf "$brought" -C "$runtime.tmp" --strip-components 1
    mv "$runtime.tmp" "$runtime"
  fi
  python=$runtime/bin/python3
  "$python" -I -c 'import venv' 2>/dev/null || die $UNFIT "the Python in the bundle does not run on this machine" "安装包自带的 Python 不能在本机运行"
}

# Only the last two releases stay, and the Pythons that they use.
prune() {
  for old in "$prefix"/releases/*; do
    [ ! -e "$old" ] || is_kept "$old" || [ "$old" = "$release" ] || rm -rf "$old"
  done
  for old in "$prefix"/python/*; do
    [ ! -d "$old" ] || grep -qsxF "$old" "$prefix"/releases/*/runtime || rm -rf "$old"
  done
}

point() {
  [ "$(links_to "$1")" = "$2" ] && return
  ln -sfn "$2" "$prefix/$1.new"
  mv -T "$prefix/$1.new" "$prefix/$1"
}

# Copy a file if it differs from what is there; whole or not at all.
put() {
  cmp -s "$2" "$3" && return
  (umask 022 && mkdir -p "$(dirname "$3")")
  cp "$2" "$3.new"
  chmod "$1" "$3.new"
  mark
  settle "$3.new"
  mv -T "$3.new" "$3"
}

# Onto the disk before it gets its name: a power cut a moment later would leave that name with nothing in it.
settle() { sync "$1" 2>/dev/null || sync; }

# From the first change to the end of the health gate `pending` says that what runs may not be what is installed; in it is
# the release that `previous` named, for a rollback.
mark() {
  changed=yes
  [ -e "$prefix/pending" ] || links_to previous >"$prefix/pending"
}

# ---- settings and secrets

install_settings() {
  (umask 022 && mkdir -p "$etc")
  [ -d "$etc/secrets" ] || mkdir "$etc/secrets"
  put 644 "$trusted" "$etc/bundle.pub"
  [ -z "$ca_file" ] || put 644 "$ca_file" "$etc/secrets/ca.pem"
  if [ -n "$enroll" ]; then enroll_box; fi
  if [ -n "$token_file" ] && [ "$secret" != "$(cat "$etc/secrets/token" 2>/dev/null)" ]; then
    printf '%s\n' "$secret" >"$etc/secrets/.token.new"
    mark
    settle "$etc/secrets/.token.new"
    mv -T "$etc/secrets/.token.new" "$etc/secrets/token"
  fi
  [ -e "$settings" ] || put 644 "$bundle/configs/$example" "$settings"
}

# The code goes through a pipe; the token is written by what received it.
enroll_box() {
  answered=0
  mark
  printf '%s' "$secret" | "$release/bin/python" -I -c "$ENROLL" "$enroll" "$etc" "$bundle/configs/agent.enrolled.yml" "$language" "$(cat "$bundle/VERSION")" "$ca_file" ||
    answered=$?
  case $answered in
    0) ;;
    "$USAGE" | "$CLOCK" | "$REFUSED" | "$UNREACHED") explained=yes && exit $answered ;;
    *) exit $answered ;;
  esac
}

# ---- the service

is_configured() {
  case $role in
    responder) [ -s "$etc/secrets/responder-key" ] ;;
    *) "$1/bin/$command" check -c "$settings" >/dev/null 2>&1 ;;
  esac
}

# The service of a release, and the units that it wants beside it; those that the release does not have go.
put_units() {
  put 644 "$1/systemd/$service" "$unit"
  for each in $beside; do
    if [ -e "$1/systemd/$each" ]; then put 644 "$1/systemd/$each" "$units/$each"; else remove_unit "$each"; fi
  done
}

remove_unit() {
  [ -e "$units/$1" ] || return 0
  # by which this is run, if the agent asked for it
  [ "$action:$1" != requested:classready-upgrade.service ] || return 0
  if [ $systemd = yes ] && [ -d /run/systemd/system ]; then systemctl --quiet stop "$1"; fi
  rm -f "$units/$1" "$units/$1.new" "$root/var/lib/systemd/timers/stamp-$1"
}

switch_to() {
  if [ "$(links_to current)" != "$1" ]; then
    mark
    [ -z "$(links_to current)" ] || point previous "$(links_to current)"
    point current "$1"
  fi
  put_units "$1"
  if [ "$(readlink "$root/usr/local/bin/$command" 2>/dev/null || true)" != "$prefix/current/bin/$command" ]; then
    mkdir -p "$root/usr/local/bin"
    ln -sfn "$prefix/current/bin/$command" "$root/usr/local/bin/$command"
  fi
}

restart() {
  systemctl daemon-reload
  systemctl --quiet enable "$service"
  started_at=$(date +%s)
  systemctl restart "$service" 2>/dev/null
}

# Of this boot: what a slow box does between two looks counts, and what sets the clock meanwhile does not.
up_s() { cut -d . -f 1 /proc/uptime; }

main_pid() { systemctl show --property MainPID --value "$service" 2>/dev/null || true; }

# Over how long an agent spreads its first report (agent/spread.py): much longer on a box that has just got its power
# back, as all its neighbours have. How often it reports the bureau may say: then agent.yml does not, and it is the longest.
spread_s() {
  interval_s=$(sed -n 's/^report_interval_s: *\([0-9][0-9]*\).*/\1/p' "$settings" | head -n 1)
  if [ "$role" != agent ]; then
    echo 0
  elif [ "$(up_s)" -lt 180 ]; then
    at_most 60 $((${interval_s:-80} * 3 / 4 + 1))
  else
    at_most 20 $((${interval_s:-100} / 5 + 1))
  fi
}

at_most() { if [ "$2" -lt "$1" ]; then echo "$2"; else echo "$1"; fi; }

# A release is well when the collector has acknowledged a report of it, or, without a page to ask, when it runs steadily.
is_well() {
  limit_s=${health_s:-$((40 + $(spread_s)))}
  begun_s=$(up_s) steady_s=0 seen=$(main_pid)
  while :; do
    if systemctl --quiet is-active "$service" && [ "$(main_pid)" = "$seen" ]; then
      steady_s=$((steady_s + 1))
    else
      steady_s=0 seen=$(main_pid)
    fi
    page=none
    [ "$role" != agent ] || page=$("$prefix/current/bin/python" -I -c "$HEALTH" "$started_at")
    case $page in
      acknowledged) [ $steady_s -eq 0 ] || return 0 ;;
      none) [ $steady_s -le $STEADY_S ] || return 0 ;;
    esac
    [ $(($(up_s) - begun_s)) -lt "$limit_s" ] || return 1
    sleep 1
  done
}

start() {
  if [ $systemd = no ] || ! is_configured "$release"; then
    [ $systemd = no ] || systemctl daemon-reload
    rm -f "$prefix/pending"
    what_is_left
    return
  fi
  if [ "$changed" = no ] && [ ! -e "$prefix/pending" ] && systemctl --quiet is-active "$service"; then return; fi
  say "starting, and waiting until it is well" "正在启动,等待运行正常"
  if restart && is_well; then
    rm -f "$prefix/pending"
    say "$service runs; its log: journalctl -u ${service%.service}" "$service 已正常运行；日志：journalctl -u ${service%.service}"
  else
    roll_back
  fi
}

roll_back() {
  before=$(links_to previous)
  if [ -z "$before" ] || [ "$before" = "$release" ] || [ ! -d "$before" ]; then
    die $UNHEALTHY "it was installed, but no report was acknowledged in time; see: journalctl -u ${service%.service}" \
      "已安装,但没有一份报告被及时确认。请查看：journalctl -u ${service%.service}"
  fi
  older=$(cat "$prefix/pending")
  point current "$before"
  if [ -d "$older" ]; then point previous "$older"; else rm -f "$prefix/previous"; fi
  put_units "$before"
  restart || die $UNHEALTHY "neither the new release nor the one before starts; see: journalctl -u ${service%.service}" \
    "新旧两个版本都无法启动。请查看：journalctl -u ${service%.service}"
  rm -rf "$prefix/pending" "$release"
  die $ROLLED_BACK "release ${release##*/} did not get well in time; ${before##*/} runs again" \
    "新版本 ${release##*/} 没有及时正常运行,已恢复为 ${before##*/}"
}

what_is_left() {
  say "Installed. What is left to do:" "已安装。还需要：" 
  [ "$role" != agent ] || [ -s "$etc/secrets/token" ] || say "  token    sh install.sh --token-file FILE" "  令牌    sh install.sh --token-file 文件"
  say "  edit     $settings" "  编辑    $settings"
  [ "$role" = responder ] || say "  check    $prefix/current/bin/$command check -c $settings" "  检查    $prefix/current/bin/$command check -c $settings"
  if [ $systemd = yes ]; then
    say "  start    systemctl enable --now ${service%.service}" "  启动    systemctl enable --now ${service%.service}"
  else
    say "  run      $(sed -n 's/^ExecStart=//p' "$unit")" "  运行    $(sed -n 's/^ExecStart=//p' "$unit")"
  fi
}

# Releases before this one had one place for the agent alone; a collector's own folder there is no link, and stays.
remove_old_layout() {
  [ "$role" = agent ] && [ -L "$home/venv" ] || return 0
  rm -rf "$home/venv" "$home/venv.new" "$home/releases"
}

do_install() {
  changed=no
  check_systemd
  find_bundle
  release=$prefix/releases/$(cat "$bundle/VERSION")
  check_platform
  check_clock
  check_signature
  check_sums
  check_requested
  find_python
  check_writable
  check_space
  read_secrets
  [ $check_only = no ] || { say "all checks hold; nothing was changed" "检查全部通过,没有做任何改动" && return; }
  if [ ! -d "$release" ]; then build; fi
  refuse_what_refuses_its_settings
  install_settings
  switch_to "$release"
  [ "$changed" = yes ] || [ -e "$prefix/pending" ] || say "everything is in place already" "一切已就绪,没有改动"
  start
  remove_old_layout
  prune
  rm -rf "$cache"
}

# What runs well with these settings is not exchanged for what would not start with them.
refuse_what_refuses_its_settings() {
  present=$(links_to current)
  if [ -n "$present" ] && [ "$present" != "$release" ] && [ -e "$settings" ] && is_configured "$present" && ! is_configured "$release"; then
    "$release/bin/$command" check -c "$settings" >&2 || true
    rm -rf "$release"
    die $ROLLED_BACK "the new release refuses $settings (above); ${present##*/} still runs" "新版本不接受 $settings(见上),${present##*/} 继续运行"
  fi
}

do_rollback() {
  changed=no
  release=$(links_to previous)
  [ -d "$release" ] || die $USAGE "there is no release before this one" "没有可以恢复的旧版本"
  switch_to "$release"
  start
}

# ---- what the agent asked for

# The bundle lies where the agent may write: it is copied first, so that what is checked is what is installed.
do_requested() {
  changed=no
  [ -s "$taken/request" ] || take_request
  wanted=$(cut -d ' ' -f 1 "$taken/request") nonce=$(cut -d ' ' -f 2 "$taken/request")
  offline=$taken/bundle
  do_install
}

take_request() {
  rm -rf "$taken" "$taken.tmp"
  [ -f "$mailbox/request" ] || die $USAGE "nothing was asked for" "没有升级请求"
  request=$(head -c 100 "$mailbox/request" | head -n 1)
  rm -f "$mailbox/request"
  printf '%s\n' "$request" | grep -qE '^[0-9A-Za-z][0-9A-Za-z.+-]{0,63} [0-9a-f]{16}$' || die $USAGE "not a request: $mailbox/request" "无法识别的升级请求：$mailbox/request"
  mkdir -p "$taken.tmp"
  wanted=${request% *} nonce=${request#* }
  size_kib=$(du -sk --apparent-size "$mailbox/bundle" | cut -f 1)
  free_kib=$(df -Pk "$prefix" | awk 'NR == 2 { print $4 }')
  [ "$size_kib" -le $((COPY_MAX_MIB * 1024)) ] || die $DAMAGED "the bundle has $((size_kib / 1024)) MiB" "安装包大小异常：$((size_kib / 1024)) MiB"
  [ "$free_kib" -ge $((size_kib + need_mib * 1024)) ] ||
    die $NO_SPACE "only $((free_kib / 1024)) MiB free in $prefix" "$prefix 只剩 $((free_kib / 1024)) MiB"
  cp -R -P "$mailbox/bundle" "$taken.tmp/bundle"
  odd=$(find "$taken.tmp/bundle" ! -type d ! -type f | head -n 1)
  [ -z "$odd" ] || die $DAMAGED "not a plain file: ${odd#"$taken.tmp/"}; nothing was changed" "不是普通文件：${odd#"$taken.tmp/"}。没有做任何改动"
  printf '%s\n' "$request" >"$taken.tmp/request"
  mv "$taken.tmp" "$taken"
}

# For the agent, which must not be able to write here, and reads what became of its request.
note_result() {
  rm -rf "$taken.tmp"
  [ "$code" -lt $KILLED ] || return 0
  (umask 022 && printf '%s %s %s\n' "$wanted" "$nonce" "$code" >"$prefix/upgraded.new")
  mv "$prefix/upgraded.new" "$prefix/upgraded"
  rm -rf "$taken"
}

do_uninstall() {
  if [ $systemd = yes ] && [ -e "$unit" ] && [ -d /run/systemd/system ]; then
    systemctl --quiet disable --now "$service"
  fi
  for each in $beside; do remove_unit "$each"; done
  rm -f "$unit" "$unit.new"
  case $(readlink "$root/usr/local/bin/$command" 2>/dev/null || true) in "$prefix"/*) rm -f "$root/usr/local/bin/$command" ;; esac
  rm -rf "$prefix" "$cache"
  remove_old_layout
  if [ $keep_data = no ]; then remove_data; fi
  for folder in "$home" "$etc"; do
    [ ! -d "$folder" ] || rmdir "$folder" 2>/dev/null || true
  done
  if [ $systemd = yes ] && [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
  say "classready-$role is removed" "classready-$role 已卸载"
}

# Secrets and the key are shared by all roles on a machine: the last one takes them along.
remove_data() {
  rm -rf "$root/var/lib/classready-$role" "$root/var/lib/private/classready-$role" "$settings" "$settings.new" "$settings.before"
  [ "$role" != agent ] || rm -rf "$etc/agent.d" "$etc/no-monthly-acceptance"
  for other in agent.yml collector.yml responder.conf; do
    [ ! -e "$etc/$other" ] || return 0
  done
  rm -rf "$etc/secrets" "$etc/bundle.pub"
}

# shellcheck disable=SC2016 # Python, not shell
programs() {
  # Ed25519 (RFC 8032, section 5.1.7) for boxes without OpenSSL 3. For Python 3.6 and later.
  ED25519='
import base64, hashlib, sys
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
def add(a, b):
    s, t = (a[1] - a[0]) * (b[1] - b[0]), (a[1] + a[0]) * (b[1] + b[0])
    u, v = 2 * a[3] * b[3] * D, 2 * a[2] * b[2]
    return (t - s) * (v - u) % P, (v + u) * (t + s) % P, (v - u) * (v + u) % P, (t - s) * (t + s) % P
def times(n, a):
    r = (0, 1, 1, 0)
    while n:
        r, a, n = add(r, a) if n & 1 else r, add(a, a), n >> 1
    return r
def point(raw):
    n = int.from_bytes(raw, "little")
    y, odd = n % 2**255, n >> 255
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if y >= P or (x * x - square) % P or (x == 0 and odd):
        sys.exit(1)
    x = x if x % 2 == odd else P - x
    return x, y, 1, x * y % P
key, message, signature = (open(name, "rb").read() for name in sys.argv[1:])
der = base64.b64decode(b"".join(key.split(b"-----")[2].split()))
if der[:12].hex() != "302a300506032b6570032100" or len(der) != 44 or len(signature) != 64:
    sys.exit(1)
s = int.from_bytes(signature[32:], "little")
k = int.from_bytes(hashlib.sha512(signature[:32] + der[12:] + message).digest(), "little") % L
base = point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))
one, two = times(s, base), add(point(signature[:32]), times(k, point(der[12:])))
sys.exit(s >= L or (one[0] * two[2] - two[0] * one[2]) % P != 0 or (one[1] * two[2] - two[1] * one[2]) % P != 0)
'
  MOVED='
import os, sys
new, release = (name.encode() + b"/bin/" for name in sys.argv[1:])
for entry in os.scandir(new):
    if entry.is_file(follow_symlinks=False):
        with open(entry.path, "rb+") as file:
            text = file.read()
            head, rest = text[:1024], text[1024:]
            if text.startswith(b"#!") and new in head:
                file.seek(0)
                file.truncate()
                file.write(head.replace(new, release, 1) + rest)
'
  # Prints whether the collector has acknowledged a report since the given time; "none" where there is no page.
  HEALTH='
import json, sys, urllib.error, urllib.request
try:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open("http://127.0.0.1:9712/healthz", timeout=2) as answer:
        last = json.loads(answer.read(65536)).get("last_ack_at")
    print("acknowledged" if last and last >= float(sys.argv[1]) else "waiting")
except urllib.error.HTTPError:
    print("waiting")  # its spool does not answer
except Exception:
    print("none")
'
  # Asks for name and token, and writes them; the code comes on standard input.
  ENROLL='
import http.client, json, os, platform, re, secrets, socket, ssl, sys, time, urllib.error, urllib.request
url, etc, template, language, version, ca_file = sys.argv[1:]
def end(code, english, chinese):
    sys.stderr.write("install.sh: " + (chinese if language.startswith("zh") else english) + "\n")
    sys.exit(code)
def keep(path, text, mode):
    with open(path + ".new", "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.rename(path + ".new", path)
# Its own secret: whoever is killed before the answer was written asks again with it, and the code is still good.
attempt_file = etc + "/secrets/.attempt"
if not os.path.exists(attempt_file):
    keep(attempt_file, secrets.token_hex(16), 0o600)
attempt = open(attempt_file, encoding="utf-8").read()
box = {"name": socket.gethostname(), "arch": platform.machine(), "version": version, "clock": time.time(), "attempt": attempt}
fields = {"Content-Type": "application/json", "Accept-Language": "zh" if language.startswith("zh") else "en"}
said = json.dumps({"code": sys.stdin.read(), **box}).encode()
try:
    tls = ssl.create_default_context(cafile=ca_file or None)
except OSError as error:
    end(2, f"no certificate can be read in {ca_file}: {error}", f"无法读取证书 {ca_file}：{error}")
tls.minimum_version = ssl.TLSVersion.TLSv1_2
opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=tls))
try:
    with opener.open(urllib.request.Request(url + "/api/v1/enroll", said, fields), timeout=30) as answer:
        given = json.loads(answer.read(65536))
    gateway, token = given["gateway"], given["token"]
    if not re.fullmatch("[a-z0-9][a-z0-9-]{2,39}", gateway) or not re.fullmatch("[!-~]{1,4096}", token):
        raise ValueError("neither name nor token")
    link = dict(given.get("link") or {})
    port = int(link.get("port") or 0)
except urllib.error.HTTPError as error:
    try:
        said = json.loads(error.read(65536))
        why = "".join(c if c.isprintable() else " " for c in str(said.get("error") or ""))[:300]
    except Exception:
        why = ""
    if error.code >= 500:
        end(13, f"the collector at {url} does not work at the moment ({error.code}); the code is still good: {why}",
            f"采集服务 {url} 暂时不可用({error.code}),登记码仍然有效：{why}")
    end(8 if error.code == 422 else 12, f"the collector refused the enrolment ({error.code}): {why}", f"采集服务拒绝了登记({error.code})：{why}")
except urllib.error.URLError as error:
    reason = error.reason
    if isinstance(reason, ssl.SSLCertVerificationError) and reason.verify_code in (9, 10):
        now = time.strftime("%Y-%m-%d")
        end(8, f"the certificate of the collector is not valid at {now}, the date of this box: check the clock, or tell the bureau",
            f"按本机日期 {now},采集服务的证书无效：请检查时钟,或联系教育局")
    proxy = urllib.request.getproxies().get(url.partition(":")[0], "").rpartition("@")[2]
    by = (f" (by the proxy {proxy})", f"(经代理 {proxy})") if proxy else ("", "")
    end(13, f"the collector at {url} was not reached{by[0]}: {reason}", f"连不上采集服务 {url}{by[1]}：{reason}")
except (TimeoutError, ConnectionError, http.client.IncompleteRead) as error:
    end(13, f"the collector at {url} did not answer to the end: {error!r}", f"采集服务 {url} 没有完整应答：{error!r}")
except Exception as error:
    end(13, f"what answers at {url} is not the collector: {error!r}", f"{url} 的应答不是采集服务：{error!r}")
text = open(template, encoding="utf-8").read().replace("\"@GATEWAY@\"", json.dumps(gateway))
text = text.replace("\"@URL@\"", json.dumps(str(given.get("collector_url") or url)))
if ca_file:
    text = text.replace("# ca_file:", "ca_file:")
if link.get("kind") == "mqtt":
    lines = ["kind: mqtt", "host: " + json.dumps(str(link.get("host"))), "port: " + str(port), "password_file: secrets/token"]
    if link.get("ca"):
        keep(etc + "/secrets/broker-ca.pem", str(link["ca"]), 0o644)
        lines.append("ca_file: secrets/broker-ca.pem")
    before, _, rest = text.partition("link:\n")
    after = re.sub(r"\A(  .*\n)+", "", rest)
    text = before + "link:\n" + "".join("  " + line + "\n" for line in lines) + after
settings = etc + "/agent.yml"
if os.path.exists(settings):
    present = open(settings, encoding="utf-8").read()
    if not re.search(r"^gateway: *\"?" + re.escape(gateway) + r"\"?\s*(#.*)?$", present, re.MULTILINE):
        os.rename(settings, settings + ".before")
# The token last: with it, this box counts as enrolled.
if not os.path.exists(settings):
    keep(settings, text, 0o644)
keep(etc + "/secrets/token", token + "\n", 0o600)
os.remove(attempt_file)
'
}

main() {
  set -eu
  umask 077
  unset IFS
  language=${LC_ALL:-${LC_MESSAGES:-${LANG:-}}} explained=no scratch='' wanted=''
  trap on_exit EXIT
  trap 'exit 130' INT TERM HUP
  parse "$@"
  places
  check_root
  take_lock
  programs
  "do_$action"
}

main "$@"
