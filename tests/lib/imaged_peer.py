#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Stands for supervisor and launcher before imaged: starts it, and its workers when it wants them,
over SOCK_SEQPACKET channels as fd 3, and plays one scene. Prints what the scene found, one word or
name=value a line; exits with 1 on anything unexpected.

    imaged_peer.py IMAGED STATE_DIR workers REF    pull; who runs with which privileges; who ends with it
    imaged_peer.py IMAGED STATE_DIR rootfs REF     the layers' descriptors, mapped to a user namespace
    imaged_peer.py IMAGED STATE_DIR no-workers REF the launcher starts none
    imaged_peer.py IMAGED STATE_DIR kill REF REF2  an unpack worker is killed in the middle of the first
"""
import array
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time

NUMBERS = {"failed": 1, "done": 2, "image_pull": 60, "image_pulled": 61, "image_progress": 62,
           "rootfs_open": 80, "rootfs_opened": 81, "mount_map": 82, "mount_mapped": 83,
           "worker_ready": 87, "worker_wanted": 88, "worker_over": 90}
NAMES = {number: name for name, number in NUMBERS.items()}
UID_BASE = 1879113728
IDLE_SECONDS = 10


def pack(value):
    """msgpack, as far as it is needed here."""
    if value is True or value is False:
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return b"\xce" + struct.pack(">I", value)
    if isinstance(value, str):
        data = value.encode()
        return b"\xda" + struct.pack(">H", len(data)) + data
    if isinstance(value, list):
        return b"\xdc" + struct.pack(">H", len(value)) + b"".join(pack(v) for v in value)
    return b"\xde" + struct.pack(">H", len(value)) + b"".join(
        pack(k) + pack(v) for k, v in value.items())


class Reader:
    """msgpack, the other way."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        self.at += n
        return self.data[self.at - n:self.at]

    def number(self, n):
        return int.from_bytes(self.take(n), "big")

    def value(self):
        b = self.number(1)
        if b < 0x80:
            return b
        if b < 0x90:
            return self.pairs(b & 15)
        if b < 0xa0:
            return [self.value() for _ in range(b & 15)]
        if b < 0xc0:
            return self.take(b & 31).decode()
        if b in (0xc2, 0xc3):
            return b == 0xc3
        if 0xcc <= b <= 0xcf:
            return self.number(1 << (b - 0xcc))
        if 0xd9 <= b <= 0xdb:
            return self.take(self.number(1 << (b - 0xd9))).decode()
        if b in (0xdc, 0xdd):
            return [self.value() for _ in range(self.number(2 << (b - 0xdc)))]
        if b in (0xde, 0xdf):
            return self.pairs(self.number(2 << (b - 0xde)))
        raise ValueError(f"msgpack byte {b:#x}")

    def pairs(self, n):
        return {self.value(): self.value() for _ in range(n)}


class Peer:
    def __init__(self, binary, state_dir):
        self.binary, self.workers, self.ids, self.start_workers = binary, [], 0, True
        self.progress, self.over = [], []
        os.makedirs(state_dir, mode=0o711, exist_ok=True)
        self.process, self.channel = self.spawn("--state-dir", state_dir)

    def spawn(self, *options):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        process = subprocess.Popen(
            [self.binary, *options], pass_fds=(3,), stdin=subprocess.DEVNULL,
            preexec_fn=lambda: os.dup2(theirs.fileno(), 3, inheritable=True))
        theirs.close()
        return process, ours

    def send(self, name, fields, fds=()):
        self.ids += 1
        control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.channel.sendmsg([pack([NUMBERS[name], self.ids, fields])], control)
        return self.ids

    def receive(self, seconds):
        if not select.select([self.channel], [], [], seconds)[0]:
            return None, None, None, []
        data, control, _, _ = self.channel.recvmsg(65536, socket.CMSG_SPACE(4 * 240))
        if not data:
            raise SystemExit("imaged closed its channel")
        fds = array.array("i")
        for _, _, part in control:
            fds.frombytes(part[:len(part) - len(part) % 4])
        number, ident, fields = Reader(data).value()
        return NAMES[number], ident, fields, list(fds)

    def worker(self, kind):
        process, channel = self.spawn("--" + kind)
        self.workers.append((kind, process))
        self.on_worker(kind, process.pid)
        self.send("worker_ready", {"kind": kind, "channel": 0, "worker": process.pid}, [channel.fileno()])
        channel.close()

    def answer(self, ident, seconds=60):
        """Waits for the reply, and does meanwhile what the launcher would."""
        got = self.answer_nothing(seconds, ident)
        if not got:
            raise SystemExit("no answer")
        return got

    def answer_nothing(self, seconds, ident=None):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            name, answered, fields, fds = self.receive(deadline - time.monotonic())
            if name == "worker_wanted":
                print(f"wanted={fields['kind']}")
                if self.start_workers:
                    self.worker(fields["kind"])
            elif name == "worker_over":
                self.over.append((fields["kind"], fields["worker"]))
            elif name == "image_progress":
                self.progress.append(fields["state"])
                self.on_progress(fields)
            elif name and answered == ident:
                return name, fields, fds
        return None

    def on_progress(self, fields):
        pass

    def on_worker(self, kind, pid):
        pass

    def ask(self, name, fields, fds=(), seconds=60):
        return self.answer(self.send(name, fields, fds), seconds)


