/* SPDX-License-Identifier: MIT */
/*
 * Manifests and indexes. A document is what its Content-Type says and nothing else beside it: one
 * that could be read in two ways is refused (CVE-2021-41190).
 */
#include "manifest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "json.h"

#define OCI    "application/vnd.oci.image."
#define DOCKER "application/vnd.docker."

#define OCI_MANIFEST	OCI "manifest.v1+json"
#define OCI_INDEX	OCI "index.v1+json"
#define DOCKER_MANIFEST DOCKER "distribution.manifest.v2+json"
#define DOCKER_LIST	DOCKER "distribution.manifest.list.v2+json"
#define SCHEMA_1	DOCKER "distribution.manifest.v1+"

const char manifest_accept[] = OCI_INDEX ", " OCI_MANIFEST ", " DOCKER_LIST ", " DOCKER_MANIFEST;

static const struct {
	const char *media_type;
	enum manifest_kind kind;
} kinds[] = {
	{OCI_MANIFEST, MANIFEST_IMAGE},
	{DOCKER_MANIFEST, MANIFEST_IMAGE},
	{OCI_INDEX, MANIFEST_INDEX},
	{DOCKER_LIST, MANIFEST_INDEX},
};

static const char *const config_types[] = {OCI "config.v1+json", DOCKER "container.image.v1+json"};

static const struct {
	const char *media_type;
	const char *refusal; /* NULL: ours to unpack */
} layer_types[] = {
	{OCI "layer.v1.tar", NULL},
	{OCI "layer.v1.tar+gzip", NULL},
	{OCI "layer.v1.tar+zstd", NULL},
	{DOCKER "image.rootfs.diff.tar", NULL},
	{DOCKER "image.rootfs.diff.tar.gzip", NULL},
	{DOCKER "image.rootfs.diff.tar.zstd", NULL},
	{OCI "layer.nondistributable.v1.tar", "may not be distributed by registries"},
	{OCI "layer.nondistributable.v1.tar+gzip", "may not be distributed by registries"},
	{OCI "layer.nondistributable.v1.tar+zstd", "may not be distributed by registries"},
	{DOCKER "image.rootfs.foreign.diff.tar", "is kept elsewhere than in the registry"},
	{DOCKER "image.rootfs.foreign.diff.tar.gzip", "is kept elsewhere than in the registry"},
	{OCI "layer.v1.tar+encrypted", "is encrypted"},
	{OCI "layer.v1.tar+gzip+encrypted", "is encrypted"},
	{OCI "layer.v1.tar+zstd+encrypted", "is encrypted"},
};

static int kind_of(const char *media_type, enum manifest_kind *ret)
{
	for (unsigned int i = 0; i < ARRAY_LEN(kinds); i++) {
		if (strcmp(kinds[i].media_type, media_type) != 0)
			continue;
		*ret = kinds[i].kind;
		return 0;
	}
	return -EBADMSG;
}

/* The type without its parameters, in lower case; "" when it is absent or too long. */
static void bare_type(const char *header, char ret[MEDIA_TYPE_MAX + 1])
{
	size_t n = header ? strcspn(header, "; \t") : 0;

	ret[0] = '\0';
	if (n > MEDIA_TYPE_MAX)
		return;
	for (size_t i = 0; i < n; i++)
		ret[i] = header[i] >= 'A' && header[i] <= 'Z' ? (char)(header[i] - 'A' + 'a')
							      : header[i];
	ret[n] = '\0';
}

/* ---- descriptors ---- */

