# SPDX-License-Identifier: MIT
"""What a rogue peer may try on a channel, one row each. A row of BREAKS must end in one line of log
that says why and in the end of the channel, a row of BOMBS likewise and without memory."""

import os
import socket

import wire

NESTING = 65000
KEY = b"\xa9container"


def wrong_roles(me, them):
    """Every message that `me` may not say to `them`."""
    return [s for s in wire.TABLE.values() if s.number is not None and
            not (me in s.senders and them in s.receivers)]


def with_fds(me, them):
    """The messages of this pair that name descriptors."""
    return [s for s in wire.TABLE.values() if s.number is not None and me in s.senders and
            them in s.receivers and wire.sample(s.name)[1]]


def pipe_end():
    r, w = os.pipe()
    os.close(w)
    return r


def fifo():
    """Somebody must write before a read of it returns, and nobody will."""
    r, w = os.pipe()
    fifo.kept.append(w)
    return r


fifo.kept = []

# Descriptors of the wrong kind for whatever is asked.
FDS = {
    "directory": lambda: os.open("/", os.O_RDONLY | os.O_DIRECTORY),
    "path": lambda: os.open("/etc", os.O_PATH),
    "fifo": fifo,
    "closed pipe": pipe_end,
    "device": lambda: os.open("/dev/null", os.O_RDWR),
    "socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).detach(),
    "eventfd": lambda: os.eventfd(0),
    "memory": lambda: os.memfd_create("rogue"),
    "proc file": lambda: os.open("/proc/self/status", os.O_RDONLY),
    "namespace": lambda: os.open("/proc/self/ns/uts", os.O_RDONLY),
}


def breaks(me, them, probe, ident=1):
    """(name, bytes, number of descriptors, regular expression of the log line)"""
    number = wire.TABLE[probe].number
    good = wire.message(probe, ident)
    body = wire.sample(probe)[0]
    fields = wire.TABLE[probe].fields
    n_fds = wire.sample(probe)[1]
    pairs = b"".join(wire.pack(k) + wire.pack(v) for k, v in body.items())
    n = len(body)

    def raw(count, more):
        return wire.frame(number, ident, b"\xdf" + count.to_bytes(4, "big") + pairs + more)

    rows = [
        ("unknown type", wire.frame(255, 1, {}), 0, "unknown message 255"),
        ("type out of range", wire.frame(1 << 40, 1, {}), 0, "without a proper header"),
        ("id out of range", b"\x93" + wire.pack_int(number) + wire.pack_int(1 << 40) + b"\x80", 0,
         "without a proper header"),
        ("oversize", good + bytes(65536), n_fds, "wrong length"),
        ("empty", b"", 0, "wrong length"),
        ("empty with a descriptor", b"", 1, "wrong length"),
        ("one byte", b"\x93", 0, "without a proper header"),
        ("no frame", os.urandom(64).replace(b"\x93", b"\x00"), 0, "without a proper header"),
        ("half a frame", good[:-1] if len(good) > 26 else good[:-2], n_fds, "."),
        ("trailing byte", good + b"\x00", n_fds, "bytes behind the end"),
        ("unknown key", raw(n + 1, wire.pack("zebra") + b"\x01"), n_fds, "unknown key"),
        ("key of 64 KB", raw(n + 1, wire.pack("z" * 64000) + b"\x01"), n_fds, "unknown key"),
        ("key that is a number", raw(n + 1, b"\x07\x01"), n_fds, "a key is not a string"),
        ("a list for a map", wire.frame(number, ident, [1]), 0, "not a map"),
        ("extra descriptor", good, n_fds + 1, "a descriptor that no field names"),
        ("240 descriptors", good, 240, "a descriptor that no field names|cut off"),
        ("253 descriptors", good, 253, "."),
        ("four header items", b"\x94" + good[1:] + b"\x00", 0, "without a proper header"),
    ]
    for name, kind, bound, required in fields:
        if kind == "STR":
            rows += [
                (name + " of 64 KB", wire.message(probe, ident, **{name: "n" * 65000}), n_fds, "too long"),
                (name + " with a NUL", wire.message(probe, ident, **{name: "a\0b"}), n_fds, "NUL"),
                (name + " a number", wire.message(probe, ident, **{name: 7}), n_fds, "not a string"),
                (name + " twice", raw(n + 2, wire.pack(name) + wire.pack("x") + wire.pack(name) +
                                      wire.pack("x")), n_fds, "given twice"),
            ]
            break
    if any(required for _, _, _, required in fields):
        rows.append(("nothing required", wire.frame(number, ident, {}), 0, "missing"))
    for s in [x for x in with_fds(me, them) if x.kind != "REPLY" or x.name == probe][:3]:
        rows.append((s.name + " without descriptors", wire.message(s.name, ident), 0,
                     "names a descriptor that did not come|too many elements"))
    return rows


def bombs(probe, ident=1):
    """Few bytes that claim much: as [type, id, BOMB], and where the frame should be."""
    number = wire.TABLE[probe].number
    shapes = [
        ("array of 4 G", b"\xdd\xff\xff\xff\xff"), ("map of 4 G", b"\xdf\xff\xff\xff\xff"),
        ("array of 64 M", b"\xdd\x04\x00\x00\x00"), ("string of 4 G", b"\xdb\xff\xff\xff\xff"),
        ("bytes of 4 G", b"\xc6\xff\xff\xff\xff"), ("extension", b"\xc9\xff\xff\xff\xff\x01"),
        ("nested arrays", b"\x91" * NESTING), ("nested maps", b"\x81\xa1a" * (NESTING // 3)),
        ("never used byte", b"\xc1"),
    ]
    for name, shape in shapes:
        yield name + " as body", wire.frame(number, ident, shape), 0, "."
        yield name + " as frame", shape, 0, "."
        yield name + " as value", wire.frame(number, ident, b"\x81" + KEY + shape), 0, "."
