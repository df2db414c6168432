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
/* What is lifted is as never said. */
void io_rate_forget_lifted(struct io_rate *d);
