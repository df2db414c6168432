/* SPDX-License-Identifier: MIT */
/*
 * The workload's first process, from clone3 to execve. It prepares what does not depend on a spec,
 * waits for one, and goes through a list of phases; phase.h has what they share.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"

/* Never returns. Ends when the other end of the socket is closed. */
_noreturn_ void child_main(int sock, bool host_net);
