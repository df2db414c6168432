#!/usr/bin/python3 -BS
# SPDX-License-Identifier: MIT
"""A system call fails, once, in any process of a live engine; then the host must be as before.

    faults.py [--each N] [--only ROLE/CALL[/K]] --image REF --bin DIR --name NAME --dirs "RUN STATE" --log FILE -- CMD...

CMD starts the engine in the foreground, judged by referee.py. First a life of containers is gone through without a fault,
and the calls that each process made are counted. Then it is gone through again for the first, the last and N-2 more of each
process's calls of each kind, which fails. Each command of ctl then does what it should or ends soon with one sentence;
afterwards nothing is left, no descriptor either, and the next container runs. One line for each.
"""
import errno
import os
import subprocess
import sys
import time

from referee import CALLS, Ctl, Judged, Wrong, cases, options, settled, wait_for

PATIENCE = 40  # seconds that a command of ctl may take


class Faults:
    def __init__(self, o):
        self.o, self.log = o, open(o.log, "ab")
        self.ctl = Ctl(o.bin + "/ctl", PATIENCE)
        self.engine = Judged(o.launch, self.log)
        self.referee = self.engine.referee
        wait_for("the engine answers", lambda: self.ctl("version")[0] == 0, 20)

    def picture(self):
        env = {"LEAKS_SCOPE": self.o.name, "LEAKS_ENGINE": str(self.engine.pid), "LEAKS_DIRS": self.o.dirs,
               "PATH": os.environ["PATH"]}
        return subprocess.run([self.o.leaks], env=env, capture_output=True, check=True).stdout.decode()

    def life(self):
        """Each kind of step that a container's life has."""
        image = self.o.image
        run = ["run", "--rm", "-m", "32m", "--pids-limit", "50", "-v", self.o.bind + ":/v", "-p", "127.0.0.1::80",
               "--tmpfs", "/t", image, "sh", "-c", "exit 3"]
        self.ctl.said(3, *run)
        up = ["run", "-d", "--name", "x", image, "sleep", "1000"]
        if self.ctl.said(0, *up):
            for words, want in ((["exec", "x", "sh", "-c", "exit 4"], 4), (["stop", "-t", "0", "x"], 0),
                                (["start", "x"], 0), (["kill", "x"], 0)):
                self.ctl.said(want, *words)
        code, _, err = self.ctl("rm", "-f", "x")
        if code != 0 and "no such container" not in err.lower():
            code, _, again = self.ctl("rm", "-f", "x")  # what failed once goes the second time
            if code != 0:
                raise Wrong(f"ctl rm -f x: {err!r}, and again: {again!r}")

    def count(self):
        self.referee.arm()
        self.life()
        time.sleep(0.5)  # the next standby shims
        return dict(self.referee.counts)

    def one(self, role, name, k, before):
        self.referee.arm((role, name, k))
        self.life()
        fired = self.referee.fired
        self.referee.arm()
        code, _, err = self.ctl("run", "--rm", self.o.image, "sh", "-c", "exit 5")
        if code != 5:
            raise Wrong(f"the next run: exit {code}: {err!r}")
        settled(self.picture, before)
        return fired

    def all(self):
        passed = failed = 0
        code, _, err = self.ctl("pull", "-q", self.o.image)
        if code != 0:
            raise Wrong(err)
        self.life()
        counts = self.count()
        before = settled(self.picture)
        for role, name, k, n in cases(counts, self.o.each, self.o.only):
            case = f"faults {role}/{name}/{k} of {n}: {errno.errorcode[CALLS[name][1]]}"
            try:
                fired = self.one(role, name, k, before)
                passed += 1
                print(f"ok      {case}{'' if fired else ' (not made this time)'}", flush=True)
            except Wrong as e:
                failed += 1
                print(f"FAIL    {case}: {e}", flush=True)
                self.referee.arm()
                self.ctl("rm", "-f", "x")
                before = settled(self.picture)
        print(f"{passed} passed, {failed} failed, 0 skipped")
        return failed == 0 and passed > 0


def main():
    faults = Faults(options(3))
    try:
        good = faults.all()
    except Wrong as e:
        print(f"FAIL    faults: {e}\n0 passed, 1 failed, 0 skipped", flush=True)
        good = False
    sys.exit(0 if faults.engine.end() == 0 and good else 1)


main()
