/* SPDX-License-Identifier: MIT */
/*
 * Numbers and dates out of headers; see headers.h.
 */
#include "headers.h"

#include <string.h>

#include <curl/curl.h>

#include "base/num.h"

#define NUMBER_MAX 20 /* digits of a uint64_t */

bool headers_retry_after(const char *text, time_t now, uint64_t *ret_seconds)
{
	time_t then;

	if (num_parse_u64(text, 0, UINT64_MAX, ret_seconds) == 0)
		return true;
	/* Each of the three forms of a date (RFC 9110, 5.6.7) has the time of day in it. */
	then = strchr(text, ':') ? curl_getdate(text, NULL) : -1;
	if (then < 0)
		return false;
	*ret_seconds = then > now ? (uint64_t)(then - now) : 0;
	return true;
}

/* The number in front of `end`, which *text is moved behind. */
static bool take_number(const char **text, char end, uint64_t *ret)
{
	const char *stop = strchr(*text, end);
	char number[NUMBER_MAX + 1] = "";
	size_t n = stop ? (size_t)(stop - *text) : sizeof(number);

	if (n >= sizeof(number))
		return false;
	memcpy(number, *text, n);
	*text += n + 1;
	return num_parse_u64(number, 0, UINT64_MAX, ret) == 0;
}

bool headers_range_holds(const char *text, uint64_t from, uint64_t size)
{
	uint64_t first, last, total = size;

	if (!text || strncmp(text, "bytes ", 6) != 0)
		return false;
	text += 6;
	if (!take_number(&text, '-', &first) || !take_number(&text, '/', &last))
		return false;
	if (strcmp(text, "*") != 0 && num_parse_u64(text, 0, UINT64_MAX, &total) < 0)
		return false;
	return first == from && last >= first && last < size && total == size;
}
