/* SPDX-License-Identifier: MIT */
/*
 * Layers that may not have reached the disk. A pull doesn't wait for the disk; should the power
 * fail meanwhile, a layer may have its name and its super block but not all of its data, which
 * nobody would notice. So each new layer has a mark, unsettled/NAME, which holds the boot id and
 * goes when fdatasync(2) has returned, in a thread of its own. A mark of an earlier boot condemns
 * its layer.
 */
#pragma once

#include <stdbool.h>

#include "../proto/base/err.h"

#define BOOT_ID_MAX 64

/* Makes the mark dir/mark; to be called before the layer gets its name. */
int settle_mark(int dir, const char *mark, const char *boot_id, struct err *e);

/* Takes the file over, and removes the mark once its data are on disk. If that can't be begun, the
 * mark stays, and the next start decides. */
void settle_begin(int file, int dir, const char *mark);

/* Takes the file of a record over that keep_write() has just written, and calls keep_settle(). */
void settle_record(int file, int dir, const char *name);

/* Does the mark say that the layer was being written in this boot? */
bool settle_is_ours(int dir, const char *mark, const char *boot_id);
