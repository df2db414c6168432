#!/usr/bin/python3 -IS
# SPDX-License-Identifier: MIT
"""Random operations and faults on a live engine, and a model of what must be true after each.

    chaos.py --seed N --seconds S --image REF --bin DIR --launch CMD...

CMD starts the engine's launcher in the foreground; it is started here, and again whenever it has been killed. Everything
random comes from the seed, so a failure can be looked for again; what the kernel's scheduler adds can't. Prints each step,
and at the first thing that is not as it must be, the seed, the step and what was found; then exits 1.
"""
import argparse
import os
import random
import signal
import subprocess
import sys
import time

PATIENCE = 30  # seconds that any one word of ctl may take
AGAIN = 15  # within so many seconds of a fault everything must work again
# What may be said of a request that a fault has cut off.
CUT_OFF = ("hung up", "died", "is not running", "try again", "doesn't answer", "not running", "connection reset",
           "no engine", "is being", "cut off", "refused", "supervisor", "temporarily", "gone")


class Wrong(Exception):
    """Something is not as it must be."""


class Container:
    """What we know of one: how it shall end is up to a file inside."""

    def __init__(self, name, rm):
        self.name, self.rm = name, rm
        self.running, self.ended_by_us, self.code = True, None, None


class Chaos:
    def __init__(self, o):
        self.o, self.rng = o, random.Random(o.seed)
        self.containers, self.step, self.launcher, self.counter = {}, 0, None, 0
        self.log = open(o.log, "ab")

    # ---- the engine ----

    def launch(self):
        self.launcher = subprocess.Popen(self.o.launch, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.wait_for("the engine answers", lambda: self.ctl("version")[0] == 0, AGAIN)

    def family(self):
        """(pid, words) of the launcher's children and theirs, outside of user namespaces of their own."""
        ours, found = os.readlink("/proc/self/ns/user"), []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                words = open(f"/proc/{pid}/cmdline", "rb").read().replace(b"\0", b" ").decode(errors="replace")
                if self.o.name in words or words.startswith("shim"):
                    if os.readlink(f"/proc/{pid}/ns/user") == ours and self.is_ours(int(pid)):
                        found.append((int(pid), words))
            except OSError:
                continue
        return found

    def is_ours(self, pid):
        """An engine's uids lie in one block; its helpers are the launcher's children."""
        while pid > 1:
            if pid == self.launcher.pid:
                return True
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
                pid = int(f.read().rsplit(")", 1)[1].split()[1])
        return False

    def ctl(self, *words, patience=PATIENCE):
        """(exit code, stdout, stderr); a word that takes too long is what must never be."""
        try:
            p = subprocess.run([self.o.bin + "/ctl", *words], stdin=subprocess.DEVNULL, capture_output=True,
                               timeout=patience, check=False)
        except subprocess.TimeoutExpired:
            raise Wrong(f"ctl {' '.join(words)}: no answer in {patience} s") from None
        return p.returncode, p.stdout.decode(errors="replace").strip(), p.stderr.decode(errors="replace").strip()

    def must(self, *words):
        code, out, err = self.ctl(*words)
        if code != 0:
            raise Wrong(f"ctl {' '.join(words)}: exit {code}: {err}")
        return out

    def wait_for(self, what, check, seconds):
        until = time.monotonic() + seconds
        while not check():
            if time.monotonic() > until:
                raise Wrong(f"not within {seconds} s: {what}")
            time.sleep(0.05)

    # ---- operations: each leaves the model as the engine must be ----

    def pick(self, **want):
        fits = [c for c in self.containers.values() if all(getattr(c, k) == v for k, v in want.items())]
        return self.rng.choice(fits) if fits else None

    def op_run(self):
        if len(self.containers) >= self.o.containers:
            return self.op_remove()
        self.counter += 1
        # No digit of an id's: a name that there isn't must not be the beginning of an id.
        c = Container(f"n{self.counter}", self.rng.random() < 0.2)
        script = "trap 'exit 7' TERM; echo $$ >/mark; while [ ! -e /end ]; do sleep 0.05; done; exit $(cat /end)"
        self.must("run", "-d", "--name", c.name, *(["--rm"] if c.rm else []), self.o.image, "sh", "-c", script)
        self.containers[c.name] = c
        return f"run {c.name}"

    def op_short(self):
        n = self.rng.randrange(200)
        code, out, err = self.ctl("run", "--rm", self.o.image, "sh", "-c", f"echo {n}; exit {n}")
        if code != n or out != str(n):
            raise Wrong(f"a run that prints and exits with {n}: exit {code}, {out!r}, {err}")
        return f"run --rm, exit {n}"

    def op_exec(self):
        c = self.pick(running=True)
        if not c:
            return self.op_run()
        n = self.rng.randrange(200)
        code, out, err = self.ctl("exec", c.name, "sh", "-c", f"cat /mark; exit {n}")
        if code != n or out != "1":
            raise Wrong(f"exec in {c.name} that exits with {n}: exit {code}, {out!r}, {err}")
        return f"exec {c.name}"

    def ended(self, c, code):
        c.running, c.code = False, code
        if c.rm:
            self.wait_for(f"{c.name} is removed", lambda: self.ctl("inspect", c.name)[0] == 1, AGAIN)
            del self.containers[c.name]
            return
        got = self.must("wait", c.name)
        if got != str(code):
            raise Wrong(f"{c.name} ended with {code}, wait says {got}")

    def op_end(self):
        c = self.pick(running=True)
        if not c:
            return self.op_run()
        how = self.rng.choice(("end", "stop", "kill", "stop now"))
        if how == "end":
            n = self.rng.randrange(1, 120)
            self.must("exec", c.name, "sh", "-c", f"echo {n} >/end.new; mv /end.new /end")
            self.ended(c, n)
        elif how == "stop":
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
        # /end would end it at once: its files are those of before.
        self.must("start", c.name)
        c.running = True
        time.sleep(0.1)
        code, _, _ = self.ctl("exec", c.name, "rm", "-f", "/end")
        if code != 0:
            self.wait_for(f"{c.name} has ended again", lambda: self.state(c.name) != "running", AGAIN)
            c.running, c.code = False, int(self.must("wait", c.name))
        return f"start {c.name}"

    def op_remove(self):
        c = self.pick()
        if not c:
            return self.op_run()
        self.must("rm", "-f", c.name)
        del self.containers[c.name]
        return f"rm -f {c.name}"

    def state(self, name):
        code, out, _ = self.ctl("inspect", "--format", "{{.State.Status}}", name)
        return out if code == 0 else None

    # ---- faults ----

    def kill(self, which, how_many=1):
        victims = [pid for pid, words in self.family() if which(words)]
        self.rng.shuffle(victims)
        for pid in victims[:how_many]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return victims[:how_many]

    def fault_helper(self):
        name = self.rng.choice(("netd", "imaged", "cgroupd"))
        self.kill(lambda w: w.startswith(name))
        return f"killed {name}"

    def fault_supervisor(self):
        self.kill(lambda w: w.startswith("supervisor --serve"))
        return "killed the supervisor"

    def fault_shim(self):
        n = self.rng.choice((1, 1, 2, 99))
        got = self.kill(lambda w: w.startswith("shim ") and "keeper" not in w, n)
        return f"killed {len(got)} shims"

    def fault_launcher(self):
        self.launcher.kill()
        self.launcher.wait()
        time.sleep(self.rng.random() * 0.5)
        self.launch()
        return "killed the launcher"

    def fault_engine(self):
        """All but shims and keepers, at once."""
        pids = [pid for pid, words in self.family() if not words.startswith("shim")]
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.launcher.wait()
        self.launch()
        return "killed all but the shims"

    def fault_upgrade(self):
        """A second fault before the first is over."""
        return ", ".join(self.rng.choice((self.fault_helper, self.fault_supervisor, self.fault_shim))() for _ in range(3))

    def fault_in_flight(self):
        """A fault while requests are on their way: each ends, with a code or a clear sentence."""
        self.counter += 1
        name = f"k{self.counter}"
        words = self.rng.choice((
            ["run", "-d", "--name", name, self.o.image, "sleep", "1000"],
            ["run", "--rm", "--name", name, self.o.image, "true"],
            ["create", "--name", name, self.o.image, "true"]))
        p = subprocess.Popen([self.o.bin + "/ctl", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
        time.sleep(self.rng.random() * 0.04)
        what = self.rng.choice((self.fault_helper, self.fault_supervisor, self.fault_shim))()
        try:
            _, err = p.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            p.kill()
            raise Wrong(f"{what} during ctl {' '.join(words)}: it never ended") from None
        err = err.decode(errors="replace").strip()
        if p.returncode not in (0, 137) and not any(w in err for w in CUT_OFF):
            raise Wrong(f"{what} during ctl {' '.join(words)}: exit {p.returncode}: {err!r} is no clear sentence")
        self.wait_for("the engine answers", lambda: self.ctl("version")[0] == 0, AGAIN)
        self.wait_for(f"{name} can be removed", lambda: self.ctl("rm", "-f", name)[0] == 0, AGAIN)
        return f"{what} during {words[0]}"

    # ---- what must be true ----

    def rows(self):
        text = self.must("ps", "-a", "--format", "{{.Names}} {{.Status}}")
        return dict(line.split(" ", 1) for line in text.splitlines())

    def check(self):
        self.wait_for("ps answers", lambda: self.ctl("ps")[0] == 0, AGAIN)
        rows = self.rows()
        if not set(rows) >= set(self.containers):
            raise Wrong(f"ps shows {sorted(rows)}, and there are {sorted(self.containers)}")
        if set(rows) != set(self.containers):  # of a run --rm that failed: it is being removed
            self.wait_for(f"{sorted(set(rows) - set(self.containers))} are gone",
                          lambda: set(self.rows()) == set(self.containers), AGAIN)
        for c in self.containers.values():
            up = rows[c.name].startswith("Up")
            if up != c.running:
                raise Wrong(f"{c.name} is {rows[c.name]!r}, and should {'run' if c.running else 'have ended'}")
            if not c.running and f"({c.code})" not in rows[c.name]:
                raise Wrong(f"{c.name} is {rows[c.name]!r}, and ended with {c.code}")
        c = self.pick(running=True)
        if c:
            self.wait_for(f"exec works in {c.name}", lambda: self.ctl("exec", c.name, "cat", "/mark")[1] == "1", AGAIN)

    def settled(self):
        """After a fault everything must work again, soon."""
        self.wait_for("the engine answers", lambda: self.ctl("version")[0] == 0, AGAIN)
        self.wait_for("a container runs", lambda: self.ctl("run", "--rm", self.o.image, "true")[0] == 0, AGAIN)

    def run(self):
        operations = [(self.op_run, 4), (self.op_short, 3), (self.op_exec, 4), (self.op_end, 3), (self.op_start, 2),
                      (self.op_remove, 2)]
        faults = [self.fault_helper, self.fault_supervisor, self.fault_shim, self.fault_launcher, self.fault_engine,
                  self.fault_upgrade, self.fault_in_flight, self.fault_in_flight]
        until = time.monotonic() + self.o.seconds
        self.launch()
        self.must("pull", "-q", self.o.image)
        while time.monotonic() < until:
            self.step += 1
            if self.rng.random() < 0.3:
                what = self.rng.choice(faults)()
                self.settled()
            else:
                fn = self.rng.choices([f for f, _ in operations], [w for _, w in operations])[0]
                what = fn()
            print(f"{self.step}: {what}", flush=True)
            self.check()
        for name in list(self.containers):
            self.must("rm", "-f", name)
        self.launcher.terminate()
        if self.launcher.wait(timeout=60) != 0:
            raise Wrong("the engine did not end well")


def main():
    p = argparse.ArgumentParser()
    for flag, kind, default in (("--seed", int, None), ("--seconds", float, 60), ("--image", str, None),
                                ("--bin", str, None), ("--name", str, None), ("--log", str, "/dev/null"),
                                ("--containers", int, 6)):
        p.add_argument(flag, type=kind, default=default)
    p.add_argument("launch", nargs="+")
    o = p.parse_args()
    chaos = Chaos(o)
    try:
        chaos.run()
    except (Wrong, subprocess.TimeoutExpired) as e:
        print(f"chaos: seed {o.seed}, step {chaos.step + 1}: {e}", flush=True)
        if chaos.launcher:
            chaos.launcher.terminate()
        sys.exit(1)
    print(f"chaos: seed {o.seed}: {chaos.step} steps, all as it must be")


main()
