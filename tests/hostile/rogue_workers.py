# SPDX-License-Identifier: MIT
"""A live imaged whose workers are all played here, as is the supervisor: honest ones, and broken
frames; rogue_fetch.py and rogue_unpack.py lie. After each lie imaged is what it was: an honest pull
works, no file is left, no descriptor is kept, and each worker was called over."""

import errno
import gzip
import hashlib
import io
import os
import re
import select
import socket
import subprocess
import tarfile
import threading
import time

import attacks
import rogue
import wire

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
            self.kept += fds[1:]
            self.blob(ident, body, fds[0])

    def resolve(self, ident, body):
        self.say("fetch_resolved", ident, image=self.image(), session=5)

    def blob(self, ident, body, out):
        self.put(ident, out, self.stage.layer.blob)

    def put(self, ident, out, data):
        """Writes it all and says so, or, as the real one does, that its reader has gone: one that dies may be faster."""
        try:
            os.write(out, data)
        except BrokenPipeError:
            return self.say("failed", ident, code=errno.EPIPE, text="its reader is gone")
        finally:
            os.close(out)
        self.say("fetch_progress", ident, bytes=len(data))
        return self.say("done", ident)


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
        self.ask("image_list")  # it has opened what it opens at the start

    def play(self, fetch, unpack):
        self.parts = {"fetch": fetch, "unpack": unpack}

    def enter(self, kind):
        self.serial += 1
        self.cast[self.serial] = self.parts[kind](self, self.serial)

    def turn(self, seconds):
        """Serves imaged and the workers for a turn; an answer to the supervisor, if there is one."""
        socks = {w.sock: w for w in self.cast.values() if w.sock.fileno() >= 0}
        try:
            ready = select.select([self.sock, *socks], [], [], seconds)[0]
        except (ValueError, OSError):  # a thread of ours has closed one just now
            ready = []
        for s in ready:
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

    def ask(self, name, seconds=wire.PATIENCE, **fields):
        self.ids += 1
        wire.send(self.sock, wire.message(name, self.ids, **fields))
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            answer, ident, body = self.turn(0.2)
            if ident == self.ids:
                return answer, body
        return "nothing", {}

    def pull(self, ref="r.example/x", seconds=wire.PATIENCE):
        answer, body = self.ask("image_pull", seconds, ref=ref)
        return body.get("text", answer) if answer == "failed" else answer

    def settle(self):
        """Every worker that came is over, sooner or later."""
        until = time.monotonic() + wire.PATIENCE
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

    def more_than(self, files, fds, seconds=wire.PATIENCE):
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


def pulled(stage, fetch, unpack, want, result, name):
    """One lie: the pull ends as it should, and leaves nothing."""
    before, fds = stage.files(), rogue.n_fds(stage.daemon.process.pid)
    stage.play(fetch, unpack)
    start = time.monotonic()
    said = stage.pull()
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
            ok = rogue.soon(lambda seen=seen, me=me, why=why: re.search(
                f"dropping {me.lower()}: .*({why})", stage.daemon.text()[seen:]) is not None, 1)
            log = stage.daemon.text()[seen:]
            result(ok, f"rogue {me.lower()}: {probe}: {name}: a line of log", "" if ok else log[-200:])


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


def run(args, result):
    import rogue_fetch as fetch
    import rogue_unpack as unpack
    binary, state = args
    stage = Stage(binary, state)
    memory = rogue.rss(stage.daemon.process.pid)
    for act in (never_again, fetch.lies, unpack.lies, unpack.dirs_lies, frames):
        act(stage, result)
    grown = rogue.rss(stage.daemon.process.pid) - memory
    result(grown < rogue.GROWTH, "rogue workers: imaged's memory", f"{grown >> 10} kB more")
    stage.clean()
    result(stage.daemon.end() == 0, "rogue workers: imaged ends in peace")
