/* SPDX-License-Identifier: MIT */
/*
 * Small macros that every program uses. Owns nothing, trusts nothing.
 */
#pragma once

#include <stddef.h>
#include <stdlib.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Each side is evaluated once; the names are unique, so that calls nest without shadowing. */
#define UTIL_CAT_(a, b) a##b
#define UTIL_CAT(a, b)	UTIL_CAT_(a, b)
#define UTIL_PICK(op, a, b, x, y)                                                                  \
	({                                                                                         \
		__typeof__(1 ? (a) : (b)) x = (a), y = (b);                                        \
		x op y ? x : y;                                                                    \
	})
#define MIN(a, b) UTIL_PICK(<, a, b, UTIL_CAT(min_a_, __COUNTER__), UTIL_CAT(min_b_, __COUNTER__))
#define MAX(a, b) UTIL_PICK(>, a, b, UTIL_CAT(max_a_, __COUNTER__), UTIL_CAT(max_b_, __COUNTER__))

#define _printf_(fmt, args) __attribute__((format(printf, fmt, args)))
#define _unused_	    __attribute__((unused))
#define _noreturn_	    __attribute__((noreturn))
#define _must_check_	    __attribute__((warn_unused_result))
#define _cleanup_(fn)	    __attribute__((cleanup(fn)))

static inline void util_freep(void *p)
{
	free(*(void **)p);
}
#define _cleanup_free_ _cleanup_(util_freep)

/* Hands the value of a _cleanup_free_ pointer to its next owner. */
#define TAKE_PTR(p)                                                                                \
	({                                                                                         \
		__typeof__(p) *take_pp = &(p);                                                     \
		__typeof__(p) take_v = *take_pp;                                                   \
		*take_pp = NULL;                                                                   \
		take_v;                                                                            \
	})
