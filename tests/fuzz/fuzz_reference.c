/* SPDX-License-Identifier: MIT */
/*
 * Any text as an image reference: refused with a sentence, or read so that its full spelling is
 * read as the same again and nothing in it could leave a URL's path or a directory. The same bytes
 * go through the other small grammars: digest, platform, challenge.
 */
#include <stdint.h>
#include <string.h>

#include "imaged/auth.h"
#include "imaged/platform.h"
#include "imaged/reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void check_words(const struct reference *r)
{
	static const char path[] = "abcdefghijklmnopqrstuvwxyz0123456789._-/";

	check(strspn(r->path, path) == strlen(r->path) && r->path[0] != '/');
	check(!strstr(r->path, "//") && !strstr(r->path, "..") && !strstr(r->path, "/.") &&
		!strstr(r->path, "./"));
	check(!strpbrk(r->domain, "/@?#%\\ ") && !strstr(r->domain, "..") && r->domain[0] != '.');
	check(!strpbrk(r->tag, "/@:?#%\\ ") && r->tag[0] != '.');
	check(r->tag[0] || r->digest[0]);
	check(!r->digest[0] || digest_valid(r->digest));
}

static void check_sentence(const struct err *e)
{
	check(e->code > 0 && e->text[0]);
	for (const char *p = e->text; *p; p++)
		check(*p >= 0x20 && *p < 0x7f);
}

static void try_reference(const char *text)
{
	char full[REFERENCE_TEXT_MAX], again[REFERENCE_TEXT_MAX];
	struct reference a, b;
	struct err e = {0};

	if (reference_parse(text, &a, &e) < 0) {
		check_sentence(&e);
		return;
	}
	check_words(&a);
	check(reference_parse(reference_format(&a, full), &b, &e) == 0);
	check(memcmp(&a, &b, sizeof(a)) == 0);
	check(strcmp(full, reference_format(&b, again)) == 0);
}

static void try_others(const char *text)
{
	struct challenge c = {0};
	struct platform p;
	char *url = NULL;

	challenge_read(text, &c);
	check(c.scheme != AUTH_BEARER || c.realm[0]);
	if (c.scheme == AUTH_BEARER && auth_token_url(&c, "repository:x:pull", &url, NULL) == 0)
		check(!strpbrk(url, "\r\n"));
	free(url);
	if (platform_parse(text, &p, NULL) == 0)
		check(platform_score(&p, &p) > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	check(text);
	memcpy(text, data, size);
	text[size] = '\0';
	try_reference(text);
	try_others(text);
	free(text);
	return 0;
}
