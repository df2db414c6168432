# SPDX-License-Identifier: MIT
"""What an unpack worker may say of a layer, or of the directories that layers left out, and what it
may do with the file that it was given."""

import mmap
import os
import socket
import time

import wire
from rogue_workers import Fetch, Layer, SUPER, Unpack, pulled, sha, variant


def unpacks(change):
    """change(worker, image, answer): whatever it likes with both before they go out."""
    def unpacked(self, ident, out):
        image, answer = bytearray(self.stage.layer.image), self.answer()
        image = change(self, image, answer) or image
        os.pwrite(out, bytes(image), 0)
        os.close(out)
        self.say("unpacked_layer", ident, **answer)
    return variant(Unpack, unpacked=unpacked)


def says(**fields):
    return unpacks(lambda self, image, answer: answer.update(fields))


def patched(at, data):
    def change(self, image, answer):
        image[SUPER + at:SUPER + at + len(data)] = data
    return unpacks(change)


def grows(n):
    """The file is longer or shorter than what is said of it."""
    def change(self, image, answer):
        return image + bytes(n) if n > 0 else image[:n]
    return unpacks(change)


def device_table(path):
    """Another device, which an older kernel opens by the name that the image gives."""
    def change(self, image, answer):
        image[SUPER + 80:SUPER + 84] = (8).to_bytes(4, "little")  # feature_incompat: device table
        image[SUPER + 86:SUPER + 90] = b"\1\0\1\0"
        image[128:128 + len(path)] = path
    return unpacks(change)


def garbage(self, image, answer):
    return os.urandom(len(image))


def keeps(what):
    """Answers, and can still write to the file: by descriptor, by mapping, by one put aside."""
    def unpacked(self, ident, out):
        os.pwrite(out, self.stage.layer.image, 0)
        if what == "mapping":
            self.kept.append(mmap.mmap(out, 4096))
        elif what == "socket":
            a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            wire.send(a, b"x", [out])
            self.kept += [a, b]
        else:
            self.kept.append(os.dup(out))
        os.close(out)
        self.say("unpacked_layer", ident, **self.answer())
    return variant(Unpack, unpacked=unpacked)


def writes_late(self, ident, out):
    """Answers first, as a worker would that wants to win a race."""
    os.pwrite(out, self.stage.layer.image, 0)
    self.say("unpacked_layer", ident, **self.answer())
    time.sleep(0.2)
    os.pwrite(out, b"late", 0)
    os.ftruncate(out, 0)
    os.close(out)


def unpack_dies(after):
    def unpacked(self, ident, out):
        if after:
            os.pwrite(out, self.stage.layer.image[:after], 0)
        os.close(out)
        self.sock.close()
    return variant(Unpack, unpacked=unpacked)


def lies(stage, result):
    held, kind = "its image can still be written to", "not of the kind that unpacking makes"
    length, ended = "not as long as the unpack worker says", "the unpack worker has ended unexpectedly"
    rows = [
        ("a diff id that isn't true", says(diff_id=sha(b"x")), "content does not match its diff id"),
        ("a diff id that is none", says(diff_id="sha256:../../x"), "content does not match its diff id"),
        ("no diff id", says(diff_id=""), "content does not match its diff id"),
        ("more bytes than there are", says(image_bytes=1 << 40), length),
        ("2^64-1 bytes", says(image_bytes=2**64 - 1), length),
        ("no bytes", says(image_bytes=0), length),
        ("a longer file", grows(4096), length),
        ("a file of a terabyte, all of it a hole", unpacks(lambda s, i, a: a.update(image_bytes=1 << 40)), length),
        ("a shorter file", grows(-4096), length),
        ("inodes without end", says(inodes=2**64 - 1), "image_pulled"),
        ("directories left out, without end", says(implied=2**64 - 1), "image_pulled"),
        ("opaque", says(root_opaque=True), "image_pulled"),
        ("an empty file", unpacks(lambda s, i, a: a.update(image_bytes=0) or b"\0"), length),
        ("garbage", unpacks(garbage), kind),
        ("zeros", unpacks(lambda s, i, a: bytes(len(i))), kind),
        ("compression", patched(80, b"\1\0\0\0"), kind),
        ("a second device: a disk of the host", device_table(b"/dev/vda"), kind),
        ("a second device: another layer", device_table(b"images/layers/x.erofs"), kind),
        ("blocks beyond its end", patched(36, b"\xff\xff\xff\xff"), kind),
        ("blocks of another size", patched(12, b"\x10"), kind),
        ("a descriptor kept", keeps("descriptor"), held),
        ("a mapping kept", keeps("mapping"), held),
        ("a descriptor put aside in a socket", keeps("socket"), held),
        ("an answer before the last write", variant(Unpack, unpacked=writes_late), held),
        ("dies when asked", variant(Unpack, on=lambda self, *a: (self.sock.close(), [os.close(f) for f in a[3]])), r"\S"),
        ("dies with an empty file", unpack_dies(0), ended),
        ("dies half-way", unpack_dies(4096), ended),
        ("dies when all is written", unpack_dies(1 << 24), ended),
    ]
    for name, unpack, want in rows:
        pulled(stage, Fetch, unpack, want, result, f"unpack: {name}")


