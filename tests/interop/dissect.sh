#!/bin/sh
# Lets tshark judge every FIX message in a capture made by record.sh.
#
#   dissect.sh FILE PORT
#
# Prints one line of totals, one line per MsgType(35), and one line per frame that is wrong. Exit code 0:
# there was at least one message, and every byte of TCP payload belonged to a message with good
# CheckSum(10) and nothing tshark calls malformed. The one exception is a message cut off by the end
# of its connection, which a test that drops connections must expect: counted as `cut`.
#
# tshark finds the end of a message by its CheckSum(10) field when BodyLength(9) is too short and calls it
# good, so BodyLength is for the peers to judge: QuickFIX compares both.
set -eu
[ $# -eq 2 ] || { echo "error usage: dissect.sh FILE PORT"; exit 2; }

# A field that occurs n times in a frame comes as n values joined by commas; a flag as 1 or 0.
rows=$(mktemp)
trap 'rm -f "$rows"' EXIT
# -2: whether a segment became part of a later message is known only in a second pass.
# Out of order: even loopback does that when a receive buffer is full.
tshark -2 -o tcp.reassemble_out_of_order:TRUE -r "$1" -d "tcp.port==$2,fix" -Y 'tcp.len > 0' \
  -T fields -E separator='|' -E aggregator=, -E quote=n \
  -e frame.number -e tcp.stream -e tcp.srcport -e fix.MsgType -e fix.checksum_good -e fix.checksum_bad \
  -e fix.missing_field -e fix.tag.invalid -e fix.invalid_integer_string -e fix.data -e _ws.malformed \
  -e tcp.seq -e tcp.len -e tcp.reassembled_in >"$rows"

awk -F'|' '
  # $1 frame, $2 stream, $3 source port, $4 MsgTypes, $5 to $11 verdicts, $12 sequence, $13 length, $14 frame
  # in which the message of this one ends.
  function wrong(what) { print "error frame " $1 ": " what; ++errors }
  {
    side = $2 "/" $3
    # Sent again by TCP: judged in the frame that had them first.
    if ($4 == "" && $12 + $13 <= end[side]) next
    if ($12 + $13 > end[side]) end[side] = $12 + $13

    good = gsub(/1|True/, "", $5)
    bad = gsub(/1|True/, "", $6)
    n = $4 == "" ? 0 : split($4, types, ",")
    for (i = 1; i <= n; ++i) ++count[types[i]]
    messages += n
    goodTotal += good
    if (bad > 0) wrong("bad CheckSum(10)")
    if (good != n) wrong(n " messages, " good " good checksums")
    if ($7 != "") wrong("mandatory field missing")
    if ($8 != "") wrong("invalid tag")
    if ($9 != "") wrong("invalid number")
    if ($10 != "") wrong("bytes that are no FIX message")
    if ($11 != "") wrong("malformed")
    # Payload with no message in it and not part of one that ends later: fine only as the last thing
    # its side ever sent on this connection.
    if (side in open) { wrong("payload before it, frame " open[side] ", became no message"); delete open[side] }
    if (n == 0 && $14 == "" && $10 == "") open[side] = $1
  }
  END {
    for (side in open) ++cut
    printf "messages=%d good=%d cut=%d errors=%d\n", messages, goodTotal, cut, errors
    fflush()
    for (type in count) printf "type %s %d\n", type, count[type] | "sort"
    exit !(messages > 0 && errors == 0)
  }' "$rows"
