# SPDX-License-Identifier: MIT
"""An engine of which every program but the launcher and the supervisor is a rogue. A stub lies in
the place of each (stub.c) and hands its channel over; here it is decided who behaves and who does
not. One rogue at a time: the supervisor drops it with a line of log, starts another, and serves its
clients meanwhile."""

import os
import re
import select
import signal
import socket
import subprocess
import time

import attacks
import wire
from rogue import FLOOD, GROWTH, close, closed, make_fds, n_fds, push, rss, soon

READY = {"bridge": "rogue0", "subnet4": "10.9.0.0/16", "gateway4": "10.9.0.1"}
EVENTS = {"cgroupd": "cgroup_oom", "imaged": "worker_wanted", "shim": "shim_ready"}


def gone(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
            return f.read().rsplit(") ", 1)[1][0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


class Actor:
    """A process that the launcher takes for one of its programs."""

    def __init__(self, control):
        data, anc, _, _ = control.recvmsg(8192, socket.CMSG_SPACE(16))
        if not anc:  # it was ended before it could say a word
            control.close()
            raise wire.Gone
        self.control = control
        words = data.split(b"\0")
        self.kind = os.path.basename(words[0].decode())
        if b"--fetch" in words or b"--unpack" in words:
            self.kind = "worker"
        fds = [int.from_bytes(anc[0][2][i:i + 4], "little") for i in range(0, len(anc[0][2]), 4)]
        self.sock = socket.socket(fileno=fds[0])
        for fd in fds[1:]:
            os.close(fd)
        self.pid = int.from_bytes(control.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)[:4], "little")

    def leave(self):
        self.sock.close()
        self.control.close()


class Stage:
    def __init__(self, name, where, argv):
        self.listen = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listen.bind("\0" + name)
        self.listen.listen(64)
        self.cast = {}  # kind: the actors that wait for their part
        self.log_path = os.path.join(where, "rogue.log")
        soon(lambda: self.started(argv), 3 * wire.PATIENCE)
        self.log = open(self.log_path, encoding="utf-8", errors="replace")

    def text(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read()

    def started(self, argv):
        """Has it begun? A host has room for the uids of a dozen engines, and tests of others may have theirs."""
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        while self.process.poll() is None and not select.select([self.listen], [], [], 0.1)[0]:
            pass
        return self.process.poll() is None or "all blocks of uids are in use" not in self.text()

    def next(self, kind, seconds=wire.PATIENCE):
        """The next process of that kind that is started; others wait for their turn."""
        until = time.monotonic() + seconds
        while not self.cast.get(kind):
            self.listen.settimeout(max(0.01, until - time.monotonic()))
            try:
                control, _ = self.listen.accept()
            except TimeoutError:
                raise TimeoutError(f"no {kind} came; the log ends: {self.text()[-2000:]}") from None
            try:
                actor = Actor(control)
            except (wire.Gone, ConnectionError):
                continue
            self.cast.setdefault(actor.kind, []).append(actor)
        return self.cast[kind].pop(0)

    def said(self, why, seconds=wire.PATIENCE):
        text = ""
        until = time.monotonic() + seconds
        while True:
            text += self.log.read()
            if re.search(why, text):
                return True
            if time.monotonic() > until:
                return False
            time.sleep(0.01)

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        for actors in self.cast.values():
            for a in actors:
                a.leave()
        self.listen.close()
        try:
            return self.process.wait(45)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return "hangs"


class Play:
    """The supervisor's helpers, all played here."""

    def __init__(self, stage, path):
        self.stage, self.path = stage, path
        self.now = {}
        for kind in ("imaged", "cgroupd", "netd"):
            self.enter(kind)
        self.enter("shim")
        soon(self.connected)
        self.pid = None
        self.pid = self.version()["pid"]

    def connected(self):
        self.client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self.client.connect(self.path)
            wire.send(self.client, wire.message("version"))
            return bool(wire.receive(self.client))
        except OSError:
            return False

    def version(self):
        wire.send(self.client, wire.message("version", 9))
        while True:
            name, ident, body, _ = wire.receive(self.client)
            if name == "version_is" and ident == 9:
                return body

    def alive(self):
        return self.version()["pid"] == self.pid

    def enter(self, kind):
        """A well-behaved one of that kind; for netd, until it has answered net_setup."""
        actor = self.now[kind] = self.stage.next(kind)
        if kind == "netd":
            _, ident, _, _ = wire.receive(actor.sock)
            wire.send(actor.sock, wire.message("net_ready", ident, **READY))
        if kind == "shim":
            fds = make_fds(4)
            wire.send(actor.sock, wire.message("shim_ready"), fds)
            close(fds)
        return actor


def broken(play, kind, row):
    """The one on stage breaks a rule; the next one takes its place."""
    name, data, n, why = row
    actor = play.now[kind]
    fds = make_fds(n)
    wire.send(actor.sock, data, fds)
    close(fds)
    ok = closed(actor.sock) and play.stage.said(f"dropping {kind}: .*({why})")
    actor.leave()
    play.enter(kind)
    return name, ok and play.alive()


def all_breaks(play, result):
    for kind, event in EVENTS.items():
        rows = attacks.breaks(kind.upper(), "SUPERVISOR", event)
        rows += [(f"wrong role: {s.name}", wire.message(s.name), 0, "may not say this")
                 for s in attacks.wrong_roles(kind.upper(), "SUPERVISOR")[::16]]
        rows += list(attacks.bombs(event))[:6]
        if kind == "imaged":
            rows.append(("a worker of no kind", wire.message(event, kind="sh"), 0, "no known kind"))
            rows.append(("the end of a worker of no kind", wire.message("worker_over", kind="netd"), 0, "no known kind"))
            rows.append(("the end of any worker", wire.message("worker_over", worker=0), 0, "no known kind"))
        if kind == "shim":
            rows.append(("ready twice", wire.message(event), 4, "ready twice"))
        for row in rows:
            name, ok = broken(play, kind, row)
            result(ok, f"rogue {kind}: {name}")


def netd_replies(play, result):
    """netd has only answers to give: to net_setup, which every new one is asked."""
    for i in range(len(attacks.breaks("NETD", "SUPERVISOR", "net_ready"))):
        play.now["netd"].leave()
        actor = play.stage.next("netd")
        _, ident, _, _ = wire.receive(actor.sock)
        name, data, n, why = attacks.breaks("NETD", "SUPERVISOR", "net_ready", ident)[i]
        fds = make_fds(n)
        wire.send(actor.sock, data, fds)
        close(fds)
        ok = closed(actor.sock) and play.stage.said(f"dropping netd: .*({why})")
        result(ok and play.alive(), f"rogue netd: {name}")
        play.now["netd"] = actor
    play.now["netd"].leave()
    actor = play.stage.next("netd")
    _, ident, _, _ = wire.receive(actor.sock)
    wire.send(actor.sock, wire.message("done", ident))
    ok = closed(actor.sock) and play.stage.said("dropping netd: done answers something else")
    actor.leave()
    play.enter("netd")
    result(ok and play.alive(), "rogue netd: an answer of another kind")


def strays(play, result):
    """10^5 frames that are well-formed and of no use: no memory, no end of service."""
    for kind, data in (("netd", wire.message("done", 7)), ("cgroupd", wire.message("cgroup_oom")),
                       ("shim", wire.message("shim_exited")), ("imaged", wire.message("image_progress", 5))):
        memory, fds = rss(play.pid), n_fds(play.pid)
        actor = play.now[kind]
        worst = 0.0
        for i in range(FLOOD):
            wire.send(actor.sock, data)
            if i % (FLOOD // 10) == 0:
                start = time.monotonic()
                play.alive()
                worst = max(worst, time.monotonic() - start)
        ok = play.alive() and rss(play.pid) - memory < GROWTH and soon(lambda: n_fds(play.pid) <= fds)
        result(ok, f"rogue {kind}: {FLOOD} frames of no use",
               f"{rss(play.pid) - memory >> 10} kB more, slowest answer to others {worst * 1000:.0f} ms")
    wire.send(play.now["cgroupd"].sock, wire.message("done", 3))
    result(play.stage.said("answers what nobody waits for") and play.alive(), "rogue: an answer to nothing is told once")


def workers(play, result):
    """Workers without end: as many as may be, then the channel."""
    actor = play.now["imaged"]
    for _ in range(100):
        wire.send(actor.sock, wire.message("worker_wanted", kind="fetch"))
    ok = closed(actor.sock) and play.stage.said("dropping imaged: it wants workers without end")
    actor.leave()
    play.enter("imaged")
    came = [play.stage.next("worker")]
    try:
        play.stage.next("nobody", 1)
    except (TimeoutError, socket.timeout):
        pass
    came += play.stage.cast.pop("worker", [])
    result(ok and 0 < len(came) <= 16 and play.alive(), "rogue imaged: 100 workers wanted", f"{len(came)} came")
    while came:
        came.pop().leave()


def deaf(play, result):
    """imaged reads nothing while clients go on asking: what waits for it is bounded."""
    memory, fds = rss(play.pid), n_fds(play.pid)
    clients = []
    for _ in range(120):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        s.connect(play.path)
        clients.append(s)
        for i in range(60):
            wire.send(s, wire.message("image_pull", i, ref="x" * 500, password="y" * 4000))
    dropped = play.stage.said("dropping imaged: it does not read what it is sent")
    grown = rss(play.pid) - memory
    play.now["imaged"].leave()
    play.enter("imaged")
    for s in clients:
        s.close()
    ok = play.alive()
    result(dropped and ok and grown < 2 * GROWTH and soon(lambda: n_fds(play.pid) <= fds), "rogue imaged: reads nothing",
           f"{grown >> 10} kB more")


def undead(play, result):
    """One that is dropped and stays: the launcher ends it, and another takes its place."""
    actor = play.now["netd"]
    wire.send(actor.sock, b"\xc1")
    start = time.monotonic()
    ok = soon(lambda: gone(actor.pid))
    took = time.monotonic() - start
    actor.leave()
    play.enter("netd")
    result(ok and play.alive(), "rogue netd: does not end", f"ended after {took:.1f} s")


def ask_client(play, data, fds=()):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(play.path)
    wire.send(s, data, fds)
    return s


def answer_helpers(play, what):
    """A start, answered with descriptors of the kind `what`, up to the shim's turn."""
    replies = {"mount_map": ("mount_mapped", 1), "cgroup_create": ("cgroup_created", 1),
               "net_attach": ("net_attached", 0)}
    for kind, name in (("cgroupd", "cgroup_create"), ("netd", "net_attach"), ("imaged", "mount_map")):
        while True:
            got, ident, _, _ = wire.receive(play.now[kind].sock)
            if got == name:
                break
            wire.send(play.now[kind].sock, wire.message("failed", ident, code=2))
        reply, n = replies[name]
        fds = make_fds(n, what)
        fields = {"endpoint": {}} if reply == "net_attached" else {}
        wire.send(play.now[kind].sock, wire.message(reply, ident, **fields), fds)
        wire.send(play.now[kind].sock, wire.message(reply, ident, **fields), fds)  # once more
        close(fds)


def starts(play, result):
    """A container whose helpers hand out what is not what it should be, and whose shim lies."""
    for what in ("directory", "fifo", "socket", "memory"):
        root = os.open("/tmp", os.O_PATH)
        options = wire.documents("create", {"rootfs": "/tmp", "argv": ["true"]})
        s = ask_client(play, wire.message("container_create", rootfs=1), [options, root])
        name, _, body, _ = wire.receive(s)
        os.close(root)
        os.close(options)
        wire.send(s, wire.message("container_start", ref=body.get("id", "?")))
        shim = play.now["shim"]
        answer_helpers(play, what)
        got, ident, _, _ = wire.receive(shim.sock)
        wire.send(shim.sock, wire.message("failed", ident, code=5, text="no luck"))
        wire.send(shim.sock, wire.message("shim_started", ident))
        name, _, why, _ = wire.receive(s)
        s.close()
        ok = got == "shim_start" and name == "failed" and "no luck" in why["text"] and play.alive()
        result(ok, f"rogue helpers: a start with a {what} for every descriptor", why.get("text", name))
        closed(shim.sock)
        shim.leave()
        play.enter("shim")


def run(args, result):
    name, where, path, argv = args[0], args[1], args[2], args[3:]
    stage = Stage(name, where, argv)
    try:
        play = Play(stage, path)
        for act in (all_breaks, netd_replies, strays, workers, deaf, starts, undead):
            act(play, result)
        play.now["shim"].leave()
    finally:
        for actor in list(getattr(locals().get("play"), "now", {}).values()):
            if actor.kind != "shim":
                stage.cast.setdefault(actor.kind, []).append(actor)
        code = stage.end()
    result(code == 0 or code == 1, "rogue helpers: the engine ends when it is told", f"exit {code}")
