/* SPDX-License-Identifier: MIT */
/*
 * What has been said is known by its hash. Runs in netd.
 */
#include "once.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"

void once_warn(struct once *o, const char *fmt, ...)
{
	uint64_t h = 0xcbf29ce484222325ULL; /* FNV-1a */
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (const char *c = text; *c; c++)
		h = (h ^ (uint8_t)*c) * 0x100000001b3ULL;
	for (unsigned int i = 0; i < ONCE_MAX; i++)
		if (o->said[i] == h)
			return;
	o->said[o->next++ % ONCE_MAX] = h;
	log_warn("%s", text);
}
