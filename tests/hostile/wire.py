# SPDX-License-Identifier: MIT
"""The messages of proto/messages.def, and frames of them: well-formed ones, and whatever else one
likes. Shared by the rogue peers; nothing here trusts or is trusted."""

import array
import os
import re
import socket
import struct

PROTO = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "proto")
ROLES = ["SUPERVISOR", "NETD", "IMAGED", "FETCH", "UNPACK", "CGROUPD", "SHIM", "CTL", "DNS", "KEEPER"]
ID = "ab" * 32
PATIENCE = 60  # seconds for what takes a moment on an idle machine
DIGEST = "sha256:" + "ab" * 32


class Schema:
    def __init__(self, name, number=None, senders=(), receivers=(), kind=None):
        self.name, self.number, self.kind = name, number, kind
        self.senders, self.receivers = senders, receivers
        self.fields = []  # (name, type or sub-schema's name, bound, required)


def roles(text):
    return ROLES if text == "ANY" else [w.strip() for w in text.split("|")]


def read_table():
    """Every STRUCT and MSG by name, as the C preprocessor would see them."""
    text = ""
    for name in ("documents.def", "messages.def"):
        with open(os.path.join(PROTO, name), encoding="utf-8") as f:
            text += re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)
    table = {}
    for macro, inner in re.findall(r"^(STRUCT|MSG|FIELD|LISTOF|NESTED)\(([^)]*)\)", text, re.M):
        a = [w.strip() for w in inner.split(",")]
        if macro == "STRUCT":
            table[a[0]] = Schema(a[0])
        elif macro == "MSG":
            table[a[0]] = Schema(a[0], int(a[1]), roles(a[2]), roles(a[3]), a[4])
        elif macro == "FIELD":
            table[a[0]].fields.append((a[1], a[2], a[3], a[4] == "REQUIRED"))
        elif macro == "LISTOF":
            table[a[0]].fields.append((a[1], "LIST", a[3], a[4] == "REQUIRED"))
        else:
            table[a[0]].fields.append((a[1], "NESTED " + a[2], 1, a[3] == "REQUIRED"))
    return table


TABLE = read_table()

# What makes a required field plausible, so that a request gets as far as its handler.
PLAUSIBLE = {"container": ID, "network": "bridge", "image_id": DIGEST, "digest": DIGEST, "kind": "unpack",
             "ref": "nosuch", "layer": DIGEST, "id": ID, "name": "x", "argv": ["true"], "status": "created"}


def sample(name):
    """A message with its required fields, and how many descriptors it names."""
    n_fds = 0
    out = {}
    for field, kind, _, required in TABLE[name].fields:
        if not required:
            continue
        if field in PLAUSIBLE:
            out[field] = PLAUSIBLE[field]
        elif kind == "FD":
            out[field] = n_fds
            n_fds += 1
        elif kind == "FDV":
            out[field] = [n_fds]
            n_fds += 1
        elif kind.startswith("NESTED"):
            out[field] = sample(kind.split()[1])[0]
        else:
            out[field] = {"STR": "x", "STRV": ["x"], "BOOL": True, "LIST": []}.get(kind, 1)
    return out, n_fds


def pack_int(v):
    if 0 <= v < 128:
        return bytes([v])
    return b"\xcf" + struct.pack(">Q", v) if v >= 0 else b"\xd3" + struct.pack(">q", v)


def pack(v):
    """msgpack, the parts that frames use; bytes go in as they are."""
    if isinstance(v, bytes):
        return v
    if v is None:
        return b"\xc0"
    if isinstance(v, bool):
        return b"\xc3" if v else b"\xc2"
    if isinstance(v, int):
        return pack_int(v)
    if isinstance(v, str):
        return b"\xdb" + struct.pack(">I", len(v.encode())) + v.encode()
    if isinstance(v, dict):
        v = list(v.items())
        return b"\xdf" + struct.pack(">I", len(v)) + b"".join(pack(k) + pack(x) for k, x in v)
    return b"\xdd" + struct.pack(">I", len(v)) + b"".join(pack(x) for x in v)


def frame(number, ident, body):
    """[number, ident, body]; body is a dict or raw bytes."""
    return b"\x93" + pack_int(number) + pack_int(ident) + pack(body)


def message(name, ident=1, **fields):
    body = sample(name)[0]
    body.update(fields)
    return frame(TABLE[name].number, ident, body)


def unpack_at(b, i):
    """One msgpack item at i; returns it and where the next one starts."""
    t = b[i]
    if t < 0x80 or t >= 0xe0:
        return (t if t < 0x80 else t - 256), i + 1
    if t in (0xc0, 0xc2, 0xc3):
        return {0xc0: None, 0xc2: False, 0xc3: True}[t], i + 1
    if 0xcc <= t <= 0xd3:
        code = {0xcc: "B", 0xcd: "H", 0xce: "I", 0xcf: "Q", 0xd0: "b", 0xd1: "h", 0xd2: "i", 0xd3: "q"}[t]
        n = struct.calcsize(code)
        return struct.unpack(">" + code, b[i + 1:i + 1 + n])[0], i + 1 + n
    if 0xa0 <= t <= 0xbf or 0xd9 <= t <= 0xdb:
        width = 0 if t <= 0xbf else 1 << (t - 0xd9)
        n = t & 31 if not width else int.from_bytes(b[i + 1:i + 1 + width], "big")
        i += 1 + width
        return b[i:i + n].decode(errors="replace"), i + n
    width = 0 if t <= 0x9f else 2 if t in (0xdc, 0xde) else 4
    n = t & 15 if not width else int.from_bytes(b[i + 1:i + 1 + width], "big")
    i += 1 + width
    is_map = t <= 0x8f or t >= 0xde
    items = []
    for _ in range(2 * n if is_map else n):
        v, i = unpack_at(b, i)
        items.append(v)
    return (dict(zip(items[::2], items[1::2])) if is_map else items), i


NAMES = {s.number: s.name for s in TABLE.values() if s.number is not None}


def send(sock, data, fds=()):
    """0, or the errno of a send that failed."""
    anc = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    try:
        sock.sendmsg([data], anc, socket.MSG_NOSIGNAL)
    except OSError as e:
        return e.errno
    return 0


class Gone(Exception):
    """The other side has closed the channel."""


def receive(sock, seconds=PATIENCE, keep_fds=False):
    """(name, id, fields, fds), or Gone; TimeoutError when nothing comes."""
    sock.settimeout(seconds)
    try:
        data, anc, _, _ = sock.recvmsg(70000, socket.CMSG_SPACE(4 * 253))
    except ConnectionError:
        raise Gone from None
    finally:
        sock.settimeout(None)
    fds = array.array("i")
    for level, kind, raw in anc:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(raw[:len(raw) - len(raw) % 4])
    if not keep_fds:
        for fd in fds:
            os.close(fd)
    if not data:
        raise Gone
    (number, ident, body), _ = unpack_at(data, 0)
    return NAMES.get(number, "?"), ident, body, list(fds)


def documents(name, body, sealed=True):
    """A memfd with a document, sealed as the engine wants it."""
    import fcntl
    fd = os.memfd_create("document", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    data = body if isinstance(body, bytes) else pack({**sample(name)[0], **body})
    while data:
        data = data[os.write(fd, data):]
    if sealed:
        fcntl.fcntl(fd, 1033, 0xf)  # F_ADD_SEALS, all of them
    return fd
