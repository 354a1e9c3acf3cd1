#!/bin/sh
# The Node.js that comes as havip-agent-node, else the host's own.
node=/usr/lib/havip-agent-node/bin/node
[ -x "$node" ] || node=node
exec "$node" /usr/lib/havip-agent/dist/src/start.cjs "$@"