def status(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        rows = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
    return rows


def tell_privileges(kind, pid):
    rows = status(pid)
    netns = os.readlink(f"/proc/{pid}/ns/net") != os.readlink("/proc/self/ns/net")
    mntns = os.readlink(f"/proc/{pid}/ns/mnt") != os.readlink("/proc/self/ns/mnt")
    with open(f"/proc/{pid}/mountinfo", encoding="ascii") as f:
        mounts = len(f.readlines())
    print(f"{kind} uid={rows['Uid'].split()[0]} eff={rows['CapEff']} prm={rows['CapPrm']} "
          f"bnd={rows['CapBnd']} inh={rows['CapInh']} nnp={rows['NoNewPrivs']} "
          f"netns={'own' if netns else 'host'} mntns={'own' if mntns else 'host'} "
          f"mounts={'few' if mounts < 6 else 'many'}")


def tell_started(kind, pid):
    """A worker enters its profile before it looks at its channel."""
    while status(pid)["CapBnd"].strip("0") or not int(status(pid)["Uid"].split()[0]):
        time.sleep(0.01)
    tell_privileges(kind, pid)


def scene_workers(peer, ref):
    peer.on_worker = tell_started
    name, fields, _ = peer.ask("image_pull", {"ref": ref})
    print(name, fields.get("text", ""))
    tell_privileges("mounter", peer.process.pid)
    first = [process for _, process in peer.workers]
    deadline = time.monotonic() + IDLE_SECONDS + 10
    while len(peer.over) < len(first) and time.monotonic() < deadline:
        peer.answer_nothing(0.2)
    for kind, process in peer.workers:
        process.wait(10)
        print(f"ended={kind}:{process.returncode}")
    print("told" if sorted(pid for _, pid in peer.over) == sorted(p.pid for p in first) else f"told={peer.over}")
    name, fields, _ = peer.ask("image_pull", {"ref": ref})
    print(name, f"started_again={len(peer.workers) - len(first)}")


def user_namespace():
    ready, child_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        import ctypes
        ok = ctypes.CDLL(None).unshare(0x10000000) == 0
        os.write(child_end, b"y" if ok else b"n")
        signal.pause()
    if os.read(ready, 1) != b"y":
        raise SystemExit("no user namespace")
    for name in ("uid_map", "gid_map"):
        with open(f"/proc/{pid}/{name}", "w", encoding="ascii") as f:
            f.write(f"0 {UID_BASE} 65536")
    fd = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return fd


def scene_rootfs(peer, ref):
    _, fields, _ = peer.ask("image_pull", {"ref": ref})
    request = {"container": "c1", "image_id": fields["image"]["id"], "userns": 0}
    userns = user_namespace()
    peer.ask("rootfs_open", request, [userns])
    started = time.monotonic()
    name, fields, fds = peer.ask("rootfs_open", request, [userns])
    took = time.monotonic() - started
    print(name, f"layers={len(fds) - 1}")
    print(f"milliseconds={took * 1000:.2f}", file=sys.stderr)
    for number, fd in enumerate(fds[:-1]):
        where = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
        owners = {os.stat(n, dir_fd=where, follow_symlinks=False).st_uid - UID_BASE
                  for n in os.listdir(where)}
        print(f"layer={number} names={','.join(sorted(os.listdir(where)))} "
              f"owners={sorted(owners)} flags={os.fstatvfs(where).f_flag & os.ST_RDONLY}")
    mode = os.stat(".", dir_fd=fds[-1]).st_mode & 0o7777
    print(f"writable={mode:o}")
    source = os.open("/etc/hostname", os.O_PATH)
    name, fields, fds = peer.ask("mount_map", {"source": 0, "userns": 1, "owner": 0},
                                 [source, userns])
    print(name, f"owner={os.fstat(fds[0]).st_uid - UID_BASE}" if fds else fields["text"])


def scene_no_workers(peer, ref):
    peer.start_workers = False
    name, fields, _ = peer.ask("image_pull", {"ref": ref})
    print(name, fields.get("text", ""))


def scene_kill(peer, ref, other):
    def shoot(fields):
        if fields["state"] == "pulling" and fields.get("bytes"):
            for kind, process in peer.workers:
                if kind == "unpack":
                    process.kill()
    peer.on_progress = shoot
    name, fields, _ = peer.ask("image_pull", {"ref": ref})
    print(name, fields.get("text", ""))
    peer.on_progress = lambda fields: None
    name, fields, _ = peer.ask("image_pull", {"ref": other})
    print(name, fields.get("text", ""))


def main():
    binary, state_dir, scene, *refs = sys.argv[1:]
    peer = Peer(binary, state_dir)
    globals()["scene_" + scene.replace("-", "_")](peer, *refs)
    peer.channel.close()
    print(f"imaged={peer.process.wait(10)}")
    for _, process in peer.workers:
        process.wait(10)


main()
