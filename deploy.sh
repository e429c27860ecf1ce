#!/usr/bin/env bash
# Sets up what is missing and runs ALEX from this checkout. Works in bash 3.2 (macOS) and from any directory.
set -euo pipefail

self=${BASH_SOURCE[0]}
while [ -L "$self" ]; do
  target=$(readlink "$self")
  case $target in
    /*) self=$target ;;
    *) self=$(dirname "$self")/$target ;;
  esac
done
root=$(cd "$(dirname "$self")" && pwd -P)
cd "$root"
node=$root/node_modules/.bin/node
# Compiled modules are kept: the service starts a third faster.
export NODE_COMPILE_CACHE=${NODE_COMPILE_CACHE:-$root/.alex/cache}

usage() {
  cat <<'TXT'
usage: ./deploy.sh COMMAND

  run "TASK" [OPTIONS]   start ALEX if it isn't up, submit the task and follow it to its answer
                         (--session ID, --agent-preset NAME, --tool-preset NAME, --model NAME,
                          --max-iterations N, --json)
  start [SETTINGS]       API, worker and, without REDIS_URL, a Redis of its own, in the background
  status                 what runs, and how it is (exit code 3: nothing does)
  doctor [--json]        what is missing or set wrongly, and what to do (exit code 1: a problem)
  logs [api|worker|redis] [-f]
  stop, down             stop what start started
  restart [SETTINGS]
  test                   set up what tests need and run all of them
  help

PORT, ALEX_HOME and REDIS_URL tell several instances apart; logs and pid files are in .alex/<port>/.
TXT
}

say() { printf '==> %s\n' "$*" >&2; }
die() {
  printf 'deploy.sh: %s\n' "$*" >&2
  exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }
have_redis() { have redis-server || have valkey-server; }

# --- system packages -------------------------------------------------------------------------------------------

manager() {
  for each in apt-get dnf apk brew; do
    if have "$each"; then
      printf '%s' "$each"
      return
    fi
  done
}

# The package that brings a command.
package_of() {
  case "$1:$2" in
    rg:*) echo ripgrep ;;
    bwrap:*) echo bubblewrap ;;
    redis:apt-get) echo redis-server ;;
    promtool:dnf) echo golang-github-prometheus ;;
    promtool:*) echo prometheus ;;
    redis:dnf) if dnf -q list valkey >/dev/null 2>&1; then echo valkey; else echo redis; fi ;;
    npm:brew) echo node ;;
    *) echo "$1" ;;
  esac
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  else
    sudo "$@"
  fi
}

may_be_root() {
  [ "$(id -u)" -eq 0 ] || { have sudo && { [ -t 0 ] || sudo -n true 2>/dev/null; }; }
}

policy=/usr/sbin/policy-rc.d
policy_set=

# Debian starts and enables a service it installs: while this policy stands it does not start it.
forbid_services() {
  if [ -e "$policy" ]; then as_root mv "$policy" "$policy.before-alex"; fi
  policy_set=yes
  trap allow_services EXIT
  printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
  as_root chmod 755 "$policy"
}

allow_services() {
  [ -n "$policy_set" ] || return 0
  policy_set=
  as_root rm -f "$policy"
  if [ -e "$policy.before-alex" ]; then as_root mv "$policy.before-alex" "$policy"; fi
}

install_packages() {
  case $(manager) in
    apt-get) as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >&2 ;;
    dnf) as_root dnf install -y "$@" >&2 ;;
    apk) as_root apk add --no-cache "$@" >&2 ;;
    brew) brew install "$@" >&2 ;;
  esac
}

# Installs the packages of the commands given; one that cannot be had does not keep the others away.
install_commands() {
  local with packages='' wanted
  with=$(manager)
  [ -n "$with" ] || die "install these yourself, there is no apt-get, dnf, apk or brew here: $*"
  for wanted in "$@"; do packages="$packages $(package_of "$wanted" "$with")"; done
  if [ "$with" != brew ] && ! may_be_root; then
    say "root is needed: let somebody install$packages ($with)"
    return 0
  fi
  say "installing$packages ($with)"
  if [ "$with" = apt-get ]; then
    as_root apt-get update -qq >&2 || say "apt-get update failed, going on with what is known"
    forbid_services
  fi
  # shellcheck disable=SC2086 # package names are words
  if ! install_packages $packages; then
    for wanted in $packages; do install_packages "$wanted" || say "$wanted could not be installed"; done
  fi
  if [ "$with" = apt-get ]; then
    if have systemctl; then
      for wanted in "$@"; do
        case $wanted in
          redis) as_root systemctl disable redis-server >/dev/null 2>&1 || true ;;
          nginx) as_root systemctl disable nginx >/dev/null 2>&1 || true ;;
          promtool) as_root systemctl disable prometheus >/dev/null 2>&1 || true ;;
        esac
      done
    fi
    allow_services
  fi
  hash -r
}

setup_tools() {
  local missing='' tool
  if ! have_redis && { [ "$1" = test ] || [ -z "${REDIS_URL:-}" ]; }; then missing="$missing redis"; fi
  for tool in npm git rg jq curl; do
    if ! have "$tool"; then missing="$missing $tool"; fi
  done
  if [ "$(uname -s)" = Linux ] && ! have bwrap; then missing="$missing bwrap"; fi
  # Tests only. Debian keeps it where a user's PATH does not look.
  if [ "$1" = test ] && ! have nginx && [ ! -x /usr/sbin/nginx ]; then missing="$missing nginx"; fi
  # Tests check metrics and alerts with it.
  if [ "$1" = test ] && ! have promtool; then missing="$missing promtool"; fi
  if [ "$1" = test ] && ! have chromium; then missing="$missing chromium"; fi
  [ -n "$missing" ] || return 0
  # shellcheck disable=SC2086 # command names are words
  install_commands $missing
  for tool in $missing; do
    case $tool in
      redis) have_redis || die 'ALEX needs redis-server or valkey-server (or REDIS_URL)' ;;
      npm) have npm || die 'ALEX needs npm' ;;
      nginx) have nginx || [ -x /usr/sbin/nginx ] || say 'without nginx its tests fail' ;;
      bwrap) have bwrap || say 'without bubblewrap, commands of tasks run unsandboxed unless sandbox is "required"' ;;
      *) have "$tool" || say "$tool is missing: what needs it will say so" ;;
    esac
  done
}

# --- Node packages ---------------------------------------------------------------------------------------------

stamp=node_modules/.alex-installed

setup_packages() {
  local now
  now=$(cat package.json package-lock.json | cksum)
  if [ -x "$node" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$now" ]; then return 0; fi
  say 'installing Node packages'
  npm install --include=dev --no-audit --no-fund --no-update-notifier --loglevel=error >&2
  # npm may have rewritten the lock file.
  cat package.json package-lock.json | cksum >"$stamp"
}

# The web console, when there is none or its sources are newer. Without it everything else works all the same.
setup_console() {
  local vite=node_modules/vite/bin/vite.js newer=none
  [ -e "$vite" ] || return 0
  if [ -e dist/web/index.html ]; then
    newer=$(find src/web src/client src/schemas vite.config.ts package-lock.json -newer dist/web/index.html | sed -n 1p)
  fi
  [ -n "$newer" ] || return 0
  say 'building the web console'
  "$node" "$vite" build --logLevel error >&2 || say 'it could not be built: the API runs without it'
}

setup() {
  setup_tools "$1"
  setup_packages
  setup_console
}

# --- commands --------------------------------------------------------------------------------------------------

cli() { "$node" src/cli/main.ts "$@"; }

started_here() {
  local file
  for file in .alex/*/alex.pid; do
    if [ -e "$file" ]; then return 0; fi
  done
  return 1
}

