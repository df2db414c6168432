/* SPDX-License-Identifier: MIT */
/*
 * Times as text; see words.h.
 */
#include "words.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SECOND 1000000000U

uint64_t words_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

/* As Go prints times: no zeros at the end of the fraction. */
void words_time(uint64_t ns, char out[64])
{
	time_t s = (time_t)(ns / SECOND);
	char fraction[16] = "";
	struct tm tm;
	size_t n;

	if (ns == 0) {
		strcpy(out, "0001-01-01T00:00:00Z");
		return;
	}
	if (ns % SECOND) {
		n = (size_t)snprintf(fraction, sizeof(fraction), ".%09" PRIu64, ns % SECOND);
		while (fraction[n - 1] == '0')
			fraction[--n] = '\0';
	}
	gmtime_r(&s, &tm);
	n = strftime(out, 40, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + n, 64 - n, "%sZ", fraction);
}

void words_time_local(uint64_t ns, char out[64])
{
	time_t s = (time_t)(ns / SECOND);
	struct tm tm;

	localtime_r(&s, &tm);
	strftime(out, 64, "%Y-%m-%d %H:%M:%S %z %Z", &tm);
}
