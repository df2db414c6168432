/* SPDX-License-Identifier: MIT */
/*
 * Threads for what blocks, so that a loop doesn't. They inherit privileges and
 * syscall filter, never signals: those belong to the loop's thread.
 */
#pragma once

#include <pthread.h>

/* ret: to join it with; NULL: nobody will. Returns 0 or -errno. */
int thread_start(pthread_t *ret, void *(*fn)(void *arg), void *arg);
