#!/bin/sh
# Fetches classready from this bureau's collector, checks every file of it, and starts its own install.sh.
# Everything is in functions, and the last line calls one: a copy that was cut short does nothing.

usage() {
  cat <<'TEXT'
usage: curl -fsS URL/install | sudo sh -s -- [--ca-sha256 HEX] CODE

  CODE               the one-time code of this school's slip
  --ca-sha256 HEX    trust the certificate that the collector shows, if its digest is this one
TEXT
}

say() {
  case $language in
    zh*) printf 'install: %s\n' "$2" >&2 ;;
    *) printf 'install: %s\n' "$1" >&2 ;;
  esac
}

die() {
  code_of_exit=$1
  shift
  say "$@"
  exit "$code_of_exit"
}

parse() {
  code='' ca_sha256=''
  while [ $# -gt 0 ]; do
    case $1 in
      --ca-sha256)
        [ $# -ge 2 ] || die 2 "--ca-sha256 needs a digest" "--ca-sha256 后面缺少摘要"
        ca_sha256=$2
        shift
        ;;
      -h | --help) usage && exit 0 ;;
      -*) usage >&2 && exit 2 ;;
      *) code=$code$1 ;; # typed in groups with spaces between them, it is still one code
    esac
    shift
  done
  [ -n "$code" ] || die 2 "the code of the slip is missing at the end of the line" "命令行末尾缺少登记单上的登记码"
}

check_box() {
  [ "$(id -u)" = 0 ] || die 3 "only root can install: write sudo before sh" "需要 root 权限：请在 sh 前加上 sudo"
  for program in curl sha256sum mktemp; do
    command -v "$program" >/dev/null || die 1 "the program $program is missing" "本机缺少程序 $program"
  done
  off_s=$(($(date +%s) - now_at))
  [ "${off_s#-}" -lt 86400 ] ||
    die 8 "the clock of this box says $(date '+%Y-%m-%d'): set it first, the code is still good" \
      "本机日期为 $(date '+%Y-%m-%d'),请先校准时钟;登记码仍然有效"
}

trust() {
  [ -n "$ca_sha256" ] || return 0
  curl -fsSk --connect-timeout 15 -o "$folder/ca.pem" "$url/install/ca.pem" ||
    die 13 "the collector at $url did not give its certificate" "没能从采集服务 $url 取得证书"
  printf '%s  %s\n' "$ca_sha256" "$folder/ca.pem" | sha256sum -c - >/dev/null 2>&1 ||
    die 10 "the certificate is not the one that the slip names: stop, and tell the bureau" \
      "证书与登记单上的不一致：请停止安装并联系教育局"
}

# Again where it stopped: a rural line breaks in the middle of a file. 23: curl could not write what it got (curl(1)).
fetch() {
  mkdir -p "$(dirname "$bundle/$1")"
  failed=0
  curl -fsS ${ca_sha256:+--cacert "$folder/ca.pem"} --retry 5 --retry-delay 2 --connect-timeout 15 -C - \
    -o "$bundle/$1" "$url/install/bundle/$1" 2>"$folder/why" || failed=$?
  cat "$folder/why" >&2
  case $failed in
    0) ;;
    60) if grep -qE 'expired|not yet valid' "$folder/why"; then
      today=$(date '+%Y-%m-%d')
      die 8 "the certificate of the collector is not valid on $today, the date of this box: check the clock, or tell the bureau" \
        "按本机日期 $today,采集服务的证书无效：请检查时钟,或联系教育局"
    else
      die 13 "the certificate of the collector at $url is not trusted here" "本机不信任采集服务 $url 的证书"
    fi ;;
    23) die 7 "no room in ${folder%/*} for what is fetched; set TMPDIR to a folder that has some" \
      "${folder%/*} 的空间不足,无法保存下载的文件,请把 TMPDIR 设为空间充足的目录" ;;
    *) die 13 "the collector at $url did not give $1" "没能从采集服务 $url 取得 $1" ;;
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

fetch_bundle() {
  say "fetching from $url" "正在从 $url 下载"
  fetch SHA256SUMS
  fetch SHA256SUMS.sig
  while read -r _ name; do
    case $name in
      '' | /* | *..* | *[!A-Za-z0-9._+/@-]*) die 10 "the bundle names an odd file: $name" "安装包中有异常文件名：$name" ;;
    esac
    is_for_others "$name" || fetch "$name"
  done <"$bundle/SHA256SUMS"
  (cd "$bundle" && sha256sum -c --quiet --ignore-missing SHA256SUMS >/dev/null 2>&1) ||
    die 10 "a file was damaged on its way; run the same line again" "下载的文件有损坏,请重新运行同一行命令"
}

main() {
  set -eu
  umask 077
  url=@URL@ now_at=@NOW@
  language=${LC_ALL:-${LC_MESSAGES:-${LANG:-}}}
  parse "$@"
  check_box
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  trap 'exit 130' INT TERM HUP
  bundle=$folder/bundle
  mkdir "$bundle"
  trust
  fetch_bundle
  # The code goes through a pipe: what stands on a command line everybody on the box can read.
  if [ -n "$ca_sha256" ]; then set -- --ca-file "$folder/ca.pem"; else set --; fi
  printf '%s\n' "$code" | sh "$bundle/install.sh" --enroll "$url" "$@"
}

main "$@"
