#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""cut.py DIRECTORY: from now on nothing reaches the disk of the file system on which that lies, and
every call on it fails, as if the power had been cut: what is in memory is lost, the journal holds what
it holds (EXT4_IOC_SHUTDOWN, XFS_IOC_GOINGDOWN: one number, without flushing the log)."""
import fcntl
import os
import struct
import sys

SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32)
NO_FLUSH = 2

fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), SHUTDOWN, struct.pack("I", NO_FLUSH))
