#!/bin/sh
# Records the TCP traffic of one port on the loopback interface, for dissect.sh. Needs root.
#
#   record.sh FILE PORT
#
# Driven like a peer (PEERS.md): prints `ready` once packets are being captured; on `stop` (or when
# stdin closes) it finishes the file and prints `stopped`.
set -u
[ $# -eq 2 ] || { echo "error usage: record.sh FILE PORT"; exit 2; }
file=$1
port=$2
log=$file.log

# 32 MB of kernel buffer: the default of 2 MB loses packets of a burst on a busy machine.
dumpcap -q -i lo -B 32 -f "tcp port $port" -w "$file" </dev/null >/dev/null 2>"$log" &
dumpcap=$!
trap 'kill -INT $dumpcap 2>/dev/null' EXIT

# dumpcap names its file once the interface is open.
tries=100
until grep -q '^File:' "$log"; do
  tries=$((tries - 1))
  if [ $tries -eq 0 ] || ! kill -0 $dumpcap 2>/dev/null; then
    echo "error dumpcap: $(tr '\n' ' ' <"$log")"
    exit 1
  fi
  sleep 0.1
done
echo ready

while read -r command && [ "$command" != stop ]; do
  echo "error unknown command: $command"
done
# The kernel hands packets over in blocks, the last one up to a second late.
sleep 1
kill -INT $dumpcap
wait $dumpcap
trap - EXIT
# "Packets received/dropped on interface ...": a drop makes the dissection worthless.
if grep -q 'received/dropped' "$log" && ! grep -q 'received/dropped.*: [0-9]*/0 ' "$log"; then
  echo "error packets lost: $(grep 'received/dropped' "$log")"
fi
echo stopped
