/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as manifest, index, config or token answer. Refused with a sentence, or read into
 * structures that keep their bounds. The first byte chooses which of them; a config is read against
 * a manifest of as many layers as the second byte says.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "imaged/auth.h"
#include "imaged/manifest.h"
#include "json_mutator.h"

#define OCI    "application/vnd.oci.image."
#define DOCKER "application/vnd.docker.distribution."
#define HEX    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed);

static const char *const types[] = {OCI "manifest.v1+json", OCI "index.v1+json",
	DOCKER "manifest.v2+json", DOCKER "manifest.list.v2+json"};

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void check_descriptor(const struct descriptor *d)
{
	check(digest_valid(d->digest) && d->size > 0 && d->size <= MANIFEST_LAYER_MAX &&
		d->media_type[0]);
}

static void try_manifest(const char *type, const char *buf, size_t n, const struct platform *want)
{
	struct manifest *m = malloc(sizeof(*m));
	struct err e = {0};

	check(m);
	if (manifest_read(buf, n, type, want, m, &e) == 0) {
		check_descriptor(&m->next);
		check(m->n_layers <= MANIFEST_LAYERS &&
			(m->kind == MANIFEST_INDEX) == (m->n_layers == 0));
		for (uint32_t i = 0; i < m->n_layers; i++)
			check_descriptor(&m->layers[i]);
	} else {
		check(e.code > 0 && e.text[0]);
	}
	free(m);
}

/* What an image may hold is for the reply's encoding to judge. */
static void check_reply(const struct image *image)
{
	uint8_t *buf = NULL;
	struct err e = {0};
	size_t n;

	check(codec_encode(&schema_image, image, CONFIG_MAX, NULL, &buf, &n, &e) == 0 ||
		(e.code > 0 && e.text[0]));
	free(buf);
}

static void try_config(uint8_t layers, const char *buf, size_t n, const struct platform *want)
{
	struct manifest *m = calloc(1, sizeof(*m));
	struct arena a = {0};
	struct image image;
	struct err e = {0};

	check(m);
	m->n_layers = layers % MANIFEST_LAYERS + 1;
	strcpy(m->next.digest, "sha256:" HEX);
	for (uint32_t i = 0; i < m->n_layers; i++)
		m->layers[i] =
			(struct descriptor){.digest = "sha256:" HEX, .media_type = "x", .size = 1};
	if (manifest_read_config(buf, n, m, want, &a, &image, &e) == 0) {
		check(digest_valid(image.id) && image.layers.n == m->n_layers && image.config);
		for (uint32_t i = 0; i < image.config->env.n; i++)
			check(strchr(image.config->env.v[i], '='));
		check_reply(&image);
	} else {
		check(e.code > 0 && e.text[0]);
	}
	arena_free(&a);
	free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct platform want;
	char *token = NULL, *buf;

	if (size < 2)
		return 0;
	platform_parse("linux/amd64", &want, NULL);
	buf = malloc(size - 2 + 1);
	check(buf);
	memcpy(buf, data + 2, size - 2);
	if (data[0] % 6 < 4)
		try_manifest(types[data[0] % 6], buf, size - 2, &want);
	else if (data[0] % 6 == 4)
		try_config(data[1], buf, size - 2, &want);
	else if (auth_token_read(buf, size - 2, &token, NULL) == 0)
		check(!strpbrk(token, "\r\n"));
	auth_free(&token);
	free(buf);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	static const char *const words[] = {"mediaType", "schemaVersion", "config", "layers",
		"manifests", "digest", "size", "platform", "os", "architecture", "variant",
		"os.version", "annotations", "urls", "rootfs", "diff_ids", "type", "Env", "Cmd",
		"Entrypoint", "User", "WorkingDir", "Volumes", "ExposedPorts", "Labels",
		"StopSignal", "created", "token", "access_token", "expires_in", "linux", "amd64",
		"arm64", "v8", "unknown", "application/vnd.oci.image.manifest.v1+json",
		"application/vnd.oci.image.index.v1+json",
		"application/vnd.docker.distribution.manifest.v2+json",
		"application/vnd.docker.distribution.manifest.list.v2+json",
		"application/vnd.oci.image.config.v1+json",
		"application/vnd.docker.container.image.v1+json",
		"application/vnd.oci.image.layer.v1.tar+gzip",
		"application/vnd.docker.image.rootfs.diff.tar.gzip",
		"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
		"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
		"sha256:zz", "sha512:a", "80/tcp", "/v", "A=1", "A", "=", "a\nb", "", NULL};

	return json_mutate(data, size, max, seed, 2, words);
}
