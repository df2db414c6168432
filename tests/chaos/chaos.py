#!/usr/bin/python3 -IS
# SPDX-License-Identifier: MIT
"""Random operations and faults on a live engine, and a model of what must be true after each.

    chaos.py --seed N --seconds S --image REF --other REF --bin DIR --name NAME --run DIR --state DIR --launch CMD...

CMD starts the engine's launcher in the foreground; it is started here, and again whenever it has been killed. Everything
random comes from the seed, so a failure can be looked for again; what the kernel's scheduler adds can't. Prints each step,
and at the first thing that is not as it must be, the seed, the step and what was found; then exits 1.
"""
import argparse
import os
import socket
import subprocess
import sys
import time
from collections import Counter

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import host  # noqa: E402
from blows import Blows  # noqa: E402
from driven import AGAIN, Driven, Wrong  # noqa: E402
from more import More  # noqa: E402

LOST = 255  # of a container whose end nobody could see
TIDY = 60  # seconds until what a fault has left is found and removed: twice as often as the engine looks
MEMORY = 64 << 20

# Serves its name, and ends as it is told: by a file inside, or by a signal.
SCRIPT = """trap 'exit 7' TERM
echo up
echo $0 >/mark
mkdir -p /w; echo $0 >/w/name; httpd -p 80 -h /w
while [ ! -e /end ]; do sleep 0.05; done
echo down; exit $(cat /end)"""


class Container:
    """What we know of one."""

    def __init__(self, name, rm, port, limited, policy):
        self.name, self.rm, self.port, self.limited = name, rm, port, limited
        self.policy = policy  # of restarts: unless-stopped, or none
        self.ident, self.running, self.code, self.log = None, True, None, ["up"]
        self.doubtful = False  # it may have been lost
        self.closed = False  # and may have no keeper

    def has_ended(self, code):
        self.running, self.code, self.closed = False, code, False


