# SPDX-License-Identifier: MIT
"""What a fetch worker may say of an image and of its bytes, well-formed and untrue; and workers of
both kinds that hang, each with an imaged of its own, all at once."""

import os
import re
import time
import zlib

import rogue
import wire
from rogue_workers import Fetch, Stage, Unpack, pulled, sha, variant

HANG_SECONDS = 120  # imaged's patience with a worker
# An emulated machine would not be through with all of them in that time.
WORDS = rogue.FLOOD // int(os.environ.get("TEST_PATIENCE", "1"))
DRAIN_SECONDS = 5


def resolved(change):
    def resolve(self, ident, body):
        image = self.image()
        change(self, image)
        self.say("fetch_resolved", ident, image=image, session=5)
    return variant(Fetch, resolve=resolve)


def with_layer(**fields):
    return resolved(lambda self, image: image["layers"][0].update(fields))


def another(self, image):
    """The diff id of what nobody sends."""
    image["layers"][0]["diff_id"] = sha(b"another")


def many(n):
    return resolved(lambda self, image: image.update(layers=[self.stage.layer.fields(
        digest=sha(str(i).encode())) for i in range(n)]))


def fetched(n):
    """So many bytes of the blob, and zeros behind it."""
    def blob(self, ident, body, out):
        os.write(out, (self.stage.layer.blob + bytes(65536))[:n])
        os.close(out)
        self.say("done", ident)
    return variant(Fetch, blob=blob)


def done_at_once(self, ident, body, out):
    os.close(out)
    self.say("done", ident)


def answers_twice(self, ident, body, out):
    Fetch.blob(self, ident, body, out)
    for _ in range(1000):
        self.say("done", ident)
        self.say("failed", ident, code=2, text="and yet")


def chatters(self, ident, body, out):
    """Each word says a little more, of a layer that is said to be as large."""
    for i in range(WORDS):
        self.say("fetch_progress", ident + i % 2, bytes=i + 1)
    Fetch.blob(self, ident, body, out)


def dies(at):
    def step(self, ident, body, out=None):
        if out is not None:
            os.write(out, self.stage.layer.blob[:at])
            os.close(out)
        self.sock.close()
    return step


def lies(stage, result):
    digest = "the fetch worker gives no valid layer digest"
    rows = [
        ("a manifest of another digest", resolved(lambda s, i: i.update(digest=sha(b"x"))), "image_pulled"),
        ("a path for an image id", resolved(lambda s, i: i.update(id="sha256:" + "../" * 20)), "no valid image id"),
        ("an id too short", resolved(lambda s, i: i.update(id="sha256:ab")), "no valid image id"),
        ("an id of capitals", resolved(lambda s, i: i.update(id="sha256:" + "AB" * 32)), "no valid image id"),
        ("a path for a manifest's digest", resolved(lambda s, i: i.update(digest="\x1b[2J/../etc")), "no valid manifest digest"),
        ("a path for a blob's digest", with_layer(digest="sha256:../../../../etc/passwd"), digest),
        ("a path of a digest's length", with_layer(digest="sha256:" + "../" * 21 + "x"), digest),
        ("no digest", with_layer(digest=""), digest),
        ("a path for a diff id", with_layer(diff_id="/etc/passwd"), digest),
        ("a layer of no bytes", with_layer(size=0), "no valid layer size"),
        ("a layer of 2^64 bytes", with_layer(size=2**64 - 1), "no valid layer size"),
        ("no layers", many(0), "image has no layers"),
        ("128 layers", many(128), r"\S"),
        ("another diff id", resolved(another), "content does not match its diff id"),
        ("said to be opaque, and to have a directory image", resolved(
            lambda s, i: (i["layers"][0].update(opaque=True, implied=2**64 - 1), i.update(dirs=True, size=2**64 - 1))),
         "image_pulled"),
        ("done at once", variant(Fetch, blob=done_at_once), "content does not match its diff id|truncated|not a gzip"),
        ("half the bytes", fetched(60), "truncated gzip|content does not match"),
        ("bytes behind the blob", fetched(4096), "image_pulled"),
        ("one answer a thousand times", variant(Fetch, blob=answers_twice), "image_pulled"),
        (f"{WORDS} words of progress", variant(with_layer(size=WORDS), blob=chatters), "image_pulled"),
        ("dies when asked", variant(Fetch, resolve=dies(0)), "the fetch worker has ended unexpectedly"),
        ("dies with the pipe empty", variant(Fetch, blob=dies(0)), r"\S"),
        ("dies half-way", variant(Fetch, blob=dies(60)), r"\S"),
        ("dies when all is written", variant(Fetch, blob=dies(1 << 20)), r"\S"),
    ]
    for name, fetch, want in rows:
        pulled(stage, fetch, real(stage), want, result, f"fetch: {name}")
    told = stage.told
    result(told < 3000, f"rogue fetch: {WORDS} words of progress are passed on as few", f"{told}")
    stage.play(resolved(lambda s, i: i.update(digest=sha(b"x"))), Unpack)
    said = stage.pull("r.example/x@" + sha(b"y"))
    result("not the one with that digest" in said, "rogue fetch: another manifest than the one asked for", said)
    stage.clean()


