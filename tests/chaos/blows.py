# SPDX-License-Identifier: MIT
"""Faults of every kind that the chaos suite deals to an engine, and what each may cost."""
import os
import signal
import subprocess
import time

from driven import AGAIN, PATIENCE, Wrong

# What may be said of a request that a fault has cut off.
CUT_OFF = ("hung up", "died", "is not running", "try again", "doesn't answer", "not running", "connection reset",
           "ended unexpectedly", "no engine", "is being", "cut off", "refused", "supervisor", "temporarily", "gone")


def is_shim(words):
    return words.startswith("shim ")


def is_keeper(words):
    return words.startswith("shim: keeper")


class Blows:
    """Mixed into a Driven that has self.containers."""

    def fault_helper(self):
        name = self.rng.choice(("netd", "imaged", "cgroupd"))
        self.kill(lambda w: w.startswith(name))
        return f"killed {name}"

    def fault_supervisor(self):
        self.kill(lambda w: w.startswith("supervisor --serve"))
        return "killed the supervisor"

    def fault_shim(self):
        self.doubt(closed=True)
        got = self.kill(is_shim, self.rng.choice((1, 1, 2, 99)))
        return f"killed {len(got)} shims"

    def fault_keeper(self):
        """Nothing can be executed in its container any more, and nobody takes its shim's place."""
        self.doubt()
        return f"killed {len(self.kill(is_keeper, self.rng.choice((1, 2, 99))))} keepers"

    def fault_both(self):
        """Shims, and their keepers before these have taken the place: the containers are lost."""
        self.doubt()
        order = self.rng.sample((is_shim, is_keeper), 2)
        got = sum(len(self.kill(which, 99)) for which in order)
        return f"killed {got} shims and keepers"

    def doubt(self, closed=False):
        """What runs, or only what has no keeper, may have been lost, as it may be."""
        for c in self.containers.values():
            c.doubtful = c.doubtful or (c.running and (c.closed or not closed))

    def fault_launcher(self):
        self.launcher.kill()
        self.launcher.wait()
        time.sleep(self.rng.random() * 0.5)
        self.launch()
        return "killed the launcher"

    def fault_engine(self):
        """All but shims and keepers, at once."""
        self.kill(lambda w: not w.startswith("shim"), 99)
        self.launcher.wait()
        self.launch()
        return "killed all but the shims"

    def fault_more(self):
        """A second fault before the first is over. A shim that dies twice may have had no keeper yet."""
        blows = [self.rng.choice((self.fault_helper, self.fault_supervisor, self.fault_shim)) for _ in range(3)]
        if blows.count(self.fault_shim) > 1:
            self.doubt()
        return ", ".join(blow() for blow in blows)

    def fault_stopped(self):
        """A process that stands still for a moment."""
        names = ("netd", "imaged", "cgroupd", "supervisor --serve", "shim")
        name = self.rng.choice(names)
        got = self.kill(lambda w: w.startswith(name), 3, signal.SIGSTOP)
        time.sleep(self.rng.random())
        for pid in got:
            os.kill(pid, signal.SIGCONT)
        return f"stopped {name} for a moment"

    def fault_end(self):
        """The engine is told to end, in the middle of something or not, and started again."""
        what = self.rng.choice((lambda: "nothing", lambda: "nothing", self.fault_helper, self.fault_supervisor))
        order = self.rng.random() < 0.5
        said = what() if order else ""
        self.launcher.terminate()
        said = said or what()
        try:
            code = self.launcher.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            raise Wrong(f"{said} {'before' if order else 'after'} SIGTERM: the engine does not end") from None
        if code != 0:
            raise Wrong(f"{said} {'before' if order else 'after'} SIGTERM: the engine ended with {code}")
        for c in list(self.containers.values()):
            if c.rm:
                del self.containers[c.name]
            elif c.running and c.policy:
                c.log.append("up")  # unless-stopped: again with the engine
                c.closed = False
            elif c.running:
                c.has_ended(7)
        self.must_be_gone()
        self.launch()
        self.wait_for("what is to run again does", lambda: all(self.is_up(c) for c in self.containers.values() if c.policy and c.running),
                      AGAIN)
        return f"ended and started it, {said} {'before' if order else 'after'}"

    def fault_in_flight(self):
        """A fault while requests are on their way: each ends, with a code or a clear sentence."""
        self.counter += 1
        name = f"k{self.counter}"
        words = self.rng.choice((
            ["run", "-d", "--name", name, "-p", "127.0.0.1::80", self.o.image, "sleep", "1000"],
            ["run", "--rm", "--name", name, self.o.image, "true"],
            ["create", "--name", name, self.o.image, "true"]))
        p = subprocess.Popen([self.o.bin + "/ctl", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
        time.sleep(self.rng.random() * 0.04)
        what = self.rng.choice((self.fault_helper, self.fault_supervisor, self.fault_shim))()
        self.cut_off_or_well(p, f"{what} during ctl {' '.join(words)}")
        self.wait_for("the engine answers", lambda: self.ctl("version")[0] == 0, AGAIN)
        self.wait_for(f"{name} can be removed", lambda: self.ctl("rm", "-f", name)[0] == 0, AGAIN)
        return f"{what} during {words[0]}"

    def cut_off_or_well(self, p, what):
        try:
            _, err = p.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            p.kill()
            raise Wrong(f"{what}: it never ended") from None
        err = err.decode(errors="replace").strip()
        if p.returncode not in (0, 137) and not any(w in err for w in CUT_OFF):
            raise Wrong(f"{what}: exit {p.returncode}: {err!r} is no clear sentence")

    def faults(self):
        return [self.fault_helper, self.fault_helper, self.fault_supervisor, self.fault_supervisor, self.fault_shim,
                self.fault_shim, self.fault_shim, self.fault_launcher, self.fault_engine, self.fault_more,
                self.fault_in_flight, self.fault_in_flight, self.fault_stopped, self.fault_keeper,
                self.fault_both, self.fault_end, self.fault_host, self.fault_host]
