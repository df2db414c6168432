/* SPDX-License-Identifier: MIT */
/*
 * A thread that waits until records are on the disk.
 */
#pragma once

#include "base/loop.h"

struct saver;

/* One record: keep_settle() of dir/name, whose file keep_write() has just given; `parent` holds
 * dir, and `also` is a file in dir that the record needs; they are -1 when they have been saved
 * before, or there is none. All are borrowed; name lives as long as the program. */
struct save {
	int file, dir, parent, also;
	const char *name;
};

/* Told from the loop; e is NULL when it is on the disk. */
typedef void (*saved_fn)(void *arg, const struct err *e);

/* To be called once no more privileges are to be dropped but by the system call filter. It is never
 * stopped: the process ends. */
int saver_start(struct loop *l, struct saver **ret, struct err *e);

/* Never waits. When it fails fn is not called. */
int saver_put(struct saver *s, const struct save *what, saved_fn fn, void *arg, struct err *e);
