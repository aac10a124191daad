"""Decodes frames with the package `sbe` of PyPI: hexadecimal lines in, one line of `name=value` each out.

usage: peer.py SCHEMA.xml
"""
import io
import sys

import sbe

# The package knows no arrays of numbers; to it the signature is text, which it prints as such.
text = open(sys.argv[1], encoding="utf-8").read()
text = text.replace('name="signature" primitiveType="uint8"', 'name="signature" primitiveType="char"')
schema = sbe.Schema.parse(io.BytesIO(text.encode()))


def flat(before, value):
    for name, held in value.items():
        if held is None:
            continue
        if isinstance(held, dict) and set(held) == {"length", "varData"}:
            if held["length"]:
                yield before + name, held["varData"]
        elif isinstance(held, dict) and "mantissa" in held:
            if held["mantissa"] is not None:
                yield before + name, "%se%s" % (held["mantissa"], held.get("exponent", "-9"))
        elif isinstance(held, dict):
            for member, one in held.items():
                if one is not None:
                    yield "%s%s.%s" % (before, name, member), one
        elif isinstance(held, list) and held and isinstance(held[0], dict):
            for nth, entry in enumerate(held):
                yield from flat("%s%s[%d]." % (before, name, nth), entry)
        elif isinstance(held, list):
            yield before + name, "|".join(held)
        else:
            yield before + name, held


for line in sys.stdin:
    message = schema.decode(bytes.fromhex(line.strip())[4:])
    fields = ("%s=%s" % field for field in flat("", message.value))
    print(message.message_name, *fields, flush=True)
