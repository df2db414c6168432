#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What a page cache tells of those who share it. In a container, the attacker's side:

	page_cache.py drop FILE		takes the file's pages out of the cache
	page_cache.py cached FILE	how many of its pages somebody has read since: mincore(2)

On the host, as root, what the kernel has done:

	page_cache.py frames PID FILE	page frames behind the process's mappings of FILE, one a line: /proc/PID/pagemap
	page_cache.py poke FILE PID LAYER...
		overwrites the third block of FILE, as the process sees it, in the image files of layers, which is what Dirty
		Pipe and its kin do to a page that is shared; prints what mend takes
	page_cache.py mend LAYER OFFSET BYTES

mincore is what overlayfs lets through: it has no RWF_NOWAIT (EOPNOTSUPP) and no pages for cachestat(2) to count.
"""
import ctypes
import mmap
import os
import struct
import sys

PAGE = mmap.PAGESIZE
PRESENT, FRAME = 1 << 63, (1 << 55) - 1
BLOCK, MARK = 2, b"corrupted"


def drop(path):
    fd = os.open(path, os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


def cached(path):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    libc.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]
    fd = os.open(path, os.O_RDONLY)
    size = os.fstat(fd).st_size
    pages = ctypes.create_string_buffer((size + PAGE - 1) // PAGE)
    at = libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, fd, 0)
    if libc.mincore(at, size, pages) < 0:
        sys.exit(f"mincore: {os.strerror(ctypes.get_errno())}")
    print(sum(page & 1 for page in pages.raw[:len(pages)]))


def frames(pid, path):
    found = set()
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/pagemap", "rb", 0) as pagemap:
        for line in maps:
            words = line.split()
            # Pages that were written to are the process's own, whatever file they came from.
            if words[-1] != path or words[1][1] == "w":
                continue
            start, end = (int(w, 16) // PAGE for w in words[0].split("-"))
            pagemap.seek(start * 8)
            entries = struct.unpack(f"{end - start}Q", pagemap.read((end - start) * 8))
            found.update(e & FRAME for e in entries if e & PRESENT)
    if not found:
        sys.exit(f"process {pid} has no page of {path}")
    print(*sorted(map(str, found)), sep="\n")


def poke(path, pid, *layers):
    with open(f"/proc/{pid}/root{path}", "rb") as f:
        block = f.read()[BLOCK * 4096:][:4096]
    for layer in layers:
        with open(layer, "r+b") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as content:
            at = content.find(block)
            if at >= 0:
                os.pwrite(f.fileno(), MARK, at)
                print(layer, at, block[:len(MARK)].hex())
                return
    sys.exit(f"no layer holds {path}")


def mend(layer, at, data):
    with open(layer, "r+b") as f:
        os.pwrite(f.fileno(), bytes.fromhex(data), int(at))


def main():
    what = {"drop": drop, "cached": cached, "frames": frames, "poke": poke, "mend": mend}
    what[sys.argv[1]](*sys.argv[2:])


main()
