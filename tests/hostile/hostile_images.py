#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Hostile images, pushed to a plain registry with no tool between: what a tool would refuse to push
is what is wanted here.

hostile_images.py cases REGISTRY LAYOUTS   every case of layer_cases.json, in repository cases; for
                                           the peers an OCI layout of each below LAYOUTS
hostile_images.py bombs REGISTRY           what wants memory, disk or time, in repository bombs
hostile_images.py users REGISTRY           users to resolve and files to resolve them in, in users
hostile_images.py data REGISTRY            configs, labels and annotations that name the host, in data

Prints a line an image: tag, verdict ("accepted" or "refused"), what the refusal says, a word on it;
separated by tabs.
"""
import gzip
import hashlib
import http.client
import json
import os
import struct
import subprocess
import sys
import tarfile
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import oci_layout  # noqa: E402

LAYER_PLAIN = "application/vnd.oci.image.layer.v1.tar"
MIB = 1 << 20


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


# ---- a registry ----

class Registry:
    def __init__(self, address, repository):
        self.connection = http.client.HTTPConnection(address, timeout=120)
        self.base = "/v2/%s/" % repository
        self.have = set()

    def ask(self, method, path, body=None, kind="application/octet-stream"):
        self.connection.request(method, path, body, {"Content-Type": kind})
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise SystemExit("%s %s: %d %s" % (method, path, answer.status, text[:300]))
        return answer

    def blob(self, data, media_type):
        digest = digest_of(data)
        if digest not in self.have:
            where = self.ask("POST", self.base + "blobs/uploads/").getheader("Location")
            url = urllib.parse.urlsplit(where)
            self.ask("PUT", "%s?%s&digest=%s" % (url.path, url.query, digest), data)
            self.have.add(digest)
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def manifest(self, document, tag):
        self.ask("PUT", self.base + "manifests/" + tag, json.dumps(document).encode(),
                 document["mediaType"])


class Blob:
    """A layer as it travels, and the digest of what it is a compressed form of."""

    def __init__(self, data, diff_id, kind="gzip"):
        self.data, self.diff_id = data, diff_id
        self.media_type = LAYER_PLAIN + ("+" + kind if kind else "")


def packed(tar, kind="gzip"):
    if not kind:
        return Blob(tar, digest_of(tar), kind)
    return Blob(gzip.compress(tar, 1, mtime=0) if kind == "gzip" else
                subprocess.run(["zstd", "-q", "-1", "-c"], input=tar, stdout=subprocess.PIPE,
                               check=True).stdout, digest_of(tar), kind)


def push(registry, tag, layers, config=None, annotations=None):
    document = {
        "created": oci_layout.CREATED, "architecture": "amd64", "os": "linux",
        "config": dict({"Env": [oci_layout.PATH], "Cmd": ["true"]}, **(config or {})),
        "rootfs": {"type": "layers", "diff_ids": [b.diff_id for b in layers]},
    }
    manifest = {
        "schemaVersion": 2, "mediaType": oci_layout.MANIFEST,
        "config": registry.blob(json.dumps(document).encode(), oci_layout.CONFIG),
        "layers": [registry.blob(b.data, b.media_type) for b in layers],
    }
    if annotations:
        manifest["annotations"] = annotations
        for layer in manifest["layers"]:
            layer["annotations"] = annotations
    registry.manifest(manifest, tag)


def say(tag, verdict, words, note):
    print("\t".join((tag, verdict, words or "-", note)), flush=True)


def busybox():
    return packed(oci_layout.busybox_layer().bytes())


# ---- the cases that other engines had to learn ----

TYPES = {"reg": tarfile.REGTYPE, "link": tarfile.LNKTYPE, "symlink": tarfile.SYMTYPE,
         "dir": tarfile.DIRTYPE, "xglobal": tarfile.XGLTYPE}


def header(name, kind, size=0, link="", mode=0o644):
    """One ustar header, with the name as it is: tarfile would clean it."""
    name, link = name.encode(), link.encode()
    assert len(name) <= 100 and len(link) <= 100
    block = struct.pack("100s8s8s8s12s12s8s1s100s8s247x", name, b"%07o" % mode, b"%07o" % 0,
                        b"%07o" % 0, b"%011o" % size, b"%011o" % oci_layout.EPOCH, b" " * 8,
                        kind, link, b"ustar\x0000")
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def padded(data):
    return data + bytes(-len(data) % 512)


def tar_of(entries):
    out = b""
    for e in entries:
        data = e.get("data", "").encode()
        if e["type"] == "xglobal":
            data = b"19 comment=nothing\n"
        out += header(e["name"], TYPES[e["type"]], len(data), e.get("link", ""),
                      e.get("mode", 0o755 if e["type"] == "dir" else 0o644)) + padded(data)
    return out + bytes(1024)


def names_of(layer):
    return [{"type": "dir" if n.endswith("/") else "reg", "name": n} for n in layer]


def variants(case):
    """(suffix, entries of each layer, refused) of one case."""
    if "layers" in case:
        yield "", [names_of(layer) for layer in case["layers"]], False
        return
    yield "", [case["entries"]], case["refused"]
    if "base" in case:
        yield "-on-base", [case["base"] + case["entries"]], case["refused_on_base"]


def make_cases(address, layouts):
    registry = Registry(address, "cases")
    below = busybox()
    with open(os.path.join(HERE, "layer_cases.json"), encoding="utf-8") as f:
        cases = json.load(f)
    for number, case in enumerate(cases):
        for suffix, layers, refused in variants(case):
            tag = "c%02d%s" % (number, suffix)
            blobs = [packed(tar_of(entries)) for entries in layers]
            # Four layers that empty the root: what runs comes last.
            push(registry, tag, blobs + [below] if "layers" in case else [below] + blobs)
            layout_of(os.path.join(layouts, tag), blobs)
            say(tag, "refused" if refused else "accepted",
                "must" if case.get("must_be_refused") else "-",
                "%s: %s" % (case["from"], case["name"]))


def layout_of(path, blobs):
    """For the peers, the hostile layers alone."""
    layout = oci_layout.Layout(path)
    config = {"architecture": "amd64", "os": "linux", "config": {},
              "rootfs": {"type": "layers", "diff_ids": [b.diff_id for b in blobs]}}
    layout.tag(layout.blob(json.dumps({
        "schemaVersion": 2, "mediaType": oci_layout.MANIFEST,
        "config": layout.blob(json.dumps(config).encode(), oci_layout.CONFIG),
        "layers": [layout.blob(b.data, b.media_type) for b in blobs],
    }).encode(), oci_layout.MANIFEST), "latest")


# ---- bombs ----

NONSENSE = "sha256:" + "0" * 64  # of a layer that must never come to its end


def squeeze(data, kind):
    return gzip.compress(data, 9, mtime=0) if kind == "gzip" else subprocess.run(
        ["zstd", "-q", "-3", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


def repeated(name, filler, kind):
    """10 GiB of it, in members of 8 MiB each."""
    piece = squeeze(filler * (8 * MIB // len(filler)), kind)
    return Blob(squeeze(header(name, b"0", 10 << 30), kind) + piece * 1280, NONSENSE, kind)


def disk_image():
    """What compresses well and is no bomb: 1.1 GiB, a hundred times its size."""
    piece = bytes(range(256)) * 40 + os.urandom(10 * 1024) + bytes(2 * MIB - 20 * 1024)
    count = 576
    parts = [header("disk", b"0", len(piece) * count), piece, bytes(1024)]
    total = hashlib.sha256(parts[0])
    for _ in range(count):
        total.update(piece)
    total.update(parts[2])
    first, middle, last = (gzip.compress(p, 6, mtime=0) for p in parts)
    return Blob(first + middle * count + last, "sha256:" + total.hexdigest())


def many(count, template="%s-%03d", kind=b"0"):
    """Entries with names of their own. The six digits in front always have the same sum, so that one
    checksum serves all: a thousand headers are made once and their digits replaced."""
    thousand = b"".join(header(template % ("DDDDDD", i), kind) for i in range(1000))
    fixed = bytearray(thousand)
    for at in range(0, len(fixed), 512):
        total = sum(fixed[at:at + 148]) + 8 * 32 + sum(fixed[at + 156:at + 512])
        total += 27 + 6 * ord("0") - 6 * ord("D")
        fixed[at + 148:at + 156] = b"%06o\0 " % total
    fixed = bytes(fixed)
    return b"".join(fixed.replace(b"DDDDDD", b"%03d%03d" % (i, 999 - i))
                    for i in range(count // 1000))


def million_and_more():
    """10^6 entries, and 10^5 behind them that are too many; in frames, so that both share the work."""
    entries, end = many(1000000), bytes(1024)
    frame = squeeze(entries, "zstd")
    total = hashlib.sha256(entries)
    total.update(end)
    return (Blob(frame + squeeze(end, "zstd"), "sha256:" + total.hexdigest(), "zstd"),
            Blob(frame + squeeze(many(100000, "%s+%03d") + end, "zstd"), NONSENSE, "zstd"))


def same_name(thousands):
    frame = squeeze(header("again", b"0") * 1000, "zstd")
    return Blob(frame * thousands + squeeze(bytes(1024), "zstd"), NONSENSE, "zstd")


def pax(records, name="pax"):
    """A pax header; a record is key and value, its length in front of both."""
    body = b""
    for key, value in records:
        rest = b" %s=%s\n" % (key, value)
        size = len(rest) + 1
        while len(str(size)) + len(rest) != size:
            size = len(str(size)) + len(rest)
        body += b"%d%s" % (size, rest)
    return header(name, b"x", len(body)) + padded(body)


def pax_long(megabytes):
    """A pax header of one value that has no end, in pieces that compress."""
    size = megabytes * MIB
    start = b"%d comment=" % size
    return (gzip.compress(header("pax", b"x", size) + start + b"a" * (MIB - len(start)), 9, mtime=0) +
            gzip.compress(b"a" * MIB, 9, mtime=0) * (megabytes - 1))


def gnu_sparse(size, stored, name="sparse"):
    """The old GNU format: one extent at the very end of a file that claims `size` bytes."""
    block = bytearray(header(name, b"S", stored))
    block[257:265] = b"ustar  \0"
    block[345:512] = bytes(167)
    number = lambda n: struct.pack(">I", 0x80000000) + struct.pack(">Q", n)
    block[386:398] = number(size - stored)
    block[398:410] = number(stored)
    block[483:495] = number(size)
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + bytes(stored) + bytes(1024)


def pax_sparse(size):
    return pax([(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"),
                (b"GNU.sparse.name", b"sparse"), (b"GNU.sparse.realsize", b"%d" % size)]) + \
        header("sparse", b"0", 1024) + padded(b"1\n%d\n512\n" % (size - 512)) + bytes(512) + \
        bytes(1024)


def pax_sparse_map(extents):
    """A map of that many extents, each two short numbers."""
    body = b"%d\n" % extents + b"".join(b"%d\n1\n" % (2 * i) for i in range(extents))
    body += bytes(-len(body) % 512)
    return pax([(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"),
                (b"GNU.sparse.name", b"sparse"),
                (b"GNU.sparse.realsize", b"%d" % (2 * extents))]) + \
        header("sparse", b"0", len(body) + extents) + body + bytes(extents + -extents % 512) + \
        bytes(1024)


def deep(levels):
    return pax([(b"path", b"a/" * levels + b"x")]) + header("x", b"0") + bytes(1024)


def deep_by_link(levels):
    """No path is long; each directory is reached through a link to the one before."""
    out = b""
    for i in range(levels):
        out += header("l%d/d" % i if i else "d", b"5")
        out += header("l%d" % (i + 1), b"2", link="l%d/d" % i if i else "d")
    return out + bytes(1024)


def xattrs(count, size):
    return pax([(b"SCHILY.xattr.user.x%d" % i, b"v" * size) for i in range(count)]) + \
        header("x", b"0") + bytes(1024)


def zstd_window(log):
    """A frame that asks for a window of 2^log bytes (RFC 8878), then never fills it."""
    return struct.pack("<IBB", 0xFD2FB528, 0x00, (log - 10) << 3) + b"\x01\x00\x00"


def zstd_memory(log, filler):
    """Fills a window of that size with what is no zeros."""
    frame = subprocess.run(["zstd", "-q", "-1", "--long=%d" % log, "-c"],
                           input=header("w", b"0", 48 * MIB) + filler * (48 * MIB // len(filler)) +
                           bytes(1024), stdout=subprocess.PIPE, check=True).stdout
    return Blob(frame, NONSENSE, "zstd")


def negative():
    block = bytearray(header("n", b"0"))
    block[124:136] = b"\xff" * 12
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + bytes(1024)


def bomb_table():
    million, more = million_and_more()
    return [
        ("gzip-10g", [repeated("zeros", b"\0", "gzip")], "refused", "times its size", "10 GiB of zeros in 10 MB"),
        ("zstd-10g", [repeated("zeros", b"\0", "zstd")], "refused", "times its size", "10 GiB of zeros in 1 MB"),
        ("gzip-dense", [repeated("boom", b"boom", "gzip")], "refused", "times its size",
         "10 GiB that are no zeros"),
        ("gzip-gzip", [Blob(gzip.compress(b"\x1f\x8b\x08" + bytes(MIB), 9), NONSENSE)], "refused",
         "not a gzip, zstd or tar stream", "gzip in gzip"),
        ("disk-image", [disk_image()], "accepted", None, "1.1 GiB, a hundred times its size"),
        ("million", [million], "accepted", None, "10^6 entries in one directory"),
        ("million-more", [more], "refused", "more than 1048576 entries", "1.1 * 10^6 entries"),
        ("implied", [Blob(squeeze(many(30000, "%s%03d" + "/a" * 44), "zstd"), NONSENSE, "zstd")],
         "refused", "more than 1048576 entries", "30,000 entries, each 45 directories down"),
        ("same-name", [same_name(1100)], "refused", "more than 1048576 entries",
         "1.1 * 10^6 entries of one name"),
        ("same-name-few", [packed(header("again", b"0") * 1000 + bytes(1024))], "accepted", None,
         "a thousand entries of one name"),
        ("gnu-sparse", [packed(gnu_sparse(8 << 40, 512))], "refused", "unpacks to more than",
         "8 TiB claimed, 512 bytes stored"),
        ("gnu-sparse-max", [packed(gnu_sparse((1 << 63) - 1, 512))], "refused", None,
         "2^63 - 1 claimed"),
        ("pax-sparse", [packed(pax_sparse(8 << 40))], "refused", "unpacks to more than",
         "8 TiB claimed in pax"),
        ("pax-sparse-map", [packed(pax_sparse_map(300000))], "refused",
         "header of an entry too large", "a map of 300,000 extents"),
        ("sparse-32g", [packed(gnu_sparse(32 << 30, 512))], "accepted", None,
         "an honest hole of 32 GiB"),
        ("deep-path", [packed(deep(10000))], "refused", "path longer than 4096", "10^4 levels"),
        ("deep-2000", [packed(deep(2000))], "accepted", None, "2000 levels"),
        ("deep-stack", [packed(deep(2000) + bytes(512 * i)) for i in range(12)], "refused",
         "too many and too deep", "2000 levels in each of twelve layers"),
        ("deep-links", [packed(deep_by_link(3000))], "refused", "too many symbolic links",
         "3000 levels, one link at a time"),
        ("pax-400m", [Blob(pax_long(400), NONSENSE)], "refused", "too large",
         "a pax header of 400 MB"),
        ("pax-global", [packed((header("g", b"g", 32) + padded(b"32 comment=" + b"c" * 20 + b"\n")) *
                               20000)], "refused", "special headers",
         "20,000 global headers and no entry"),
        ("long-name", [packed(header("l", b"L", 300 * MIB)[:512] + b"n" * (8 * MIB))], "refused",
         None, "a GNU long name of 300 MB"),
        ("xattr-count", [packed(xattrs(2000, 10))], "refused", "extended attributes too large",
         "2000 extended attributes"),
        ("xattr-size", [packed(xattrs(1, 300000))], "refused", "extended attributes too large",
         "one of 300 kB"),
        ("xattr-max", [packed(xattrs(8, 4000))], "accepted", None, "as much as a disk could hold"),
        ("zstd-window", [Blob(zstd_window(41), NONSENSE, "zstd")], "refused", "zstd",
         "a window of 2 TiB"),
        ("zstd-27", [zstd_memory(27, b"27")], "refused", "zstd", "a window of 128 MiB"),
        ("zstd-25", [zstd_memory(25, b"port"), zstd_memory(25, b"side")], "refused", "does not match its diff id",
         "windows of 32 MiB, and a diff id that is not theirs"),
        ("diff-id", [Blob(packed(tar_of([])).data, digest_of(b"else"))], "refused",
         "does not match its diff id", "content is not what the config says"),
        ("trailing", [Blob(packed(tar_of([])).data + b"garbage", NONSENSE)], "refused",
         "garbage after its gzip stream", "bytes behind the archive"),
        ("endless-tail", [Blob(packed(tar_of([])).data +
                               gzip.compress(bytes(64 * MIB), 9, mtime=0) * 160, NONSENSE)],
         "refused", "times its size", "10 GiB behind the end of the archive"),
        ("negative", [packed(negative())], "refused", None, "a negative size"),
    ]


def make_bombs(address):
    registry = Registry(address, "bombs")
    below = busybox()
    for tag, blobs, verdict, words, note in bomb_table():
        push(registry, tag, [below] + blobs)
        say(tag, verdict, words, note)
    push(registry, "layers-120", [below] + [packed(tar_of([
        {"type": "reg", "name": "n%d" % i, "data": str(i)}])) for i in range(119)])
    say("layers-120", "accepted", None, "120 layers")


# ---- users, and the files they are looked up in ----

def make_users(address):
    registry = Registry(address, "users")
    below = busybox()
    for number, user in enumerate(("4294967296", "4294967295", "18446744073709551616", "0x0", "+0",
                                   "-1", "00", "1:", ":1", "1:2:3", " 0", "0 ", "1\n0", "0:0x0",
                                   "0:-1", "no-such-user", "0:no-such-group", "65536", "root:65536")):
        push(registry, "u%d" % number, [below], {"User": user})
        say("u%d" % number, "refused", None, repr(user))
    for tag, user, want in (("good", "daemon", "1:1"), ("number", "65534:1", "65534:1")):
        push(registry, tag, [below], {"User": user})
        say(tag, "accepted", want, user)
    rows = {
        "fifo": lambda n: header("etc/" + n, b"6"),
        "link": lambda n: header("etc/" + n, b"2", link="/proc/self/root/etc/" + n),
        "chr": lambda n: header("etc/" + n, b"3"),
        "dir": lambda n: header("etc/.wh." + n, b"0") + header("etc/" + n, b"5"),
        "huge": lambda n: gnu_sparse(1 << 30, 512, "etc/" + n)[:-1024],
        "garbage": lambda n: header("etc/" + n, b"0", 4096) + os.urandom(4096),
        "long": lambda n: header("etc/" + n, b"0", 1 << 19) + b"x" * (1 << 19),
    }
    for kind, make in rows.items():
        for name in ("passwd", "group"):
            user = "daemon" if name == "passwd" else "0:daemon"
            push(registry, "%s-%s" % (kind, name), [below, packed(make(name) + bytes(1024))],
                 {"User": user})
            say("%s-%s" % (kind, name), "refused", None, "/etc/%s is a %s" % (name, kind))


# ---- what names the host ----

HOST_WORDS = {
    "io.containerd.image.unpacked": "/etc", "org.opencontainers.image.ref.name": "../../../etc/passwd",
    "io.podman.annotations.privileged": "TRUE", "io.podman.annotations.seccomp": "unconfined",
    "run.oci.hooks": "/bin/sh", "run.oci.keep_original_groups": "1",
    "io.katacontainers.config.hypervisor.path": "/bin/sh", "com.docker.volume": "/:/host",
    "io.containers.autoupdate": "image", "org.bulkhead.mount": "/:/host", "../../etc/passwd": "x",
    "io.kubernetes.cri.container-type": "sandbox", "/etc/shadow": "/etc/shadow",
}


def make_data(address):
    registry = Registry(address, "data")
    below = busybox()
    push(registry, "labels", [below], {"Labels": HOST_WORDS}, HOST_WORDS)
    say("labels", "accepted", None, "labels and annotations")
    push(registry, "volumes", [below], {"Volumes": {
        "/host:/": {}, "../../etc": {}, "/": {}, "/proc": {}, "/etc/shadow:/x": {}}})
    say("volumes", "accepted", None, "volumes")
    push(registry, "env", [below], {"Env": [
        oci_layout.PATH, "LD_PRELOAD=/victim/x.so", "BULKHEAD_SOCKET=/run/bulkhead/ctl.sock",
        "NOTIFY_SOCKET=/run/systemd/notify", "HOME=/victim"]})
    say("env", "accepted", None, "environment")
    push(registry, "more", [below], {
        "HostConfig": {"Binds": ["/:/host"], "Privileged": True}, "Mounts": [{"Source": "/"}],
        "Healthcheck": {"Test": ["CMD", "/victim/x"]}, "OnBuild": ["RUN /victim/x"],
        "Hostname": "../../etc", "Domainname": "/etc", "Shell": ["/victim/x"],
        "CapAdd": ["ALL"], "Devices": ["/dev/mem"], "SecurityOpt": ["seccomp=unconfined"]})
    say("more", "accepted", None, "what a container's config would hold")


def main():
    {"cases": make_cases, "bombs": make_bombs, "users": make_users,
     "data": make_data}[sys.argv[1]](*sys.argv[2:])


if __name__ == "__main__":
    main()
