/* SPDX-License-Identifier: MIT */
/*
 * What the host must allow for an engine to be of any use.
 */
#pragma once

#include "base/err.h"

/* 0, or negative with a sentence that says what is refused here and what to do. Forks once. */
int host_check(struct err *e);
