# SPDX-License-Identifier: MIT
"""A rogue in the place of the supervisor process: what it says to the launcher, which is root. A
stub (stub.c) lies where that process and every helper should be."""

import os
import socket
import struct
import time

import wire
from attacks import FDS
from rogue import FLOOD, GROWTH, close, make_fds, n_fds, rss, soon
from rogue_helpers import Stage, gone

SPAWN, STARTED, FAILED, GONE, ADOPT, ADOPTED, FORGET, IDMAP, IDMAPPED = range(1, 10)
ROLE = {name: 1 << i for i, name in enumerate(wire.ROLES)}
SIZE = 36


def word(op, role=0, slot=0, flags=0, pid=0, uid=0, gid=0):
    return struct.pack("=5I2i2I", op, role, slot, flags, 0, pid, 0, uid, gid)


def hear(actor, seconds=wire.PATIENCE):
    """The launcher's next word; the descriptor with it is closed."""
    actor.sock.settimeout(seconds)
    try:
        data, anc, _, _ = actor.sock.recvmsg(SIZE, socket.CMSG_SPACE(4))
    except ConnectionError:
        raise wire.Gone from None
    finally:
        actor.sock.settimeout(None)
    for _, _, raw in anc:
        os.close(int.from_bytes(raw[:4], "little"))
    if not data:
        raise wire.Gone
    op, role, slot, flags, _, pid, status, _, _ = struct.unpack("=5I2i2I", data)
    return op, role, slot, flags, pid, status


def begin(stage):
    """A new supervisor process, once it has been told what runs."""
    actor = stage.next("supervisor")
    while hear(actor)[0] != ADOPTED:
        pass
    return actor


def ask(actor, *args):
    """SPAWN; the answer's operation and pid."""
    wire.send(actor.sock, word(SPAWN, *args))
    while True:
        op, _, _, _, pid, _ = hear(actor)
        if op in (STARTED, FAILED):
            return op, pid


def refusals(stage, actor, launcher, result):
    """Well-formed, and not for the supervisor to ask."""
    for name, args in (("no role", (0,)), ("two roles", (ROLE["NETD"] | ROLE["IMAGED"],)),
                       ("itself", (ROLE["SUPERVISOR"],)), ("ctl", (ROLE["CTL"],)), ("dns", (ROLE["DNS"],)),
                       ("every role", (0xffffffff,)), ("a shim of slot 0", (ROLE["SHIM"], 0)),
                       ("a shim of slot 2048", (ROLE["SHIM"], 2048)), ("a shim with all flags", (ROLE["SHIM"], 1, ~0 & 0xffffffff)),
                       ("netd with a slot", (ROLE["NETD"], 1)), ("netd with flags", (ROLE["NETD"], 0, 1))):
        result(ask(actor, *args)[0] == FAILED, f"launcher: asked for {name}")
    for name, slot, uid in (("of root's ids", 5, 0), ("for slot 0", 0, 1000), ("for slot 2048", 2048, 1000)):
        wire.send(actor.sock, word(IDMAP, 0, slot, 0, 0, uid, 1000))
        op, status = hear(actor)[::5]
        result(op == IDMAPPED and status != 0, f"launcher: asked for a mapping {name}")
    result(ask(actor, ROLE["SHIM"], 7)[0] == STARTED and ask(actor, ROLE["SHIM"], 7)[0] == FAILED,
           "launcher: two shims of one slot")
    started = [ask(actor, ROLE["NETD"])[0] for _ in range(50)].count(STARTED)
    result(started == 1, "launcher: 50 times netd", f"{started} started")
    pids = [ask(actor, ROLE["FETCH"]) for _ in range(200)]
    soon(lambda: len([pid for op, pid in pids if op == STARTED and not gone(pid)]) <= 16)
    alive = [pid for op, pid in pids if op == STARTED and not gone(pid)]
    result(0 < len(alive) <= 16, "launcher: 200 times a worker", f"{len(alive)} alive")
    worker, other = alive[0], alive[1]
    wire.send(actor.sock, word(FORGET, ROLE["UNPACK"], 0, 0, other))
    wire.send(actor.sock, word(FORGET, ROLE["FETCH"], 1, 0, other))
    wire.send(actor.sock, word(FORGET, ROLE["FETCH"], 0, 0, worker))
    ended = soon(lambda: gone(worker))
    time.sleep(0.5)
    result(ended and not gone(other), "launcher: a worker that is over is ended, and no other")
    before = rss(launcher), n_fds(launcher)
    for i in range(FLOOD):
        wire.send(actor.sock, word(FORGET, ROLE["SHIM"], i % 4096, 0, i))
    fds = make_fds(2, "memory")
    for n in (1, 2, 2, 2):
        wire.send(actor.sock, word(FORGET, ROLE["SHIM"], 9), fds[:n])
        if n == 2:  # one word with more than one descriptor ends its sender
            break
    close(fds)
    stage_next = begin(stage)
    result(soon(lambda: n_fds(launcher) <= before[1] + 1) and rss(launcher) - before[0] < GROWTH,
           f"launcher: {FLOOD} words of no use, and descriptors it has no use for",
           f"{before[1]} before, {n_fds(launcher)} after")
    return stage_next


def endings(stage, actor, launcher, result):
    """Each of these costs the supervisor process its life, and the engine nothing."""
    for name, data, fds in (("half a word", word(SPAWN)[:-1], 0), ("a word too long", word(SPAWN) + b"\0", 0),
                            ("an empty word", b"", 0), ("an unknown word", word(99), 0),
                            ("a word of its own", word(STARTED, ROLE["NETD"]), 0)):
        own = make_fds(fds)
        wire.send(actor.sock, data, own)
        close(own)
        pid = actor.pid
        following = begin(stage)
        result(soon(lambda pid=pid: gone(pid)) and not gone(launcher), f"launcher: {name}")
        actor.leave()
        actor = following
    return actor


def deaf(stage, actor, launcher, result):
    """It asks and never reads: the launcher does not wait for ever."""
    actor.sock.setblocking(False)
    pid = actor.pid
    start = time.monotonic()
    while not gone(pid) and time.monotonic() - start < wire.PATIENCE:
        if wire.send(actor.sock, word(SPAWN)):
            time.sleep(0.05)
    took = time.monotonic() - start
    actor.leave()
    following = begin(stage)
    result(took < wire.PATIENCE and not gone(launcher), "launcher: never read", f"ended after {took:.1f} s")
    return following


def run(args, result):
    name, where, argv = args[0], args[1], args[2:]
    stage = Stage(name, where, argv)
    launcher = stage.process.pid
    try:
        actor = begin(stage)
        for act in (refusals, endings, deaf):
            actor = act(stage, actor, launcher, result)
        actor.leave()
    finally:
        code = stage.end()
    result(code == 0, "launcher: ends when it is told, and all it started", f"exit {code}")