# Nothing has to be installed to find that nothing runs.
unless_started() {
  if [ -x "$node" ]; then return 0; fi
  if started_here; then setup run; else
    echo 'ALEX is not running'
    exit "$1"
  fi
}

command=${1:-help}
if [ $# -gt 0 ]; then shift; fi

case $command in
  run)
    case ${1:-} in '' | -h | --help) usage >&2 && exit 2 ;; esac
    setup run
    case " $* " in
      *' --url'*) ;;
      *) cli start --brief >&2 ;;
    esac
    exec "$node" src/cli/main.ts run "$@"
    ;;
  start)
    setup run
    cli start "$@"
    ;;
  status)
    unless_started 3
    cli status "$@"
    ;;
  doctor)
    setup_packages
    cli doctor "$@"
    ;;
  logs)
    unless_started 0
    cli logs "$@"
    ;;
  stop | down)
    unless_started 0
    cli stop "$@"
    ;;
  restart)
    setup run
    cli stop "$@"
    cli start "$@"
    ;;
  test)
    setup test
    say 'npm run check'
    npm run --silent check
    say 'npm test'
    npm run --silent test
    say 'npm run test:slow'
    npm run --silent test:slow
    say 'npm run chaos'
    npm run --silent chaos -- --seed 1 --tasks 300 --workers 3 --minutes 1.5
    ;;
  help | -h | --help) usage ;;
  *)
    usage >&2
    exit 2
    ;;
esac
