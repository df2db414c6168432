/* SPDX-License-Identifier: MIT */
/*
 * The options of --tmpfs: "size=64m,mode=1770,uid=5,ro,exec".
 */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "mnt.h"

#define TMPFS_OPTIONS_MAX 8
#define TMPFS_TEXT_MAX	  320

struct tmpfs_options {
	struct mnt_option fs[TMPFS_OPTIONS_MAX]; /* for mnt_new; points into text */
	unsigned int n;
	unsigned int attrs; /* MOUNT_ATTR_… */
	char text[TMPFS_TEXT_MAX];
};

/* Defaults: nosuid, nodev, noexec, mode 1777. Unknown words and bad values are refused by name.
 * text may be NULL. *ret must not be moved afterwards. */
int tmpfs_parse(const char *text, struct tmpfs_options *ret, struct err *e);
