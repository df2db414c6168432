# SPDX-License-Identifier: MIT
"""A live imaged whose workers are all played here: what a fetch worker may say of a registry's
image and of its bytes, and what an unpack worker may say of a layer and do with the file that it
was given. The supervisor is played too. After each lie imaged is what it was: an honest pull works,
no file is left, no descriptor is kept, and each worker was called over."""

import fcntl
import gzip
import hashlib
import io
import mmap
import os
import re
import select
import socket
import subprocess
import tarfile
import threading
import time
import zlib

import attacks
import rogue
import wire

HANG_SECONDS = 120  # imaged's patience with a worker
DRAIN_SECONDS = 5
SUPER = 1024


def sha(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Layer:
    """A layer's tar, its blob, and the image that the real unpacker makes of it."""

    def __init__(self, binary, word):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            info = tarfile.TarInfo("word")
            info.size = len(word)
            tar.addfile(info, io.BytesIO(word))
        self.tar = out.getvalue()
        self.blob = gzip.compress(self.tar, mtime=0)
        self.digest, self.diff_id = sha(self.blob), sha(self.tar)
        blob, image = os.memfd_create("blob"), os.memfd_create("image")
        os.write(blob, self.blob)
        os.lseek(blob, 0, os.SEEK_SET)
        subprocess.run([binary, "--unpack", "--debug"], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, pass_fds=(blob, image),
                       input=f"unpack_layer in=@/proc/self/fd/{blob} out=@/proc/self/fd/{image}\n".encode())
        self.image = os.pread(image, 1 << 24, 0)
        os.close(blob)
        os.close(image)

    def fields(self, **more):
        return {"digest": self.digest, "diff_id": self.diff_id, "size": len(self.blob), **more}


# ---- workers, honest unless a row says otherwise ----

class Worker:
    kind = None

    def __init__(self, stage, serial):
        self.stage, self.serial = stage, serial
        self.kept = []
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock = ours
        wire.send(stage.sock, wire.message("worker_ready", kind=self.kind, channel=0, worker=serial),
                  [theirs.fileno()])
        theirs.close()

    def serve(self, *message):
        self.on(*message)

    def say(self, name, ident, fds=(), **fields):
        wire.send(self.sock, wire.message(name, ident, **fields), fds)

    def leave(self):
        self.sock.close()
        for thing in self.kept:
            thing.close() if hasattr(thing, "close") else os.close(thing)
        self.kept = []


class Fetch(Worker):
    kind = "fetch"

    def image(self):
        layer = self.stage.layer
        return {"id": sha(layer.digest.encode()), "layers": [layer.fields()]}

    def on(self, name, ident, body, fds):
        if name == "fetch_image":
            self.resolve(ident, body)
        elif name == "fetch_blob":
            self.blob(ident, body, fds[0])

    def resolve(self, ident, body):
        self.say("fetch_resolved", ident, image=self.image(), session=5)

    def blob(self, ident, body, out):
        os.write(out, self.stage.layer.blob)
        os.close(out)
        self.say("fetch_progress", ident, bytes=len(self.stage.layer.blob))
        self.say("done", ident)


class Unpack(Worker):
    kind = "unpack"

    def serve(self, *message):
        """Beside the others: it waits for bytes that the fetch worker writes."""
        threading.Thread(target=self.on, args=message, daemon=True).start()

    def on(self, name, ident, body, fds):
        if name == "unpack_layer":
            while os.read(fds[0], 65536):
                pass
            os.close(fds[0])
            self.unpacked(ident, fds[1])

    def answer(self):
        layer = self.stage.layer
        return {"diff_id": layer.diff_id, "image_bytes": len(layer.image), "inodes": 2}

    def unpacked(self, ident, out):
        os.pwrite(out, self.stage.layer.image, 0)
        os.close(out)
        self.say("unpacked_layer", ident, **self.answer())


# ---- the supervisor, and the whole ----

class Stage:
    def __init__(self, binary, state):
        self.daemon = rogue.Daemon("imaged", [binary, "--state-dir", state])
        self.sock, self.state, self.binary = self.daemon.sock, state, binary
        self.layer = Layer(binary, os.urandom(16).hex().encode())
        self.serial, self.ids = 0, 100
        self.cast, self.over, self.told = {}, set(), 0
        self.play(Fetch, Unpack)

    def play(self, fetch, unpack):
        self.parts = {"fetch": fetch, "unpack": unpack}

    def enter(self, kind):
        self.serial += 1
        self.cast[self.serial] = self.parts[kind](self, self.serial)

    def turn(self, seconds):
        """Serves imaged and the workers for a turn; an answer to the supervisor, if there is one."""
        socks = {w.sock: w for w in self.cast.values() if w.sock.fileno() >= 0}
        for s in select.select([self.sock, *socks], [], [], seconds)[0]:
            if s is not self.sock:
                try:
                    got = wire.receive(s, keep_fds=True)
                except (wire.Gone, OSError):  # or a thread of ours has closed it just now
                    s.close()
                    continue
                socks[s].serve(*got)
                continue
            name, ident, body, _ = wire.receive(s)
            if name == "worker_wanted":
                self.enter(body["kind"])
            elif name == "worker_over":
                self.over.add(body["worker"])
            elif name == "image_progress":
                self.told += 1
            else:
                return name, ident, body
        return None, None, {}

    def ask(self, name, seconds=20, **fields):
        self.ids += 1
        wire.send(self.sock, wire.message(name, self.ids, **fields))
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            answer, ident, body = self.turn(0.2)
            if ident == self.ids:
                return answer, body
        return "nothing", {}

    def pull(self, ref="r.example/x", seconds=20):
        answer, body = self.ask("image_pull", seconds, ref=ref)
        return body.get("text", answer) if answer == "failed" else answer

    def settle(self):
        """Every worker that came is over, sooner or later."""
        until = time.monotonic() + 15
        while set(self.cast) - self.over and time.monotonic() < until:
            self.turn(0.1)
        left = set(self.cast) - self.over
        for w in self.cast.values():
            w.leave()
        self.cast = {}
        return not left

    def files(self):
        return sorted(os.path.join(d, f) for d, _, fs in os.walk(self.state) for f in fs)

    def clean(self):
        """The state when nothing is here; an image that a row left behind goes."""
        for image in self.ask("image_list")[1].get("images", []):
            self.ask("image_remove", ref=image["id"], force=True)
        self.settle()

    def more_than(self, files, fds, seconds=15):
        """Files and descriptors that there were not; a layer is on its way to the disk for a moment."""
        until = time.monotonic() + seconds
        while True:
            left = [f for f in self.files() if f not in files]
            kept = rogue.n_fds(self.daemon.process.pid) - fds
            if (not left and kept <= 0) or time.monotonic() > until:
                return left, kept
            time.sleep(0.02)

    def honest(self):
        """An honest pull works, and leaves as much as it should."""
        self.play(Fetch, Unpack)
        ok = self.pull() == "image_pulled"
        self.clean()
        return ok


def pulled(stage, fetch, unpack, want, result, name, seconds=20):
    """One lie: the pull ends as it should, and leaves nothing."""
    before, fds = stage.files(), rogue.n_fds(stage.daemon.process.pid)
    stage.play(fetch, unpack)
    start = time.monotonic()
    said = stage.pull(seconds=seconds)
    took = time.monotonic() - start
    ok = re.search(want, said) is not None and said.count("\n") == 0 and len(said) < 256
    all_over = stage.settle()
    stage.clean()
    left, kept = stage.more_than(before, fds)
    fine = stage.honest()
    alive = stage.daemon.process.poll() is None
    ok = ok and all_over and not left and kept <= 0 and fine and alive
    result(ok, f"rogue {name}", said if ok else f"{said}; left {left}, {kept} descriptors, workers over {all_over}, "
           f"next pull {fine}, {took:.1f} s, log: {stage.daemon.text()[-300:]}")


def variant(base, **methods):
    return type("Rogue" + base.__name__, (base,), methods)


# ---- frames ----

def frames(stage, result):
    """Each broken frame, in the place of an answer and as an event."""
    def reply_with(row):
        def resolve(self, ident, body):
            _, data, n, _ = row(ident)
            own = rogue.make_fds(n)
            wire.send(self.sock, data, own)
            rogue.close(own)
        return variant(Fetch, resolve=resolve)

    def unpack_with(row):
        def unpacked(self, ident, out):
            os.close(out)
            _, data, n, _ = row(ident)
            own = rogue.make_fds(n)
            wire.send(self.sock, data, own)
            rogue.close(own)
        return variant(Unpack, unpacked=unpacked)

    for me, probe, make in (("FETCH", "fetch_resolved", reply_with), ("FETCH", "fetch_progress", reply_with),
                            ("UNPACK", "unpacked_layer", unpack_with)):
        def rows(ident, me=me, probe=probe):
            out = attacks.breaks(me, "IMAGED", probe, ident)
            out += [(f"wrong role: {s.name}", wire.message(s.name, ident), 0, "may not say this")
                    for s in attacks.wrong_roles(me, "IMAGED")[::12]]
            return out + list(attacks.bombs(probe, ident))[::3]
        for i, (name, _, _, why) in enumerate(rows(1)):
            worker = make(lambda ident, i=i, rows=rows: rows(ident)[i])
            seen = len(stage.daemon.text())
            parts = (worker, Unpack) if me == "FETCH" else (Fetch, worker)
            pulled(stage, *parts, r"\S", result, f"{me.lower()}: {probe}: {name}")
            log = stage.daemon.text()[seen:]
            ok = re.search(f"dropping {me.lower()}: .*({why})", log) is not None
            result(ok, f"rogue {me.lower()}: {probe}: {name}: a line of log", "" if ok else log[-200:])


# ---- what a fetch worker says ----

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
    for i in range(rogue.FLOOD):
        self.say("fetch_progress", ident + i % 2, bytes=i % (len(self.stage.layer.blob) + 2))
    Fetch.blob(self, ident, body, out)


def dies(at):
    def step(self, ident, body, out=None):
        if out is not None:
            os.write(out, self.stage.layer.blob[:at])
            os.close(out)
        self.sock.close()
    return step


def fetch_lies(stage, result):
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
        (f"{rogue.FLOOD} words of progress", variant(Fetch, blob=chatters), "image_pulled"),
        ("dies when asked", variant(Fetch, resolve=dies(0)), "the fetch worker has ended unexpectedly"),
        ("dies with the pipe empty", variant(Fetch, blob=dies(0)), r"\S"),
        ("dies half-way", variant(Fetch, blob=dies(60)), r"\S"),
        ("dies when all is written", variant(Fetch, blob=dies(1 << 20)), r"\S"),
    ]
    for name, fetch, want in rows:
        pulled(stage, fetch, real(stage), want, result, f"fetch: {name}")
    told = stage.told
    result(told < 3000, f"rogue fetch: {rogue.FLOOD} words of progress are passed on as few", f"{told}")
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


