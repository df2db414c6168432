#!/usr/bin/python3 -IS
# SPDX-License-Identifier: MIT
"""What an engine could leave behind, one line of text an object; leaks.sh says what the variables mean.

One process for all of it: a picture is taken after every single test, and a fork for each process looked at would take
seconds on a busy host.
"""
import glob
import json
import os
import re
import subprocess

PROGRAMS = ("supervisor", "netd", "imaged", "cgroupd", "shim", "ctl")
CONTAINER_UIDS = 1 << 16  # whoever has a higher one has it from a pool: which, differs from run to run
SHIM_SOCKET = re.compile(r"(/shims/)[0-9]+(?=\.[0-9]+$)")
EACH_PULL = ("/images/layers/", "/images/records/", "/images/dirs/", "/images/partial/")


def start(*command):
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def output(process):
    return process.communicate()[0].decode(errors="replace")


def links(text):
    for link in json.loads(text or "[]"):
        name, kind = link.get("ifname"), link.get("linkinfo", {}).get("info_kind", "-")
        if name:
            yield f"link {name} {kind} master={link.get('master', '-')} alias={link.get('ifalias', '-')}"
        for address in link.get("addr_info", []):
            if "local" in address:
                yield f"addr {name} {address['local']}/{address['prefixlen']}"


def routes(text):
    for line in text.splitlines():
        yield "route " + re.sub(r" (linkdown|(expires|proto|metric|pref|error) [^ ]+)", "", line).strip()


def nft(text):
    table = ""
    for line in filter(str.strip, text.splitlines()):
        if line.startswith("table"):
            table = " ".join(line.split()[1:3])
        yield f"nft {table}: {line}"


def named_netns():
    return ("netns " + path for path in glob.glob("/run/netns/*"))


def mounts():
    """Ids and peer group numbers differ from run to run; what is mounted where doesn't."""
    for pid in ("1", "self"):
        for line in read(f"/proc/{pid}/mountinfo").splitlines():
            line = re.sub(r"(shared|master|propagate_from):[0-9]+", r"\1", line.split(" ", 3)[3])
            yield f"mount pid={pid} {line}"


def below(top):
    for at, dirs, files in os.walk(top):
        yield from (os.path.join(at, name) for name in dirs + files)


def cgroups():
    for at, dirs, _ in os.walk("/sys/fs/cgroup"):
        yield from (f"cgroup {os.path.join(at, name)}" for name in dirs)


def loops():
    for path in glob.glob("/sys/block/loop*/loop/backing_file"):
        yield f"loop {path.split('/')[3]} {read(path).strip()}"


def read(path):
    try:
        with open(path, errors="replace") as f:
            return f.read()
    except OSError:
        return ""


def link(path):
    try:
        return os.readlink(path)
    except OSError:
        return ""


class Process:
    """What /proc tells of one process; empty words once it has gone."""

    def __init__(self, pid):
        self.pid = pid
        exe = link(f"/proc/{pid}/exe").removesuffix(" (deleted)")
        self.program = exe.rsplit("/", 1)[-1].removeprefix("memfd:")
        self.user = link(f"/proc/{pid}/ns/user")
        self.words = read(f"/proc/{pid}/cmdline").replace("\0", " ").strip()
        self.status = dict(line.split(":\t", 1) for line in read(f"/proc/{pid}/status").splitlines() if ":\t" in line)
        uid = int(self.status.get("Uid", "0").split()[0])
        self.uid = str(uid) if uid < CONTAINER_UIDS else "of-a-pool"
        self.worker = "--fetch" in self.words or "--unpack" in self.words

    def line(self):
        words = re.sub(r"--uid(-base)? [0-9]+ ?", "", self.words) or self.status.get("Name", "?")
        where = [line for line in read(f"/proc/{self.pid}/cgroup").splitlines() if "pids" in line or line.startswith("0::")]
        zombie = " zombie" if self.status.get("State", "").startswith("Z") else ""
        return f"process {words} uid={self.uid} {where[0] if where else ''}{zombie}"

    def descriptors(self):
        """How many of each kind: a number that grew says little of what to look for.

        Not the syscall filters that the supervisor keeps, one for each set of capabilities ever asked for, 32 at most.
        """
        kinds = {}
        for fd in glob.glob(f"/proc/{self.pid}/fd/*"):
            target = link(fd)
            if target.startswith("/memfd:kept-filter"):
                continue
            kind = re.sub(r"(:\[)[0-9]+\]$|^(/memfd:).*", r"\1\2", target)
            kinds[kind] = kinds.get(kind, 0) + 1
        return kinds


def processes():
    ours = link("/proc/self/ns/user")
    for pid in filter(str.isdigit, os.listdir("/proc")):
        program = link(f"/proc/{pid}/exe").removesuffix(" (deleted)").rsplit("/", 1)[-1].removeprefix("memfd:")
        if program in PROGRAMS or link(f"/proc/{pid}/ns/user") not in (ours, ""):
            yield Process(pid)


def descendants(pid):
    yield Process(pid)
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        for child in read(path).split():
            yield from descendants(child)


def engine(pid):
    """The processes of one engine, and their descriptors: those of a container's own processes are theirs.

    imaged's workers end when they have been idle for a while, and take the socket along that imaged has to each.
    """
    ours = link("/proc/self/ns/user")
    family = list(descendants(pid))
    workers = sum(p.worker for p in family)
    for p in family:
        if p.worker or not p.status:
            continue
        yield "engine's " + p.line()
        kinds = p.descriptors() if p.user == ours else {}
        if p.program == "imaged" and "socket:[" in kinds:
            kinds["socket:["] -= workers
        yield from (f"fds {p.program} uid={p.uid} {kind} {n}" for kind, n in kinds.items())


def main():
    address, route = start("ip", "-j", "-d", "addr"), start("ip", "route", "show", "table", "all")
    ruleset = start("nft", "-s", "list", "ruleset")
    of_engine = os.environ.get("LEAKS_ENGINE")
    lines = [*named_netns(), *mounts(), *cgroups(), *loops(),
             *(p.line() for p in processes() if not (of_engine and p.worker)),
             *links(output(address)), *routes(output(route)), *nft(output(ruleset))]
    scope = os.environ.get("LEAKS_SCOPE", "")
    lines = [line for line in lines if scope in line]
    if of_engine:
        lines += engine(of_engine)
    for top in os.environ.get("LEAKS_DIRS", "").split():
        lines += ("file " + SHIM_SOCKET.sub(r"\1of-a-pool", path) for path in below(top)
                  if not any(part in path for part in EACH_PULL))
    print("\n".join(sorted(lines)))


main()
