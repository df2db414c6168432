/* SPDX-License-Identifier: MIT */
/*
 * Platforms and which of them runs where. The words come from a user or from a registry's JSON.
 */
#include "platform.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#define WORD_CHARS "abcdefghijklmnopqrstuvwxyz0123456789._-"

/* What uname(2) and careless builders say, and what images call it. */
static const struct {
	const char *alias, *arch, *variant;
} aliases[] = {
	{"x86_64", "amd64", ""},
	{"aarch64", "arm64", ""},
	{"armv8l", "arm", "v7"},
	{"armv7l", "arm", "v7"},
	{"armv6l", "arm", "v6"},
	{"armhf", "arm", "v7"},
	{"armel", "arm", "v6"},
	{"i386", "386", ""},
	{"i686", "386", ""},
};

/* The level that an architecture has when nothing is said. */
static const struct {
	const char *arch;
	unsigned int level;
} usual[] = {{"amd64", 1}, {"arm64", 8}, {"arm", 7}};

static bool set_word(char ret[PLATFORM_WORD_MAX + 1], const char *word)
{
	size_t n = strlen(word);

	if (n > PLATFORM_WORD_MAX || strspn(word, WORD_CHARS) != n || strspn(word, "._-") > 0)
		return false;
	memcpy(ret, word, n + 1);
	return true;
}

static unsigned int usual_level(const char *arch)
{
	for (unsigned int i = 0; i < ARRAY_LEN(usual); i++)
		if (strcmp(usual[i].arch, arch) == 0)
			return usual[i].level;
	return 0;
}

/* "v7" is 7; the usual level is ""; 0 when it is no level. */
static unsigned int level_of(const struct platform *p)
{
	const char *v = p->variant;

	if (!*v)
		return usual_level(p->arch);
	return v[0] == 'v' && v[1] >= '1' && v[1] <= '9' && v[2] == '\0'
		       ? (unsigned int)(v[1] - '0')
		       : 0;
}

int platform_set(struct platform *ret, const char *os, const char *arch, const char *variant)
{
	struct platform p = {0};

	if (!os || !arch || !*os || !*arch)
		return -EINVAL;
	variant = variant ? variant : "";
	for (unsigned int i = 0; i < ARRAY_LEN(aliases); i++) {
		if (strcmp(arch, aliases[i].alias) != 0)
			continue;
		arch = aliases[i].arch;
		variant = *variant ? variant : aliases[i].variant;
		break;
	}
	if (!set_word(p.os, os) || !set_word(p.arch, arch) || !set_word(p.variant, variant))
		return -EINVAL;
	if (usual_level(p.arch) && level_of(&p) == usual_level(p.arch))
		p.variant[0] = '\0';
	*ret = p;
	return 0;
}

void platform_host(struct platform *ret)
{
	struct utsname u;

	if (uname(&u) < 0 || platform_set(ret, "linux", u.machine, NULL) < 0)
		platform_set(ret, "linux", "unknown", NULL);
}

int platform_parse(const char *text, struct platform *ret, struct err *e)
{
	char words[PLATFORM_TEXT_MAX], *p = words, *os, *arch, *variant;

	if (strlen(text) >= sizeof(words))
		return err_set(
			e, EINVAL, "the platform is too long: it is os/arch or os/arch/variant");
	strcpy(words, text);
	os = strsep(&p, "/");
	arch = strsep(&p, "/");
	variant = strsep(&p, "/");
	if (p || platform_set(ret, os, arch, variant) < 0)
		return err_set(e, EINVAL,
			"not a platform: it is os/arch or os/arch/variant, as linux/amd64");
	return 0;
}

unsigned int platform_score(const struct platform *want, const struct platform *offer)
{
	if (strcmp(want->os, offer->os) != 0 || strcmp(want->arch, offer->arch) != 0)
		return 0;
	if (strcmp(want->variant, offer->variant) == 0)
		return 100;
	if (!level_of(want) || !level_of(offer) || level_of(offer) > level_of(want))
		return 0;
	return 1 + level_of(offer);
}

const char *platform_text(const struct platform *p, char buf[PLATFORM_TEXT_MAX])
{
	snprintf(buf, PLATFORM_TEXT_MAX, "%s/%s%s%s", p->os, p->arch, *p->variant ? "/" : "",
		p->variant);
	return buf;
}
