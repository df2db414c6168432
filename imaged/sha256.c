/* SPDX-License-Identifier: MIT */
/*
 * sha256 through EVP. Once a context is initialised, libcrypto's own update and final can't fail
 * for a software digest; a failure all the same leaves a digest of "", which equals no valid one.
 */
#include "sha256.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#define SHA256_BYTES 32

struct sha256 {
	EVP_MD_CTX *ctx;
	bool broken;
};

struct sha256 *sha256_new(void)
{
	struct sha256 *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->ctx = EVP_MD_CTX_new();
	if (s->ctx && EVP_DigestInit_ex(s->ctx, EVP_sha256(), NULL) == 1)
		return s;
	sha256_free(s);
	return NULL;
}

void sha256_free(struct sha256 *s)
{
	if (!s)
		return;
	EVP_MD_CTX_free(s->ctx);
	free(s);
}

void sha256_add(struct sha256 *s, const void *buf, size_t n)
{
	if (EVP_DigestUpdate(s->ctx, buf, n) != 1)
		s->broken = true;
}

void sha256_finish(struct sha256 *s, char ret[DIGEST_TEXT_MAX])
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned int n = 0;

	ret[0] = '\0';
	if (s->broken || EVP_DigestFinal_ex(s->ctx, sum, &n) != 1 || n != SHA256_BYTES)
		return;
	memcpy(ret, DIGEST_PREFIX, sizeof(DIGEST_PREFIX));
	for (unsigned int i = 0; i < SHA256_BYTES; i++)
		snprintf(ret + sizeof(DIGEST_PREFIX) - 1 + i * 2, 3, "%02x", sum[i]);
}

int sha256_of(const void *buf, size_t n, char ret[DIGEST_TEXT_MAX])
{
	struct sha256 *s = sha256_new();

	ret[0] = '\0';
	if (!s)
		return -ENOMEM;
	sha256_add(s, buf, n);
	sha256_finish(s, ret);
	sha256_free(s);
	return 0;
}
