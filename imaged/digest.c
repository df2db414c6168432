/* SPDX-License-Identifier: MIT */
/*
 * The grammar of digests. Owns nothing, trusts nothing; used by every process that is handed one.
 */
#include "digest.h"

#include <string.h>

#define PREFIX_LEN (sizeof(DIGEST_PREFIX) - 1)

bool digest_valid(const char *text)
{
	if (!text || strncmp(text, DIGEST_PREFIX, PREFIX_LEN) != 0)
		return false;
	return strspn(text + PREFIX_LEN, "0123456789abcdef") == DIGEST_TEXT_LEN - PREFIX_LEN &&
	       text[DIGEST_TEXT_LEN] == '\0';
}

const char *digest_hex(const char *digest)
{
	return digest + PREFIX_LEN;
}

bool digest_copy(char ret[DIGEST_TEXT_MAX], const char *text)
{
	ret[0] = '\0';
	if (!digest_valid(text))
		return false;
	memcpy(ret, text, DIGEST_TEXT_MAX);
	return true;
}
