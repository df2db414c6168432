#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A person at a terminal: terminal.py SCRIPT -- COMMAND...

SCRIPT is steps separated by spaces:
    wait:TEXT   go on when TEXT has appeared (\\s is a space)
    type:TEXT   type it (\\r, \\xNN, \\s)
    size:RxC    resize the terminal
    kill:N      send signal N to the command
Prints what appeared, then `exit=CODE restored=yes|no`: whether the terminal's mode is what it was. CODE is
negative after a signal. Gives up after two minutes."""
import fcntl
import os
import pty
import select
import struct
import sys
import termios
import time

DEADLINE = 120


def plain(text):
    return text.replace("\\s", "\\x20").encode().decode("unicode_escape")


def resize(fd, rows, cols):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))


class Terminal:
    def __init__(self, command):
        # The command finds a terminal that has a size, and changes its mode once that has been looked at.
        ready, go = os.pipe()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.close(go)
            os.read(ready, 1)
            os.execvp(command[0], command)
        resize(self.fd, 24, 80)
        self.before = termios.tcgetattr(self.fd)
        os.close(ready)
        os.close(go)
        self.seen = b""
        self.looked = 0
        self.until = time.monotonic() + DEADLINE

    def read(self):
        if time.monotonic() > self.until:
            sys.exit(f"{self.seen.decode(errors='replace')}\nnothing more came")
        if not select.select([self.fd], [], [], 0.05)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        self.seen += data
        return bool(data)

    def step(self, kind, value):
        if kind == "wait":
            want = value.encode("latin1")
            while self.seen.find(want, self.looked) < 0:
                if not self.read():
                    sys.exit(f"{self.seen.decode(errors='replace')}\nended before {value!r}")
            self.looked = self.seen.find(want, self.looked) + len(want)
        elif kind == "type":
            os.write(self.fd, value.encode("latin1"))
        elif kind == "size":
            resize(self.fd, *map(int, value.split("x")))
        elif kind == "kill":
            os.kill(self.pid, int(value))
        else:
            sys.exit(f"unknown step {kind}")

    def end(self):
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            self.read()


def main():
    split = sys.argv.index("--")
    terminal = Terminal(sys.argv[split + 1:])
    for word in " ".join(sys.argv[1:split]).split():
        kind, value = word.split(":", 1)
        terminal.step(kind, plain(value))
    code = terminal.end()
    same = termios.tcgetattr(terminal.fd) == terminal.before
    while terminal.read() and select.select([terminal.fd], [], [], 0)[0]:
        pass
    print(terminal.seen.decode(errors="replace"))
    print(f"exit={code} restored={'yes' if same else 'no'}")


main()