static int read_descriptor(
	const json_t *obj, const char *what, uint64_t max, struct descriptor *ret, struct err *e)
{
	const char *digest, *type;
	struct err why = {0};

	if (!json_is_object(obj))
		return err_set(e, EBADMSG, "%s is not described", what);
	if (json_get_string(obj, "digest", &digest, &why) < 0 ||
		json_get_string(obj, "mediaType", &type, &why) < 0 ||
		json_get_u64(obj, "size", &ret->size, &why) < 0)
		return err_set(e, EBADMSG, "%s: %s", what, why.text);
	if (!digest || !digest_copy(ret->digest, digest))
		return err_set(
			e, EBADMSG, "%s has no digest of the form sha256: and 64 hex digits", what);
	if (!type || strlen(type) > MEDIA_TYPE_MAX)
		return err_set(e, EBADMSG, "%s has no media type", what);
	if (ret->size == 0 || ret->size > max)
		return err_set(e, EBADMSG, "%s is said to be of %lu bytes; 1 to %lu can be", what,
			ret->size, max);
	strcpy(ret->media_type, type);
	return 0;
}

static int read_layer(const json_t *obj, unsigned int i, struct descriptor *ret, struct err *e)
{
	char what[32];
	int r;

	snprintf(what, sizeof(what), "layer %u", i + 1);
	r = read_descriptor(obj, what, MANIFEST_LAYER_MAX, ret, e);
	if (r < 0)
		return r;
	for (unsigned int k = 0; k < ARRAY_LEN(layer_types); k++) {
		if (strcmp(layer_types[k].media_type, ret->media_type) != 0)
			continue;
		if (!layer_types[k].refusal)
			return 0;
		return err_set(e, ENOTSUP, "%s %s", what, layer_types[k].refusal);
	}
	return err_set(e, ENOTSUP, "%s is of unknown type %s", what, ret->media_type);
}

/* ---- an image ---- */

static int read_image(const json_t *root, struct manifest *ret, struct err *e)
{
	const json_t *layers;
	int r;

	if (json_object_get(root, "manifests"))
		return err_set(e, EBADMSG, "a manifest that lists other manifests too");
	r = read_descriptor(
		json_object_get(root, "config"), "the config", CONFIG_MAX, &ret->next, e);
	if (r < 0)
		return r;
	if (strcmp(ret->next.media_type, config_types[0]) != 0 &&
		strcmp(ret->next.media_type, config_types[1]) != 0)
		return err_set(
			e, ENOTSUP, "not an image to run: its config is %s", ret->next.media_type);
	r = json_get_array(root, "layers", &layers, e);
	if (r < 0)
		return r;
	if (!layers || json_array_size(layers) == 0)
		return err_set(e, ENOTSUP, "the image has no layers");
	if (json_array_size(layers) > MANIFEST_LAYERS)
		return err_set(e, E2BIG, "the image has %zu layers; at most %d can be used",
			json_array_size(layers), MANIFEST_LAYERS);
	for (; r == 0 && ret->n_layers < json_array_size(layers); ret->n_layers++)
		r = read_layer(json_array_get(layers, ret->n_layers), ret->n_layers,
			&ret->layers[ret->n_layers], e);
	return r;
}

/* ---- an index ---- */

#define OFFERS_MAX 160

/* The platforms seen, for the sentence when none fits. */
struct offers {
	char text[OFFERS_MAX];
};

static void note_offer(struct offers *o, const struct platform *p)
{
	char word[PLATFORM_TEXT_MAX + 3];
	size_t n = strlen(o->text), m;

	if (strcmp(p->os, "unknown") == 0) /* attestations */
		return;
	strcpy(word, n ? ", " : "");
	platform_text(p, word + strlen(word));
	m = strlen(word);
	if (n + m + sizeof(", ...") < sizeof(o->text))
		memcpy(o->text + n, word, m + 1);
	else if (n < 5 || strcmp(o->text + n - 5, ", ...") != 0)
		strcpy(o->text + n, ", ...");
}