# ---- what an unpack worker says of directories that layers left out ----

def two_layers(self, image):
    image["layers"].append(self.stage.upper.fields())


class Upper(Fetch):
    def resolve(self, ident, body):
        image = self.image()
        two_layers(self, image)
        self.say("fetch_resolved", ident, image=image, session=5)

    def blob(self, ident, body, out):
        layer = next(x for x in (self.stage.layer, self.stage.upper) if x.digest == body["digest"])
        self.put(ident, out, layer.blob)


def dirs(change):
    """change(worker, image, answer), as with unpacks()."""
    def on(self, name, ident, body, fds):
        stage = self.stage
        if name == "unpack_layer":
            blob = b""
            while chunk := os.read(fds[0], 65536):
                blob += chunk
            layer = stage.layer if blob == stage.layer.blob else stage.upper
            os.pwrite(fds[1], layer.image, 0)
            [os.close(fd) for fd in fds]
            return self.say("unpacked_layer", ident, diff_id=layer.diff_id, image_bytes=len(layer.image), inodes=2,
                            implied=1)
        image, answer = bytearray(stage.layer.image), {"dirs": 1, "image_bytes": len(stage.layer.image)}
        self.out = fds[-1]
        for fd in fds[:-1]:
            stage.wrote += written(fd)
        image = change(self, image, answer) or image
        os.pwrite(fds[-1], bytes(image), 0)
        [os.close(fd) for fd in fds]
        if not answer.get("dies"):
            return self.say("unpacked_dirs", ident, **answer)
        self.sock.close()
    return variant(Unpack, on=on)


def written(fd):
    """In how many ways can a layer be written through what a worker gets to read it?"""
    n = 0
    for attempt in (lambda: os.pwrite(fd, b"x", 0), lambda: os.ftruncate(fd, 0),
                    lambda: mmap.mmap(fd, 4096, prot=mmap.PROT_WRITE)):
        try:
            attempt()
            n += 1
        except OSError:
            pass
    return n


def dirs_lies(stage, result):
    stage.upper, stage.wrote = Layer(stage.binary, b"upper"), 0
    rows = [
        ("as they are", lambda s, i, a: None, "image_pulled"),
        ("none, and a file of garbage", lambda s, i, a: a.update(dirs=0) or os.urandom(8192), "image_pulled"),
        ("garbage", garbage, "not of the kind that unpacking makes"),
        ("more bytes than there are", lambda s, i, a: a.update(image_bytes=1 << 40), "not as long as"),
        ("a descriptor kept", lambda s, i, a: s.kept.append(os.dup(s.out)), "can still be written to"),
        ("dies", lambda s, i, a: a.update(dies=True), "the unpack worker has ended unexpectedly"),
    ]
    for name, change, want in rows:
        pulled(stage, Upper, dirs(change), want, result, f"unpack: directories: {name}")
    result(stage.wrote == 0, "rogue unpack: what it reads of other layers can't be written", f"{stage.wrote}")