class Chaos(Driven, Blows, More):
    def __init__(self, o):
        super().__init__(o)
        self.containers, self.step, self.counter, self.before = {}, 0, 0, None

    # ---- operations: each leaves the model as the engine must be ----

    def pick(self, **want):
        fits = [c for c in self.containers.values() if all(getattr(c, k) == v for k, v in want.items())]
        return self.rng.choice(fits) if fits else None

    def free_port(self):
        while True:
            port = self.rng.randrange(21000, 32000)
            with socket.socket() as s:
                try:
                    s.bind(("127.0.0.1", port))
                    return port
                except OSError:
                    continue

    def op_run(self):
        if len(self.containers) >= self.o.containers:
            return self.op_remove()
        self.counter += 1
        # No digit of an id's: a name that there isn't must not be the beginning of an id.
        rm, policy = self.rng.choice(((True, False), (False, True), (False, False), (False, False), (False, False)))
        c = Container(f"n{self.counter}", rm, self.free_port(), self.rng.random() < 0.5, policy)
        flags = ["--rm"] * c.rm + ["-m", str(MEMORY)] * c.limited + ["--restart", "unless-stopped"] * c.policy
        c.ident = self.must("run", "-d", "--name", c.name, "-p", f"127.0.0.1:{c.port}:80", *flags, self.o.image, "sh", "-c",
                            SCRIPT, c.name)
        self.containers[c.name] = c
        return f"run {c.name}"

    def op_short(self):
        n = self.rng.randrange(200)
        code, out, err = self.ctl("run", "--rm", self.o.image, "sh", "-c", f"echo {n}; exit {n}")
        if code != n or out != str(n):
            raise Wrong(f"a run that prints and exits with {n}: exit {code}, {out!r}, {err}")
        return f"run --rm, exit {n}"

    def must_fail(self, want, *words):
        code, _, err = self.ctl("run", "--rm", *words)
        if code != want or not err:
            raise Wrong(f"a run that must fail with {want}: exit {code}: {err!r}")

    def op_fails(self):
        """A start that fails is undone: for want of a program, or, where another has the port, with its address."""
        c = self.pick(running=True)
        if not c or self.rng.random() < 0.5:
            self.must_fail(127, self.o.image, "/no/such/program")
            return "run that fails, no program"
        there = self.must("inspect", "--format", "{{.NetworkSettings.IPAddress}}", c.name)
        address = f"{there.rsplit('.', 2)[0]}.200.{self.rng.randrange(1, 250)}"
        self.must_fail(125, "--ip", address, "-p", f"127.0.0.1:{c.port}:80", self.o.image, "true")
        self.must("run", "--rm", "--ip", address, self.o.image, "true")
        return f"run that fails, its port is {c.name}'s"

    def op_exec(self):
        c = self.pick(running=True, closed=False)
        if not c:
            return self.op_run()
        n = self.rng.randrange(200)
        code, out, err = self.ctl("exec", c.name, "sh", "-c", f"cat /mark; exit {n}")
        if code != n or out != c.name:
            raise Wrong(f"exec in {c.name} that exits with {n}: exit {code}, {out!r}, {err}")
        return f"exec {c.name}"

    def ended(self, c, code):
        if c.rm:
            self.wait_for(f"{c.name} is removed", lambda: self.ctl("inspect", c.name)[0] == 1, AGAIN)
            del self.containers[c.name]
            return
        c.has_ended(code)
        got = self.must("wait", c.name)
        if got != str(code):
            raise Wrong(f"{c.name} ended with {code}, wait says {got}")

    def op_end(self):
        c = self.pick(running=True)
        if not c:
            return self.op_run()
        how = self.rng.choice(("end", "stop", "kill", "stop now"))
        if how == "end" and not c.closed and not c.policy:
            n = self.rng.randrange(1, 120)
            self.must("exec", c.name, "sh", "-c", f"echo {n} >/end.new; mv /end.new /end")
            c.log.append("down")
            self.ended(c, n)
        elif how in ("stop", "end"):
            self.must("stop", c.name)
            self.ended(c, 7)
        else:
            self.must(*(("kill", c.name) if how == "kill" else ("stop", "-t", "0", c.name)))
            self.ended(c, 137)
        return f"{how} {c.name}"

    def op_start(self):
        c = self.pick(running=False)
        if not c:
            return self.op_run()
        again = c.log[-1] == "down"  # its files are those of before: /end ends it at once
        self.must("start", c.name)
        c.running = True
        c.log += ["up"] + ["down"] * again
        if again:
            code = c.code
            self.must("wait", c.name)
            self.ended(c, code)
        return f"start {c.name}"

    def op_remove(self):
        c = self.pick()
        if not c:
            return self.op_run()
        self.must("rm", "-f", c.name)
        del self.containers[c.name]
        return f"rm -f {c.name}"

    def op_clear(self):
        """Without containers an engine is what it was at first, down to the last descriptor."""
        for name in list(self.containers):
            self.must("rm", "-f", name)
        self.containers = {}
        last = []

        def same():
            last[:] = host.picture(self.o.name, self.launcher.pid, (self.o.run_dir, self.o.state_dir))
            return self.before is None or last == self.before

        def differs():
            then, now = Counter(self.before), Counter(last)
            return "afterwards there is " + "; ".join([f"+{n} {x}" for x, n in (now - then).items()] +
                                                      [f"-{n} {x}" for x, n in (then - now).items()])[:800]

        self.wait_for(differs, same, TIDY)
        return "rm -f all"

    # ---- what must be true ----

    def rows(self):
        text = self.must("ps", "-a", "--format", "{{.Names}} {{.Status}}")
        return dict(line.split(" ", 1) for line in text.splitlines())

    def learn(self, c):
        """True once it is clear: it can be entered, or says that it has no keeper, or has ended."""
        code, _, err = self.ctl("exec", c.name, "true")
        c.closed = code != 0 and "keeper" in err
        if code == 0 or c.closed:
            return True
        row = self.rows().get(c.name, "")
        if c.rm and not row:
            del self.containers[c.name]
            return True
        if c.running and f"({LOST})" in row and not c.policy and not c.rm:
            c.has_ended(LOST)
        return not c.running

    def learn_lost(self):
        """What may have been lost has been, or runs; and without a keeper it can't be entered."""
        for c in [c for c in self.containers.values() if c.doubtful]:
            c.doubtful = False
            if c.running:
                self.wait_for(f"{c.name}, whose shim or keeper may have died, runs or has ended", lambda: self.learn(c), AGAIN)
                if c.policy:  # it may have been started again
                    c.log = ["up"] * len(self.must("logs", c.name).split())

    def check_rows(self):
        rows = self.rows()
        if not set(rows) >= set(self.containers):
            raise Wrong(f"ps shows {sorted(rows)}, and there are {sorted(self.containers)}")
        if set(rows) != set(self.containers):  # of a run --rm that failed: it is being removed
            self.wait_for(f"{sorted(set(rows) - set(self.containers))} are gone",
                          lambda: set(self.rows()) == set(self.containers), TIDY)
        for c in self.containers.values():
            up = rows[c.name].startswith("Up")
            if up != c.running:
                raise Wrong(f"{c.name} is {rows[c.name]!r}, and should {'run' if c.running else 'have ended'}")
            if not c.running and f"({c.code})" not in rows[c.name]:
                raise Wrong(f"{c.name} is {rows[c.name]!r}, and ended with {c.code}")

    def held(self):
        """Of what the host holds, what must not be there, or must be."""
        there = {c.ident for c in self.containers.values()}
        run = {c.ident for c in self.containers.values() if c.running}
        sets = [("link", {i[:10] for i in run}, host.links(self.o.name)),
                ("record", there, host.directories(self.o.state_dir + "/containers")),
                ("files", there, host.directories(self.o.state_dir + "/rootfs"))]
        sets += [(f"cgroup in {top}", run & ids if host.limits_hugetlb_alone(top) else run, ids)
                 for top, ids in host.cgroups(self.o.name).items()]
        return [f"{what} {sign}{i[:10]}" for what, want, got in sets
                for sign, some in (("+", got - want), ("-", want - got)) for i in some]

    def check_host(self):
        last = []

        def fits():
            last[:] = self.held()
            return not last

        self.wait_for(lambda: f"the host holds {last}", fits, TIDY)

    def check_one(self, c):
        """One container, from all sides."""
        if c.running:
            self.wait_for(f"port {c.port} answers {c.name}", lambda: host.says(c.port) == c.name, AGAIN)
            if c.limited and host.memory_limit(self.o.name, c.ident) != str(MEMORY):
                raise Wrong(f"{c.name}'s limit is {host.memory_limit(self.o.name, c.ident)}, and should be {MEMORY}")
            if not c.closed:
                self.wait_for(f"exec works in {c.name}", lambda: self.ctl("exec", c.name, "cat", "/mark")[1] == c.name, AGAIN)
        elif host.says(c.port) is not None:
            raise Wrong(f"{c.name} has ended, and port {c.port} answers")
        log = self.must("logs", c.name).split()
        if log != c.log and not (c.running and log == c.log[:-1]):
            raise Wrong(f"{c.name} wrote {c.log}, its log has {log}")

    def check(self):
        self.wait_for("ps answers", lambda: self.ctl("ps")[0] == 0, AGAIN)
        self.learn_lost()
        self.check_rows()
        self.check_host()
        c = self.pick()
        if c:
            self.check_one(c)

    def must_be_gone(self):
        """After a good end the host holds nothing of the engine."""
        for what, left in (("links", host.links(self.o.name)), ("cgroups", host.cgroups(self.o.name))):
            if left:
                raise Wrong(f"the engine has ended and left {what}: {left}")
        left = [words for _, words in self.family()]
        if left:
            raise Wrong(f"the engine has ended and left processes: {left}")

    def settled(self):
        """After a fault everything must work again, soon."""
        self.wait_for("the engine answers", lambda: self.ctl("version")[0] == 0, AGAIN)
        self.wait_for("a container runs", lambda: self.ctl("run", "--rm", self.o.image, "true")[0] == 0, AGAIN)

    def begin(self):
        self.launch()
        self.must("pull", "-q", self.o.image)
        self.must("pull", "-q", self.o.other)
        self.settled()
        time.sleep(1)  # the next standby shims
        self.before = host.picture(self.o.name, self.launcher.pid, (self.o.run_dir, self.o.state_dir))

    def run(self):
        operations = [(self.op_run, 5), (self.op_short, 3), (self.op_exec, 3), (self.op_end, 4), (self.op_start, 3),
                      (self.op_remove, 2), (self.op_fails, 2), (self.op_clear, 1), (self.op_pause, 2), (self.op_pull, 1),
                      (self.op_die, 2)]
        until = time.monotonic() + self.o.seconds
        self.begin()
        while time.monotonic() < until:
            self.step += 1
            if self.rng.random() < 0.3:
                what = self.rng.choice(self.faults())()
                self.settled()
            else:
                fn = self.rng.choices([f for f, _ in operations], [w for _, w in operations])[0]
                what = fn()
            print(f"{self.step}: {what}", flush=True)
            self.check()
        self.op_clear()
        self.launcher.terminate()
        if self.launcher.wait(timeout=60) != 0:
            raise Wrong("the engine did not end well")
        self.must_be_gone()


def main():
    p = argparse.ArgumentParser()
    for flag, kind, default in (("--seed", int, None), ("--seconds", float, 60), ("--image", str, None), ("--other", str, None),
                                ("--bin", str, None), ("--name", str, None), ("--log", str, "/dev/null"),
                                ("--run-dir", str, None), ("--state-dir", str, None), ("--containers", int, 6)):
        p.add_argument(flag, type=kind, default=default)
    p.add_argument("launch", nargs="+")
    o = p.parse_args()
    chaos = Chaos(o)
    try:
        chaos.run()
    except (Wrong, subprocess.TimeoutExpired) as e:
        print(f"chaos: seed {o.seed}, step {chaos.step}: {e}", flush=True)
        chaos.revive()
        sys.exit(1)
    finally:
        if chaos.launcher and chaos.launcher.poll() is None:
            chaos.launcher.terminate()
            chaos.launcher.wait()
    print(f"chaos: seed {o.seed}: {chaos.step} steps, all as it must be")


main()