# ---- what an unpack worker says, and does to its file ----

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


def unpack_lies(stage, result):
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
        os.write(out, layer.blob)
        os.close(out)
        self.say("done", ident)


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


def never_again(stage, result):
    """No worker is asked a second time, whatever it was asked first."""
    asked = {}

    def count(base):
        def on(self, name, ident, body, fds):
            if name in ("fetch_image", "unpack_layer"):
                asked[self.serial] = asked.get(self.serial, 0) + 1
            base.on(self, name, ident, body, fds)
        return variant(base, on=on)
    layer = stage.layer
    for i in range(4):
        stage.layer = Layer(stage.binary, b"again %d" % i)
        stage.play(count(Fetch), count(Unpack))
        stage.pull(f"r.example/x:{i}")
    stage.layer = layer
    result(len(asked) == 8 and set(asked.values()) == {1}, "rogue workers: one for each pull, and for each layer", f"{asked}")
    stage.clean()


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
    while said is None and time.monotonic() - start < HANG_SECONDS + 30:
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
    ok = said is not None and re.search(want, said) and took < HANG_SECONDS + DRAIN_SECONDS + 20
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


def run(args, result):
    binary, state = args
    stage = Stage(binary, state)
    memory = rogue.rss(stage.daemon.process.pid)
    for act in (never_again, fetch_lies, unpack_lies, dirs_lies, frames):
        act(stage, result)
    grown = rogue.rss(stage.daemon.process.pid) - memory
    result(grown < rogue.GROWTH, "rogue workers: imaged's memory", f"{grown >> 10} kB more")
    stage.clean()
    result(stage.daemon.end() == 0, "rogue workers: imaged ends in peace")