/* An entry's platform may be left out (OCI image-index): then it is a last resort. */
static int entry_score(const json_t *entry, const struct platform *want, struct offers *offers,
	unsigned int *ret, struct err *e)
{
	const char *os, *arch, *variant;
	struct platform p;
	const json_t *obj;
	int r = json_get_object(entry, "platform", &obj, e);

	*ret = 1;
	if (r < 0 || !obj)
		return r;
	if (json_get_string(obj, "os", &os, e) < 0 ||
		json_get_string(obj, "architecture", &arch, e) < 0 ||
		json_get_string(obj, "variant", &variant, e) < 0)
		return err_prefix(e, "a platform in the index");
	*ret = 0;
	if (platform_set(&p, os, arch, variant) < 0)
		return 0;
	note_offer(offers, &p);
	*ret = platform_score(want, &p) ? 1 + platform_score(want, &p) : 0;
	return 0;
}

/* Entries of types that are not manifests are to be passed over (OCI image-index). */
static bool is_manifest_entry(const json_t *entry)
{
	const char *type = json_string_value(json_object_get(entry, "mediaType"));
	enum manifest_kind kind;

	return type && kind_of(type, &kind) == 0;
}

static int read_index(
	const json_t *root, const struct platform *want, struct manifest *ret, struct err *e)
{
	char wanted[PLATFORM_TEXT_MAX];
	unsigned int score, best = 0;
	struct offers offers = {0};
	const json_t *list, *found = NULL;
	int r;

	if (json_object_get(root, "layers") || json_object_get(root, "config"))
		return err_set(e, EBADMSG, "an index that has layers or a config of its own");
	r = json_get_array(root, "manifests", &list, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *entry = json_array_get(list, i);

		if (!is_manifest_entry(entry))
			continue;
		r = entry_score(entry, want, &offers, &score, e);
		if (r < 0)
			return r;
		if (score > best) {
			best = score;
			found = entry;
		}
	}
	if (!found)
		return err_set(e, ENOENT, "nothing for %s; there is %s",
			platform_text(want, wanted),
			offers.text[0] ? offers.text : "no image in it at all");
	return read_descriptor(found, "the manifest in the index", MANIFEST_MAX, &ret->next, e);
}

/* ---- either ---- */

static int check_types(const json_t *root, const char *outside, struct err *e)
{
	const char *inside;
	uint64_t version;
	int r = json_get_string(root, "mediaType", &inside, e);

	if (r == 0)
		r = json_get_u64(root, "schemaVersion", &version, e);
	if (r < 0)
		return r;
	if (version == 1 || json_object_get(root, "fsLayers"))
		return err_set(
			e, ENOTSUP, "a manifest of Docker's schema 1, which is no longer read");
	if (version != 2)
		return err_set(e, EBADMSG, "the manifest's schemaVersion is not 2");
	if (inside ? strcmp(inside, outside) != 0 : strncmp(outside, DOCKER, strlen(DOCKER)) == 0)
		return err_set(e, EBADMSG,
			"the manifest calls itself %.80s, the registry calls it %s",
			inside ? inside : "nothing", outside);
	return 0;
}

int manifest_read(const char *buf, size_t n, const char *content_type, const struct platform *want,
	struct manifest *ret, struct err *e)
{
	_cleanup_json_ json_t *root = NULL;
	char type[MEDIA_TYPE_MAX + 1];
	int r;

	memset(ret, 0, sizeof(*ret));
	if (n > MANIFEST_MAX)
		return err_set(e, EFBIG, "the manifest is larger than %u bytes", MANIFEST_MAX);
	bare_type(content_type, type);
	if (strncmp(type, SCHEMA_1, strlen(SCHEMA_1)) == 0)
		return err_set(
			e, ENOTSUP, "a manifest of Docker's schema 1, which is no longer read");
	if (kind_of(type, &ret->kind) < 0)
		return err_set(e, EBADMSG, "the registry sent %s, not an image manifest",
			type[0] ? type : "something without a type");
	root = json_read("the manifest", buf, n, e);
	if (!root)
		return -EBADMSG;
	r = check_types(root, type, e);
	if (r < 0)
		return r;
	return ret->kind == MANIFEST_IMAGE ? read_image(root, ret, e)
					   : read_index(root, want, ret, e);
}
