/* SPDX-License-Identifier: MIT */
/*
 * Platforms: os/arch[/variant], in Go's names as images have them. Pure.
 */
#pragma once

#include "base/err.h"

#define PLATFORM_WORD_MAX 31
#define PLATFORM_TEXT_MAX (3 * (PLATFORM_WORD_MAX + 1))

struct platform {
	char os[PLATFORM_WORD_MAX + 1];
	char arch[PLATFORM_WORD_MAX + 1];
	char variant[PLATFORM_WORD_MAX + 1]; /* "" for the architecture's usual one */
};

/* This machine's, from uname(2). */
void platform_host(struct platform *ret);

/* "linux/arm/v7". -EINVAL with a sentence. */
int platform_parse(const char *text, struct platform *ret, struct err *e);

/* From separate words, as an index or config has them; spellings are made one (x86_64 is amd64).
 * -EINVAL when a word is missing, too long or holds anything but lower-case letters, digits and,
 * inside, . _ and -. */
int platform_set(struct platform *ret, const char *os, const char *arch, const char *variant);

/* How well code for `offer` runs on `want`: 0 not at all, else more is better. */
unsigned int platform_score(const struct platform *want, const struct platform *offer);

const char *platform_text(const struct platform *p, char buf[PLATFORM_TEXT_MAX]);
