/* SPDX-License-Identifier: MIT */
/* What a dev_t of the kernel holds: 12 and 20 bits (MINORBITS of include/linux/kdev_t.h). */
#pragma once

#define DEVICE_MAJOR_MAX 0xfffU
#define DEVICE_MINOR_MAX 0xfffffU
