#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What a client of the engine may try with visits that ctl doesn't: visits that there are not, words that
no path is, streams that are no pipes of its own. One line a try: its name, then the answer.

    visits.py SOCKET CONTAINER DIRECTORY
"""

import os
import socket
import sys

import wire

EXPORT = {"visit": "export", "argv": []}


def out(*words):
    return {"visit": "copy-out", "argv": list(words)}


def into(*words):
    return {"visit": "copy-in", "argv": list(words), "stdin_open": True}


def ask(path, ref, spec, streams):
    """Streams by name, lent; the answer in one line: how it ended, or the sentence of who refused it."""
    document = wire.documents("exec_spec", spec)
    fields = {"ref": ref, "spec": 0}
    for i, name in enumerate(streams):
        fields[name] = i + 1
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.connect(path)
        wire.send(s, wire.message("container_exec", 1, **fields), [document, *streams.values()])
        os.close(document)
        try:
            name, _, body, _ = wire.receive(s, 30)
            if name == "container_execed":
                for fd in streams.values():
                    os.close(fd)
                wire.send(s, wire.message("exec_wait", 2, ref=ref, exec=body["exec"]))
                name, _, body, _ = wire.receive(s, 30)
        except wire.Gone:
            return "hung up"
    return body.get("text") or f"ended with {body.get('exit_code')}"


def file(directory, flags):
    return os.open(os.path.join(directory, "file"), flags)


def named(directory):
    path = os.path.join(directory, "named")
    if not os.path.exists(path):
        os.mkfifo(path)
    return os.open(path, os.O_RDWR)


def pipe_end(which):
    ends = os.pipe()
    if which == 0:
        os.close(ends[1])
    return ends[which]


def main(path, ref, d):
    null = os.open("/dev/null", os.O_RDWR)
    pair = socket.socketpair()
    tries = [
        ("no such visit", {"visit": "shell", "argv": []}, {}),
        ("top", {"visit": "top", "argv": []}, {}),
        ("a word too many", {"visit": "export", "argv": ["/"]}, {}),
        ("a word too few", out("/etc/passwd"), {}),
        ("a program", {"argv": ["/bin/sh"]}, {}),
        ("a file to read", into("/tmp", "x", "tree", "root"), {"in": file(d, os.O_RDONLY)}),
        ("a file to write", EXPORT, {"out": file(d, os.O_WRONLY)}),
        ("a file for sentences", EXPORT, {"err": file(d, os.O_WRONLY)}),
        ("a directory", EXPORT, {"out": os.open(d, os.O_RDONLY)}),
        ("a named pipe", EXPORT, {"out": named(d)}),
        ("a socket", EXPORT, {"out": pair[0].fileno()}),
        ("a device", EXPORT, {"out": null}),
        ("the wrong end of a pipe", EXPORT, {"out": pipe_end(0)}),
        ("no streams", EXPORT, {}),
        ("no input", into("/tmp", "x", "tree", "root"), {}),
        ("privileges", {**EXPORT, "privileged": True, "caps": 2**40, "user": "0", "tty": True, "cwd": "/proc/self/fd/5",
                        "env": ["LD_PRELOAD=/x"]}, {}),
        ("an empty path", out("", ""), {}),
        ("a path of links", out("/proc/self/root/../../../etc/shadow", "follow"), {}),
        ("a relative path", out("../../../../file", ""), {}),
        ("a long path", out("/" + "a" * 5000, ""), {}),
        ("a long name", into("/tmp", "b" * 5000, "tree", "root"), {}),
        ("a name with a slash", into("/tmp", "../../x", "tree", "root"), {}),
    ]
    for name, spec, streams in tries:
        print(f"{name}: {ask(path, ref, spec, streams)}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:4])
