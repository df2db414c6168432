# SPDX-License-Identifier: MIT
"""A rogue client of a supervisor: whatever it says, the supervisor drops it with a line of log and
answers everybody else meanwhile. Nothing of a refused request takes place."""

import os
import re
import socket
import time

import attacks
import wire
from rogue import FLOOD, GROWTH, close, closed, flood, make_fds, n_fds, push, rss, soon

CREATE = {"image": "nosuch:latest"}


class Engine:
    def __init__(self, path, log, pid):
        self.path, self.pid = path, pid
        self.log = open(log, encoding="utf-8", errors="replace")
        self.log.seek(0, os.SEEK_END)
        self.witness = self.connect()

    def connect(self):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        s.connect(self.path)
        return s

    def answers(self):
        """Another client's question, and that nobody had to start the supervisor anew."""
        wire.send(self.witness, wire.message("version", 77))
        name, ident, body, _ = wire.receive(self.witness)
        return (name, ident) == ("version_is", 77) and body["pid"] == self.pid

    def said(self, why, seconds=wire.PATIENCE):
        text = ""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            text += self.log.read()
            if re.search(f"dropping ctl: .*({why})", text):
                return True
            time.sleep(0.01)
        return False

    def ask(self, data, fds=()):
        """One request on a connection of its own; its answer."""
        with self.connect() as s:
            wire.send(s, data, fds)
            name, _, body, _ = wire.receive(s)
            return name, body


def broken(engine, row):
    name, data, n, why = row
    fds = make_fds(n)
    with engine.connect() as s:
        wire.send(s, data, fds)
        ok = closed(s)
    close(fds)
    return name, ok and engine.said(why) and engine.answers()


def documents():
    """Options that must be refused, with the words of the refusal: what is in the memory file, and
    whether it is sealed."""
    image = wire.pack("image") + wire.pack("nosuch")
    many = b"\xdf\xff\xff\xff\xff"
    return [
        ("key twice", b"\x82" + image + image, "given twice"),
        ("key twice, the second one privileged", b"\x83" + image + (wire.pack("privileged") + b"\xc2") +
         (wire.pack("privileged") + b"\xc3"), "given twice"),
        ("unknown key", b"\x82" + image + wire.pack("runtime") + wire.pack("/bin/sh"), "unknown key"),
        ("empty", b"", "not a map"),
        ("oversize", b"\x81" + image + bytes(3 << 20), "larger than"),
        ("trailing bytes", b"\x81" + image + b"\x00", "bytes behind the end"),
        ("half", (b"\x82" + image + wire.pack("name"))[:-2], "create"),
        ("map of 4 G", many, "create"),
        ("nested arrays", b"\x81" + wire.pack("argv") + b"\x91" * (1 << 20), "create"),
        ("list of 4 G", b"\x81" + wire.pack("argv") + b"\xdd\xff\xff\xff\xff", "too many"),
        ("4097 arguments", wire.pack({"image": "x", "argv": ["a"] * 4097}), "too many"),
        ("argument of 200 KB", wire.pack({"image": "x", "argv": ["a" * 200000]}), "too long"),
        ("64 K variables", wire.pack({"image": "x", "env": ["A=1"] * 65536}), "too many"),
        ("65 mounts", wire.pack({"image": "x", "mounts": [{"kind": "bind", "target": "/x"}] * 65}), "too many"),
        ("uid of the caller", wire.pack({"image": "x", "owner": 0}), "unknown key"),
    ] + [(f"{field} of 64 KB", wire.pack({"image": "nosuch", field: "n" * 65536}), "too long")
         for field in ("name", "image", "user", "workdir", "hostname", "domainname", "network", "ip4", "ip6",
                       "mac")]


def check_documents(engine, result):
    """Options come as a memory file beside the request: refused with one sentence, nothing made."""
    for name, data, why in documents():
        fd = wire.documents("create", data)
        answer, body = engine.ask(wire.message("container_create"), [fd])
        os.close(fd)
        result(answer == "failed" and re.search(why, body["text"]) and engine.answers(),
               f"ctl: options: {name}", body.get("text", answer)[:80])
    unsealed = wire.documents("create", CREATE, sealed=False)
    answer, _ = engine.ask(wire.message("container_create"), [unsealed])
    result(answer == "failed", "ctl: options that can still change")
    os.close(unsealed)
    for what in attacks.FDS:
        fds = make_fds(1, what)
        answer, _ = engine.ask(wire.message("container_create"), fds)
        close(fds)
        result(answer == "failed" and engine.answers(), f"ctl: options in a {what}")
    listed = engine.ask(wire.message("container_list", all=True))[1]
    result(not listed.get("rows"), "ctl: nothing was made of any of it", str(len(listed.get("rows", []))))


def flooded(engine, result):
    before = rss(engine.pid), n_fds(engine.pid)
    with engine.connect() as s:
        start = time.monotonic()
        answered = flood(s, wire.message("container_inspect"), [])
        result(answered == FLOOD and rss(engine.pid) - before[0] < GROWTH, f"ctl: {FLOOD} frames, all of one id",
               f"{rss(engine.pid) - before[0] >> 10} kB more, {time.monotonic() - start:.1f} s")
    clients = [engine.connect() for _ in range(20)]
    sent = [push(s, wire.message("info"), [], 0.2) for s in clients]
    result(max(sent) < FLOOD and rss(engine.pid) - before[0] < GROWTH and engine.answers(),
           "ctl: 20 clients that never read", f"{sum(sent)} went out, {rss(engine.pid) - before[0] >> 10} kB more")
    for s in clients:
        s.close()
    with engine.connect() as s:  # each answer would be late: the container has yet to be pulled
        sent = push(s, wire.message("image_pull", ref="127.0.0.1:1/none", policy="always"), [], 0.5)
    for _ in range(2000):
        with engine.connect() as s:
            wire.send(s, wire.message("image_inspect"))
    result(engine.answers(), "ctl: 2000 clients that leave in the middle")
    result(soon(lambda: n_fds(engine.pid) <= before[1]), "ctl: no descriptor is kept", f"{before[1]}, then {n_fds(engine.pid)}")


def slow_frames(engine, result):
    """Others are served while one client sends what takes the most work to refuse."""
    data = wire.frame(wire.TABLE["image_pull"].number, 1, b"\xdf\x00\x00\xff\xff" + b"\xa3ref\xa1x" * 10000)
    worst = 0.0
    for _ in range(200):
        with engine.connect() as s:
            wire.send(s, data)
            start = time.monotonic()
            ok = engine.answers()
            worst = max(worst, time.monotonic() - start)
    result(ok, "ctl: others are served meanwhile", f"slowest answer {worst * 1000:.0f} ms")


def run(path, log, pid, result):
    engine = Engine(path, log, pid)
    rows = attacks.breaks("CTL", "SUPERVISOR", "container_inspect")
    rows += [(f"wrong role: {s.name}", wire.message(s.name), 0, "may not say this")
             for s in attacks.wrong_roles("CTL", "SUPERVISOR")]
    rows += list(attacks.bombs("container_inspect"))
    rows.append(("an answer to nothing", wire.message("done"), 0, "nothing was asked"))
    engine.answers()
    memory = rss(pid)
    for row in rows:
        name, ok = broken(engine, row)
        result(ok, f"ctl: {name}")
    result(rss(pid) - memory < GROWTH, "ctl: bombs cost no memory", f"{rss(pid) - memory >> 10} kB more")
    check_documents(engine, result)
    slow_frames(engine, result)
    flooded(engine, result)
