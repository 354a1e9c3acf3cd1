#!/usr/bin/env bash
# Brings a fresh clone to the point where tests, demo and benches run; with --labs the large labs too, with --npm npm packages alone: Debian packages, npm packages, compiled dist/.
# Says one line per step that it really does; the next run finds nothing to do and is silent. Exit 3: cannot, with what is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

# libpcap and a compiler are for the optional modules `cap` and `raw-socket`; keepalived, ucarp, frr and arping are the
# senders that tests and captures use; prometheus brings promtool, tshark brings dumpcap; etcd is the store of many hosts, openssl
# makes its tests' certificates; Open vSwitch's userspace datapath is what the guard cannot guard.
packages=(keepalived nftables libnftables1 libpcap-dev tcpdump iproute2 iputils-arping iputils-ping ethtool ucarp frr prometheus
  openvswitch-switch tshark etcd-server etcd-client openssl g++ gcc make python3 procps)
# What `npm run test:labs` uses beside these.
labs=(chromium lintian man-db libvirt-clients libvirt-daemon libvirt-daemon-driver-qemu libvirt-daemon-system
  qemu-system-x86 busybox-static cpio lz4 xz-utils kmod haproxy postgresql-15)
[[ ${1-} == --labs ]] && packages+=("${labs[@]}")
# Services that these packages would start. They stay off unless they were there before.
services=(keepalived frr prometheus etcd libvirtd openvswitch-switch haproxy postgresql)

say() { printf 'setup: %s\n' "$*" >&2; }
cannot() { say "$*"; exit 3; }

# Runs a step; its output is shown only when it fails.
quietly() {
  local output
  output=$("$@" 2>&1) || { printf '%s\n' "$output" >&2; say "failed: $*"; return 1; }
}

debian_packages() {
  local missing=() package
  for package in "${packages[@]}"; do
    dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  command -v apt-get >/dev/null || cannot "no apt-get here; install what your system calls: ${missing[*]}"
  ((EUID == 0)) || cannot "Debian packages are missing; as root: apt-get install --no-install-recommends ${missing[*]}"
  say "installing Debian packages: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  quietly apt-get -q update
  local fresh=() service
  for service in "${services[@]}"; do [[ " ${missing[*]} " == *" $service "* ]] && fresh+=("$service"); done
  if [[ -d /run/systemd/system ]] && ((${#fresh[@]})); then
    systemctl mask --runtime --quiet "${fresh[@]}"
    trap 'systemctl unmask --runtime --quiet "${fresh[@]}"' RETURN
  fi
  quietly apt-get -q install -y --no-install-recommends "${missing[@]}"
  for service in "${fresh[@]}"; do
    if [[ -d /run/systemd/system ]]; then
      quietly systemctl disable "$service"
    elif [[ -x /etc/init.d/$service ]]; then
      quietly update-rc.d "$service" disable
      "/etc/init.d/$service" stop >/dev/null 2>&1 || say "could not stop $service, which its package may have started"
    fi
  done
}

node_version() {
  command -v node >/dev/null && command -v npm >/dev/null || cannot 'node and npm are missing: Node.js 20 or newer is needed'
  local version
  version=$(node --version)
  version=${version#v}
  ((${version%%.*} >= 20)) || cannot "Node.js 20 or newer is needed, this is $version"
}

# Each stamp is inside what it vouches for: removing node_modules or dist takes it away.
npm_packages() {
  local stamp=node_modules/.havip-setup want prefix
  want=$(cat package.json package-lock.json <(node --version) | sha256sum)
  [[ -e $stamp && $(<"$stamp") == "$want" ]] && return 0
  say 'installing npm packages'
  prefix=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")
  # With Node's own headers at hand the optional native modules need not download them; without, they are left out.
  [[ -e $prefix/include/node/node.h ]] && export npm_config_nodedir=$prefix
  quietly npm ci --no-audit --no-fund --loglevel=error
  printf '%s' "$want" >"$stamp"
}

build() {
  local stamp=dist/.havip-setup want
  want=$(find package-lock.json tsconfig.json page src bench native-fixtures packaging test -type f \( -name '*.ts' -o -name '*.json' -o -path 'page/*' \) -print0 |
    sort -z | xargs -0 sha256sum | sha256sum)
  [[ -e $stamp && $(<"$stamp") == "$want" ]] && return 0
  say 'building'
  quietly npm run --silent build
  printf '%s' "$want" >"$stamp"
}

# What real guests boot from: native-fixtures/qemu.
guest() {
  [[ -e build/qemu/made && $(<build/qemu/made) == "$(cat native-fixtures/qemu/build.sh native-fixtures/qemu/init | sha256sum)" ]] && return 0
  say 'making what real guests boot from'
  mkdir -p build/qemu
  quietly bash native-fixtures/qemu/build.sh build/qemu
  cat native-fixtures/qemu/build.sh native-fixtures/qemu/init | sha256sum >build/qemu/made
}

exec 9<package.json
flock 9 # `npm test` and `npm run demo` at the same time set up once
if [[ ${1-} == --npm ]]; then
  node_version
  npm_packages
  exit
fi
debian_packages
node_version
npm_packages
build
[[ ${1-} != --labs ]] || guest
