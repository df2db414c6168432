#!/usr/bin/python3 -BS
# SPDX-License-Identifier: MIT
"""A system call fails, once, in any process of an engine while that starts; then it serves, or it ends and says why.

    births.py [--each N] [--only ROLE/CALL[/K]] --image REF --bin DIR --name NAME --dirs "RUN STATE" --log FILE --leaks PROGRAM -- CMD...

CMD starts the engine in the foreground, judged by referee.py, once for each row: the first, the last and N-2 more of each
process's calls of each kind until it answers. An engine that serves runs a container, at the latest when it is asked a second time, and
ends in peace; one that doesn't ends with a code and a line of log. Either way the host is as before.
"""
import errno
import os
import re
import subprocess
import sys
import time

from referee import CALLS, Ctl, Judged, Wrong, cases, options, settled, wait_for

BIRTH = 60  # seconds until it answers or has ended


class Births:
    def __init__(self, o):
        self.o, self.log = o, open(o.log, "ab")
        self.ctl = Ctl(o.bin + "/ctl", 40)

    def picture(self):
        env = {"LEAKS_SCOPE": self.o.name, "LEAKS_DIRS": self.o.dirs, "PATH": os.environ["PATH"]}
        return subprocess.run([self.o.leaks], env=env, capture_output=True, check=True).stdout.decode()

    def born(self, engine):
        """Whether it answers; not when it has ended."""
        wait_for("the engine answers or ends", lambda: engine.ended() or self.ctl("version")[0] == 0, BIRTH)
        return not engine.ended()

    def serves(self):
        """A helper that fell is soon there again; till then the answer says so."""
        run = ("run", "--rm", self.o.image, "sh", "-c", "exit 5")
        wait_for("a run ends as it should", lambda: self.ctl.said(5, *run), 20)

    def last_words(self, since):
        with open(self.o.log, "rb") as f:
            f.seek(since)
            return f.read().decode(errors="replace").strip()

    def live(self, engine, since):
        """What became of it, in a word."""
        if self.born(engine):
            self.serves()
            code = engine.end()
            if code != 0:
                raise Wrong(f"it ended with {code}: {self.last_words(since)[-400:]!r}")
            return "serves"
        said = self.last_words(since)
        if not engine.referee.fired:
            raise Wrong(f"it ended without a fault, with {engine.status}: {said[-400:]!r}")
        if engine.status <= 0 or not re.search(r"(^|\n)[^\s:]+: .", said):
            raise Wrong(f"it ended with {engine.status} and said {said[-400:]!r}")
        return f"ends with {engine.status}"

    def one(self, target, before=None):
        since = os.fstat(self.log.fileno()).st_size
        engine = Judged(self.o.launch, self.log, target)
        try:
            said = self.live(engine, since)
        finally:
            engine.end()
        settled(self.picture, before)
        return engine.referee, said

    def counts(self):
        """The calls of a start that goes well: an engine that is told to end as soon as it has all that it makes ahead."""
        engine = Judged(self.o.launch, self.log)
        if not self.born(engine):
            raise Wrong("it does not start")
        code, _, err = self.ctl("pull", "-q", self.o.image)
        if code != 0:
            raise Wrong(err)
        engine.end()
        engine = Judged(self.o.launch, self.log)
        self.born(engine)
        time.sleep(0.5)
        counts = dict(engine.referee.counts)
        engine.end()
        return counts

    def all(self):
        passed = failed = 0
        counts = self.counts()
        before = settled(self.picture)
        for role, name, k, n in cases(counts, self.o.each, self.o.only):
            case = f"births {role}/{name}/{k} of {n}: {errno.errorcode[CALLS[name][1]]}"
            try:
                referee, said = self.one((role, name, k), before)
                passed += 1
                print(f"ok      {case}: {said}{'' if referee.fired else ' (not made this time)'}", flush=True)
            except Wrong as e:
                failed += 1
                print(f"FAIL    {case}: {e}", flush=True)
                before = settled(self.picture)
        print(f"{passed} passed, {failed} failed, 0 skipped")
        return failed == 0 and passed > 0


def main():
    try:
        good = Births(options(2)).all()
    except Wrong as e:
        print(f"FAIL    births: {e}\n0 passed, 1 failed, 0 skipped", flush=True)
        good = False
    sys.exit(0 if good else 1)


main()
