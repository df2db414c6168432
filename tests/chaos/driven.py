# SPDX-License-Identifier: MIT
"""An engine that is driven: its launcher, its processes, ctl."""
import os
import random
import signal
import subprocess
import time

PATIENCE = 60  # seconds that any one word of ctl may take
AGAIN = 30  # within so many seconds of a fault everything must work again


class Wrong(Exception):
    """Something is not as it must be."""


class Driven:
    def __init__(self, o):
        self.o, self.rng, self.launcher = o, random.Random(o.seed), None
        self.log = open(o.log, "ab")

    def launch(self):
        self.launcher = subprocess.Popen(self.o.launch, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.wait_for("the engine answers", lambda: self.ctl("version")[0] == 0, AGAIN)

    def revive(self):
        """After a failure: containers whose engine is gone are taken down only by another one."""
        if self.launcher and self.launcher.poll() is not None:
            try:
                self.launch()
            except Wrong:
                pass

    def family(self):
        """(pid, words) of the launcher's children and theirs, outside of user namespaces of their own, and of shims
        whose launcher has died, which say by their log whose they are."""
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
        if os.readlink(f"/proc/{pid}/fd/2") == self.o.log:
            return True
        while pid > 1:
            if pid == self.launcher.pid:
                return True
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
                pid = int(f.read().rsplit(")", 1)[1].split()[1])
        return False

    def kill(self, which, how_many=1, how=signal.SIGKILL):
        victims = [pid for pid, words in self.family() if which(words)]
        self.rng.shuffle(victims)
        for pid in victims[:how_many]:
            try:
                os.kill(pid, how)
            except ProcessLookupError:
                pass
        return victims[:how_many]

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
        """check says true, or why not: a text; what may be a function of that."""
        until = time.monotonic() + seconds
        while not check():
            if time.monotonic() > until:
                raise Wrong(f"not within {seconds} s: {what() if callable(what) else what}")
            time.sleep(0.05)
