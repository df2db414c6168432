/* SPDX-License-Identifier: MIT */
/*
 * From a registry's JSON to our structures: OCI image manifest and index, Docker v2 schema 2
 * manifest and list, and the image config. Runs in `imaged --fetch` alone; every byte is foreign.
 * Pure: bytes in, structures out.
 */
#pragma once

#include <stdint.h>

#include "digest.h"
#include "messages.h"
#include "platform.h"

#define MANIFEST_MAX	   (4U << 20) /* bytes; OCI's advice to registries */
#define CONFIG_MAX	   (4U << 20)
#define MANIFEST_LAYERS	   127		  /* as many as struct image holds */
#define MANIFEST_LAYER_MAX (256ULL << 30) /* bytes of one blob */
#define MEDIA_TYPE_MAX	   128

/* Value of the Accept header: every type that manifest_read knows. */
extern const char manifest_accept[];

struct descriptor {
	char digest[DIGEST_TEXT_MAX];
	char media_type[MEDIA_TYPE_MAX + 1];
	uint64_t size;
};

enum manifest_kind { MANIFEST_IMAGE, MANIFEST_INDEX };

struct manifest {
	enum manifest_kind kind;
	/* An image's config; or the manifest that an index has for the platform. */
	struct descriptor next;
	uint32_t n_layers; /* of an image */
	struct descriptor layers[MANIFEST_LAYERS];
};

/* content_type is the answer's header: what is inside must agree with it. -EBADMSG, or -ENOENT when
 * an index has nothing for `want`, with a sentence that names what it offers. */
int manifest_read(const char *buf, size_t n, const char *content_type, const struct platform *want,
	struct manifest *ret, struct err *e);

/* Reads the config of *m into ret->id, layers and config; strings live in the arena. -ENOEXEC when
 * it is made for another platform. */
int manifest_read_config(const char *buf, size_t n, const struct manifest *m,
	const struct platform *want, struct arena *a, struct image *ret, struct err *e);