def real(stage):
    """The engine's own unpacker, as it is when a fetch worker alone has gone bad."""
    def unpacked(self, ident, out):
        raise AssertionError

    def on(self, name, ident, body, fds):
        if name != "unpack_layer":
            return
        gzipped = b""
        while chunk := os.read(fds[0], 65536):
            gzipped += chunk
        os.close(fds[0])
        try:
            stream = zlib.decompressobj(31)
            tar = stream.decompress(gzipped)
        except zlib.error:
            tar = b""
        if not stream.eof:
            os.close(fds[1])
            return self.say("failed", ident, code=74, text="truncated gzip stream")
        os.pwrite(fds[1], self.stage.layer.image, 0)
        os.close(fds[1])
        self.say("unpacked_layer", ident, diff_id=sha(tar), image_bytes=len(self.stage.layer.image), inodes=2)
    return variant(Unpack, on=on, unpacked=unpacked)


# ---- those that hang: all at once, each with an imaged of its own ----

def never(self, *args):
    """Keeps what it was given, and says nothing."""
    self.kept += [fd for a in args if isinstance(a, list) for fd in a]
    if isinstance(args[-1], int):
        self.kept.append(args[-1])


def holds_pipe(self, ident, body, out):
    os.write(out, self.stage.layer.blob)
    self.kept.append(out)
    self.say("done", ident)


def crawls(self, ident, body, out):
    """Says for ever that there is a little more."""
    self.kept.append(out)
    self.bytes = 0
    self.crawling = ident


class Reader(Unpack):
    """Waits for the pipe's end, as the real one does, and for nothing else."""

    def on(self, name, ident, body, fds):
        self.kept += fds


HANGS = {
    "fetch: never resolves": (variant(Fetch, resolve=never), Unpack, "no answer from fetch in time"),
    "fetch: never writes": (variant(Fetch, blob=never), Reader, "no data for"),
    "fetch: says done and holds the pipe": (variant(Fetch, blob=holds_pipe), Reader, "no data for"),
    "fetch: progress for ever": (variant(Fetch, blob=crawls), Reader, "no data for"),
    "unpack: never answers": (Fetch, variant(Unpack, on=never), "no data for|its reader is gone"),
}


def hang(binary, state, name, result):
    fetch, unpack, want = HANGS[name]
    stage = Stage(binary, state)
    fds = rogue.n_fds(stage.daemon.process.pid)
    stage.play(fetch, unpack)
    start = time.monotonic()
    wire.send(stage.sock, wire.message("image_pull", 1, ref="r.example/x"))
    said = None
    while said is None and time.monotonic() - start < HANG_SECONDS + wire.PATIENCE:
        answer, ident, body = stage.turn(0.1)
        for w in list(stage.cast.values()):
            if hasattr(w, "crawling"):
                w.bytes += 1
                w.say("fetch_progress", w.crawling, bytes=w.bytes)
        if ident == 1:
            said = body.get("text", answer)
    took = time.monotonic() - start
    over = stage.settle()
    fine = stage.honest()
    _, kept = stage.more_than(stage.files(), fds)
    ok = said is not None and re.search(want, said) and took < HANG_SECONDS + DRAIN_SECONDS + wire.PATIENCE
    result(ok and over and fine and kept <= 0 and stage.daemon.end() == 0, f"rogue {name}",
           f"{said}, after {took:.0f} s; workers over {over}, next pull {fine}, {kept} descriptors more")


def run_hangs(binary, state, result):
    children = []
    for i, name in enumerate(HANGS):
        os.mkdir(os.path.join(state, str(i)), 0o711)
        pid = os.fork()
        if pid == 0:
            def tell(ok, what, why=""):
                result(ok, what, why)
                os._exit(0 if ok else 1)
            hang(binary, os.path.join(state, str(i)), name, tell)
        children.append(pid)
    for pid in children:
        if os.waitpid(pid, 0)[1] != 0:
            rogue.failures += 1
