#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""An engine whose containers are the worst that can be: whatever `ctl cp` or `ctl export` asks, it sends one of these.

    lying_engine.py SOCKET CASE [CODE]     answers one visit with the stream CASE; its exit code is CODE (0)

CASE is one of the streams below, or @FILE. Ends when the caller has gone."""
import io
import os
import socket
import sys
import tarfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import wire


def entry(name, kind=tarfile.REGTYPE, data=b"", link="", mode=0o644, **more):
    t = tarfile.TarInfo(name)
    t.type, t.linkname, t.mode, t.size = kind, link, mode, len(data)
    for key, value in more.items():
        setattr(t, key, value)
    return t, data


def top(kind=tarfile.DIRTYPE):
    return entry("t", kind, mode=0o755)


BAD = b"written by the container\n"
STREAMS = {
    "good": [top(), entry("t/file", data=b"good\n")],
    "dotdot": [top(), entry("t/../../outside/file", data=BAD)],
    "absolute": [top(), entry("/outside/file", data=BAD)],
    "link": [top(), entry("t/l", tarfile.SYMTYPE, link="../../outside"), entry("t/l/file", data=BAD)],
    "abslink": [top(), entry("t/l", tarfile.SYMTYPE, link="OUTSIDE"), entry("t/l/file", data=BAD)],
    "toplink": [entry("t", tarfile.SYMTYPE, link="OUTSIDE"), entry("t/file", data=BAD)],
    "hard": [top(), entry("t/h", tarfile.LNKTYPE, link="t/../../outside/file"), entry("t/h", data=BAD)],
    "hardlink": [top(), entry("t/l", tarfile.SYMTYPE, link="../../outside"),
                 entry("t/h", tarfile.LNKTYPE, link="t/l/file"), entry("t/h", data=BAD)],
    "abshard": [top(), entry("t/h", tarfile.LNKTYPE, link="/etc/passwd")],
    "elsewhere": [top(), entry("u/file", data=BAD)],
    "setuid": [top(), entry("t/file", data=b"x", mode=0o6755)],
    "device": [top(), entry("t/null", tarfile.CHRTYPE, devmajor=1, devminor=3), entry("t/file", data=b"good\n")],
    "existing": [top(), entry("t/mine/file", data=BAD)],
    "noname": [top(), entry("", data=BAD)],
    "nodevice": [top(), entry("t/far", tarfile.CHRTYPE, devmajor=0o7777777, devminor=3)],
    "garbage": None,
    "nothing": [],
}


def build(case, outside):
    if case.startswith("@"):
        with open(case[1:], "rb") as f:
            return f.read()
    if STREAMS[case] is None:
        return os.urandom(100000)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for t, data in STREAMS[case]:
            t.linkname = t.linkname.replace("OUTSIDE", outside)
            tar.addfile(t, io.BytesIO(data))
    return out.getvalue()


def serve(client, data, code):
    while True:
        name, ident, _, fds = wire.receive(client, 60, keep_fds=True)
        if name == "container_exec":
            wire.send(client, wire.message("container_execed", ident, exec=1, pid=1))
            _, out, err = (fds + [None, None])[:3]
            # spec, out, err: in the order of messages.def
            try:
                while data:
                    data = data[os.write(out, data):]
            except BrokenPipeError:
                code = code or 141
            os.close(out)
            os.close(err)
        elif name == "exec_wait":
            wire.send(client, wire.message("container_waited", ident, exit_code=code))


def main():
    path, case = sys.argv[1:3]
    code = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(path + ".new")
    listener.listen(1)
    os.rename(path + ".new", path)  # whoever sees it can connect
    client, _ = listener.accept()
    try:
        serve(client, build(case, os.environ.get("OUTSIDE", "/outside")), code)
    except wire.Gone:
        pass


if __name__ == "__main__":
    main()
