/* SPDX-License-Identifier: MIT */
/*
 * The launcher: the one process that stays root. It starts the supervisor process and, on its word,
 * the helpers, by descriptors of its own binaries; it keeps a spare of each channel, so that a
 * supervisor that died can be replaced without anybody else noticing.
 */
#pragma once

#include "dirs.h"

/* Runs until a signal has been carried out; returns the exit code. SIGTERM and SIGINT stop the
 * workloads and take down what was made on the host; SIGUSR1 leaves both to the engine that is
 * started next, and d->left says so. */
int launcher_run(struct options *o, struct dirs *d);
