# Sourced by tools/run and tools/test, which are bash with `set -euo pipefail`.

BUILD_PACKAGES=(
  g++ cmake ninja-build git pkg-config
  liburing-dev libsimdjson-dev libcli11-dev libspdlog-dev libfmt-dev libmimalloc-dev
  robin-map-dev libxxhash-dev libboost-dev libssl-dev prometheus-cpp-dev)
TEST_PACKAGES=(
  libgtest-dev libgmock-dev libwslay-dev libbenchmark-dev
  python3 python3-stomp python3-websocket ruby ruby-stomp perl libnet-stomp-perl prometheus)
FUZZ_PACKAGES=(clang-19 libclang-rt-19-dev)

# step TEXT: says in one line what comes next. On stderr: stdout is the broker's.
step() {
  printf '== %s\n' "$*" >&2
}

# Sets missing_packages to those of its arguments that are not installed.
find_missing_packages() {
  local package status
  missing_packages=()
  for package in "$@"; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    # An architecture's twin adds its own status behind it.
    [[ $status == installed* ]] || missing_packages+=("$package")
  done
}

as_root() {
  if [[ $(id -u) -eq 0 ]]; then
    "$@"
  else
    sudo --preserve-env=DEBIAN_FRONTEND "$@"
  fi
}

# ensure_packages PACKAGE...: installs what is missing; quick, and without network, when nothing is.
ensure_packages() {
  if ! command -v dpkg-query >/dev/null; then
    step "this is not Debian or Ubuntu: going on without a look at packages; needed are $*"
    return
  fi
  find_missing_packages "$@"
  if [[ ${#missing_packages[@]} -eq 0 ]]; then
    return
  fi
  step "installing ${missing_packages[*]}"
  export DEBIAN_FRONTEND=noninteractive
  # Without network the list may still be recent enough; apt-get install has the last word.
  as_root apt-get update -qq >&2 || step "apt-get update failed: trying with the package lists that are here"
  without_services apt-get install -y -qq --no-install-recommends "${missing_packages[@]}" >&2
  # Of this one the tests need promtool only: it shall not run at the next boot either.
  if [[ " ${missing_packages[*]} " == *" prometheus "* && -d /run/systemd/system ]]; then
    as_root systemctl --quiet disable --now prometheus
  fi
}

# without_services COMMAND...: as root; packages start no service of theirs meanwhile (invoke-rc.d(8)).
without_services() {
  local policy=/usr/sbin/policy-rc.d status=0
  if [[ -e $policy ]]; then
    as_root "$@"  # the administrator's word
    return
  fi
  as_root sh -c "printf '#!/bin/sh\nexit 101\n' > $policy && chmod 755 $policy"
  as_root "$@" || status=$?
  as_root rm "$policy"
  return "$status"
}

# ensure_node: Node.js and npm may come from elsewhere than Debian, so commands count here and not packages.
ensure_node() {
  local packages=()
  command -v node >/dev/null || packages+=(nodejs)
  command -v npm >/dev/null || packages+=(npm)
  if [[ ${#packages[@]} -gt 0 ]]; then
    ensure_packages "${packages[@]}"
  fi
}

# build_preset NAME: configures and builds into build/NAME.
build_preset() {
  local preset=$1 log="build/$1.configure.log" quiet=()
  # A second build of the same files costs nothing where ccache is there.
  if command -v ccache >/dev/null; then
    export CMAKE_CXX_COMPILER_LAUNCHER=ccache
  fi
  mkdir -p build
  step "configuring the preset $preset"
  if ! cmake --preset "$preset" >"$log" 2>&1; then
    cat "$log" >&2
    return 1
  fi
  step "building into build/$preset"
  [[ -t 2 ]] || quiet=(-- --quiet)
  cmake --build --preset "$preset" "${quiet[@]}" >&2
}
