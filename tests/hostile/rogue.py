# SPDX-License-Identifier: MIT
"""A rogue stands in for each peer of each daemon.

	rogue.py daemon KIND PROGRAM [ARG...]	is the parent of one daemon, on its descriptor 3
	rogue.py ctl SOCKET LOG PID		is a client of a supervisor
	rogue.py helpers STUB DIR SOCKET SUPERVISOR [ARG...]	is what a supervisor takes for its helpers
	rogue.py workers IMAGED DIR		is the workers of an imaged, and its supervisor
	rogue.py hanging-workers IMAGED DIR	likewise, those that say nothing any more
	rogue.py supervisor STUB DIR LAUNCHER [ARG...]	is what a launcher takes for the supervisor

STUB is the name of the socket that the stubs (stub.c) in DIR/bin know. Prints one line a row; exits 1
when a rule was broken."""

import faulthandler
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time

import attacks
import wire

FLOOD = 100000
GROWTH = 16 << 20  # bytes that a daemon may have more after being flooded
IN_FLIGHT = 128  # fewer than a socket holds

# What each daemon is asked to see whether it still answers, and by whom.
DAEMONS = {
    "netd": ("SUPERVISOR", "NETD", "net_detach"),
    "cgroupd": ("SUPERVISOR", "CGROUPD", "cgroup_read"),
    "imaged": ("SUPERVISOR", "IMAGED", "image_inspect"),
    "fetch": ("IMAGED", "FETCH", "fetch_blob"),
    "unpack": ("IMAGED", "UNPACK", "unpack_layer"),
    "shim": ("SUPERVISOR", "SHIM", "shim_signal"),
}
# A read of these ends only when the one who asked closes the other end: that is his to know.
MAY_BLOCK = {("unpack_layer", "fifo"), ("unpack_dirs", "fifo")}

failures = 0


def result(ok, name, why=""):
    global failures
    failures += not ok
    print(f"{'ok  ' if ok else 'FAIL'} {name}{': ' + why if why else ''}", flush=True)


