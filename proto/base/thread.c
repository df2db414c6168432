/* SPDX-License-Identifier: MIT */
/*
 * Starting a thread; see thread.h.
 */
#include "thread.h"

#include <signal.h>
#include <stddef.h>

/* Touched pages alone cost memory. Much smaller, and processors with large registers refuse it
 * (sysconf(3), _SC_THREAD_STACK_MIN). */
#define STACK_BYTES (256U << 10)

int thread_start(pthread_t *ret, void *(*fn)(void *arg), void *arg)
{
	pthread_attr_t attr;
	sigset_t all, old;
	pthread_t t;
	int r;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, ret ? PTHREAD_CREATE_JOINABLE : PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&t, &attr, fn, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (r == 0 && ret)
		*ret = t;
	return -r;
}
