/* SPDX-License-Identifier: MIT */
/*
 * What a container may do with one disk, whichever of it is said: 0 in a field of struct io_rate is
 * nothing said, -1 no limit any more. Pure.
 */
#pragma once

#include "messages.h"

bool io_rate_any(const struct io_rate *d); /* something is said */
/* What `more` says is said by *d too. */
void io_rate_merge(struct io_rate *d, const struct io_rate *more);
void io_rate_lift(struct io_rate *d); /* all of it is -1 */
/* *tried, some of which is in force perhaps, becomes what makes it `old` again: what that doesn't
 * say is lifted. */
void io_rate_undo(struct io_rate *tried, const struct io_rate *old);
/* What is lifted is as never said. */
void io_rate_forget_lifted(struct io_rate *d);