def rss(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        return int(re.search(r"VmRSS:\s*(\d+)", f.read()).group(1)) << 10


def n_fds(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def soon(true, seconds=wire.PATIENCE):
    """Waits until it is, or the time is over."""
    until = time.monotonic() + seconds
    while not (now := true()) and time.monotonic() < until:
        time.sleep(0.02)
    return now


def make_fds(n, kind="device"):
    return [attacks.FDS[kind]() for _ in range(n)]


def close(fds):
    for fd in fds:
        os.close(fd)
    while attacks.fifo.kept:
        os.close(attacks.fifo.kept.pop())


class Daemon:
    """A daemon whose parent is the rogue."""

    def __init__(self, kind, argv):
        self.me, self.them, self.probe = DAEMONS[kind]
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock = ours
        self.log = os.memfd_create("log")

        # Popen moves descriptors above 2 about: what is to be 3 is put there last.
        def put():
            os.dup2(theirs.fileno(), 3)
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=self.log, pass_fds=[3], preexec_fn=put)
        theirs.close()
        if kind == "shim":
            wire.receive(self.sock)  # shim_ready

    def text(self):
        return os.pread(self.log, 1 << 20, 0).decode(errors="replace")

    def ask(self, ident=1, name=None, kind="device", **fields):
        """Sends a request; its answer's name."""
        name = name or self.probe
        fds = make_fds(wire.sample(name)[1], kind)
        code = wire.send(self.sock, wire.message(name, ident, **fields), fds)
        close(fds)
        if code:
            raise wire.Gone
        while True:
            answer, got, body, _ = wire.receive(self.sock)
            if got == ident:
                return answer, body

    def end(self):
        self.sock.close()
        try:
            code = self.process.wait(wire.PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            code = "hangs"
        os.close(self.log)
        return code


def closed(sock, seconds=wire.PATIENCE):
    """Has the other side closed the channel? What it still says is thrown away."""
    try:
        while True:
            wire.receive(sock, seconds)
    except wire.Gone:
        return True
    except (TimeoutError, socket.timeout):
        return False


def broken(kind, argv, row):
    """One broken rule: the daemon says why, closes, and ends in peace."""
    name, data, n, why = row
    d = Daemon(kind, argv)
    before = rss(d.process.pid)
    fds = make_fds(n)
    wire.send(d.sock, data, fds)
    close(fds)
    if not closed(d.sock):
        d.end()
        return result(False, f"{kind}: {name}", "the channel stays open")
    text = d.text()
    code = d.end()
    line = [x for x in text.splitlines() if re.search(why, x) and re.search("warning|error", x)]
    result(bool(line) and code == 0, f"{kind}: {name}",
           "" if line and code == 0 else f"exit {code}, log: {text.strip()[-200:]}, rss {before}")


def flood(sock, data, fds):
    """Sends FLOOD frames, a few ahead of their answers; how many were answered. Bare calls, for speed."""
    room = bytearray(70000)
    sent = answered = 0
    sock.settimeout(wire.PATIENCE)
    try:
        while answered < FLOOD:
            while sent < FLOOD and sent - answered < IN_FLIGHT:
                if fds:
                    wire.send(sock, data, fds)
                else:
                    sock.send(data)
                sent += 1
            if sock.recv_into(room) == 0:
                break
            answered += 1
    except OSError:
        pass
    sock.settimeout(None)
    return answered


def flooded(kind, argv):
    """Many frames, with a window, then without one: all answered, nothing grows."""
    d = Daemon(kind, argv)
    d.ask()
    memory, fds = rss(d.process.pid), n_fds(d.process.pid)
    data = wire.message(d.probe)
    own = make_fds(wire.sample(d.probe)[1])
    answered = flood(d.sock, data, own)
    grown = rss(d.process.pid) - memory
    result(answered == FLOOD and grown < GROWTH and soon(lambda: n_fds(d.process.pid) <= fds), f"{kind}: {FLOOD} frames, all of one id",
           f"{grown >> 10} kB more, {n_fds(d.process.pid) - fds} descriptors more")
    never_read(kind, d, data, own)
    close(own)
    result(d.end() == 0, f"{kind}: ends in peace")


def push(sock, data, fds, seconds=1.0):
    """Sends until nothing has gone out for that long; how many went."""
    sock.setblocking(False)
    sent = 0
    last = time.monotonic()
    while time.monotonic() - last < seconds:
        if wire.send(sock, data, fds):
            time.sleep(0.01)
            continue
        sent += 1
        last = time.monotonic()
        if sent == FLOOD:
            break
    sock.setblocking(True)
    return sent


def never_read(kind, d, data, own):
    memory = rss(d.process.pid)
    sent = push(d.sock, data, own)
    grown = rss(d.process.pid) - memory
    answers = 0
    try:
        while answers < sent:
            wire.receive(d.sock)
            answers += 1
    except (wire.Gone, TimeoutError, socket.timeout):
        pass
    result(sent < FLOOD and grown < GROWTH and answers == sent, f"{kind}: answers not read",
           f"{sent} went out, {answers} were answered, {grown >> 10} kB more")


def wrong_descriptors(kind, argv):
    """Each message with each kind of descriptor: refused or done, and nothing is kept."""
    d = Daemon(kind, argv)
    if kind != "shim":
        d.ask()
    fds = n_fds(d.process.pid)
    for s in attacks.with_fds(d.me, d.them):
        for what in attacks.FDS:
            if (s.name, what) in MAY_BLOCK:
                continue
            if kind == "shim":  # one start each
                d.end()
                d = Daemon(kind, argv)
            try:
                if s.kind == "REQUEST":
                    answer = d.ask(2, s.name, what)[0]
                else:
                    own = make_fds(wire.sample(s.name)[1], what)
                    wire.send(d.sock, wire.message(s.name), own)
                    close(own)
                    answer = d.ask(3)[0]
                result(True, f"{kind}: {s.name} with a {what}", answer)
            except (wire.Gone, TimeoutError, socket.timeout) as e:
                result(False, f"{kind}: {s.name} with a {what}", f"{type(e).__name__} {d.text()[-200:]}")
                d.end()
                d = Daemon(kind, argv)
    if kind != "shim":
        result(soon(lambda: n_fds(d.process.pid) <= fds), f"{kind}: no descriptor is kept",
               f"{fds} before, {n_fds(d.process.pid)} after")
    result(d.end() == 0, f"{kind}: ends in peace after that")


def run_daemon(kind, argv):
    me, them, probe = DAEMONS[kind]
    rows = attacks.breaks(me, them, probe)
    for s in attacks.wrong_roles(me, them)[::12]:
        rows.append((f"wrong role: {s.name}", wire.message(s.name), 0, "may not say this"))
    rows.append(("an answer to nothing", wire.message("done"), 0, "nothing was asked|not for a shim"))
    rows += list(attacks.bombs(probe))[:9]
    # The shim has a dispatcher of its own; the others share chan.c, one of them is shown all of it.
    for row in rows if kind in ("cgroupd", "shim") else rows[::4]:
        broken(kind, argv, row)
    wrong_descriptors(kind, argv)
    if kind != "shim":
        flooded(kind, argv)


def main():
    mode = sys.argv[1]
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    faulthandler.register(signal.SIGUSR1)  # for who wants to know where it hangs
    if mode == "daemon":
        run_daemon(sys.argv[2], sys.argv[3:])
    elif mode == "ctl":
        import rogue_ctl
        rogue_ctl.run(sys.argv[2], sys.argv[3], int(sys.argv[4]), result)
    elif mode == "workers":
        import rogue_workers
        rogue_workers.run(sys.argv[2:], result)
    elif mode == "hanging-workers":
        import rogue_fetch
        rogue_fetch.run_hangs(*sys.argv[2:], result)
    elif mode == "helpers":
        import rogue_helpers
        rogue_helpers.run(sys.argv[2:], result)
    else:
        import rogue_supervisor
        rogue_supervisor.run(sys.argv[2:], result)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    sys.modules["rogue"] = sys.modules["__main__"]
    main()
