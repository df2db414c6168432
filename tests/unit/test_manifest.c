/* SPDX-License-Identifier: MIT */
/*
 * Manifests, indexes and configs: the honest ones read right, and every way to lie that we know of
 * refused.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "imaged/manifest.h"

#define OCI	    "application/vnd.oci.image."
#define OCI_TYPE    OCI "manifest.v1+json"
#define OCI_IDX	    OCI "index.v1+json"
#define OCI_CONFIG  OCI "config.v1+json"
#define OCI_LAYER   OCI "layer.v1.tar+gzip"
#define DOCKER	    "application/vnd.docker."
#define DOCKER_TYPE DOCKER "distribution.manifest.v2+json"
#define DOCKER_IDX  DOCKER "distribution.manifest.list.v2+json"

#define HEX_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HEX_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define HEX_C "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

#define DESC(type, hex, size) "{'mediaType':'" type "','digest':'sha256:" hex "','size':" size "}"
#define CONFIG_DESC	      DESC(OCI_CONFIG, HEX_A, "7")
#define LAYER_B		      DESC(OCI_LAYER, HEX_B, "100")
#define LAYER_C		      DESC(OCI_LAYER, HEX_C, "200")
#define MANIFEST(members)     "{'schemaVersion':2," members "}"
#define ENTRY(type, hex, platform)                                                                 \
	"{'mediaType':'" type "','digest':'sha256:" hex "','size':9" platform "}"
#define ON(arch, variant) ",'platform':{'os':'linux','architecture':'" arch "'" variant "}"

/* JSON is written with single quotes here. */
static char *quoted(const char *text)
{
	char *s = strdup(text);

	assert_non_null(s);
	for (char *p = s; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	return s;
}

static int read_as(
	const char *type, const char *platform, const char *text, struct manifest *m, struct err *e)
{
	struct platform want;
	char *json = quoted(text);
	int r;

	assert_int_equal(platform_parse(platform, &want, NULL), 0);
	*e = (struct err){0};
	r = manifest_read(json, strlen(json), type, &want, m, e);
	free(json);
	if (r < 0 && (r != -e->code || !e->text[0]))
		fail_msg("no sentence for %s", text);
	return r;
}

static void refused(const char *type, const char *text, const char *words)
{
	struct manifest *m = malloc(sizeof(*m));
	struct err e;

	assert_non_null(m);
	if (read_as(type, "linux/amd64", text, m, &e) == 0)
		fail_msg("accepted %s", text);
	if (!strstr(e.text, words))
		fail_msg("\"%s\" does not say \"%s\"", e.text, words);
	free(m);
}

static struct manifest *accepted(const char *type, const char *platform, const char *text)
{
	struct manifest *m = malloc(sizeof(*m));
	struct err e;

	assert_non_null(m);
	if (read_as(type, platform, text, m, &e) < 0)
		fail_msg("refused %s: %s", text, e.text);
	return m;
}

static void reads_an_image(void **state)
{
	static const char text[] =
		MANIFEST("'mediaType':'" OCI_TYPE "','config':" CONFIG_DESC ",'layers':[" LAYER_B
			 "," LAYER_C "],'annotations':{'a':'b'}");
	struct manifest *m = accepted(OCI_TYPE, "linux/amd64", text);

	(void)state;
	assert_int_equal(m->kind, MANIFEST_IMAGE);
	assert_string_equal(m->next.digest, "sha256:" HEX_A);
	assert_int_equal(m->next.size, 7);
	assert_int_equal(m->n_layers, 2);
	assert_string_equal(m->layers[1].digest, "sha256:" HEX_C);
	assert_int_equal(m->layers[1].size, 200);
	assert_string_equal(m->layers[1].media_type, OCI_LAYER);
	free(m);
	free(accepted(
		"Application/Vnd.OCI.image.manifest.v1+json; charset=utf-8", "linux/amd64", text));
	/* mediaType inside is optional for OCI. */
	free(accepted(OCI_TYPE, "linux/amd64",
		MANIFEST("'config':" CONFIG_DESC ",'layers':[" LAYER_B "]")));
}

static void reads_dockers_image(void **state)
{
	(void)state;
	free(accepted(DOCKER_TYPE, "linux/amd64",
		MANIFEST("'mediaType':'" DOCKER_TYPE
			 "','config':" DESC(DOCKER "container.image.v1+json", HEX_A,
				 "7") ",'layers':[" DESC(DOCKER "image.rootfs.diff.tar.gzip", HEX_B,
				 "5") "]")));
	refused(DOCKER_TYPE, MANIFEST("'config':" CONFIG_DESC ",'layers':[" LAYER_B "]"),
		"calls itself nothing");
}

static void chooses_the_platform(void **state)
{
	static const char index[] = MANIFEST("'mediaType':'" OCI_IDX "','manifests':[" ENTRY(
		"application/x-other", HEX_A, ON("amd64", "")) "," ENTRY(OCI_TYPE, HEX_A,
		ON("arm64", ",'variant':'v8'")) "," ENTRY(OCI_TYPE, HEX_B,
		ON("arm", ",'variant':'v6'")) "," ENTRY(OCI_TYPE, HEX_C,
		ON("amd64", ",'variant':'v3'")) "," ENTRY(OCI_TYPE, HEX_B,
		ON("amd64", "")) "," ENTRY(OCI_TYPE, HEX_A,
		ON("arm", ",'variant':'v5'")) "," ENTRY(OCI_TYPE, HEX_C,
		",'platform':{'os':'unknown','architecture':'unknown'}") "]");
	static const struct {
		const char *platform, *digest;
	} rows[] = {
		{"linux/amd64", "sha256:" HEX_B},
		{"linux/x86_64", "sha256:" HEX_B},
		{"linux/amd64/v3", "sha256:" HEX_C},
		{"linux/amd64/v2", "sha256:" HEX_B},
		{"linux/arm64", "sha256:" HEX_A},
		{"linux/arm64/v8", "sha256:" HEX_A},
		{"linux/arm/v7", "sha256:" HEX_B},
		{"linux/arm/v5", "sha256:" HEX_A},
	};
	struct manifest *m;
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		m = accepted(OCI_IDX, rows[i].platform, index);
		assert_int_equal(m->kind, MANIFEST_INDEX);
		assert_string_equal(m->next.digest, rows[i].digest);
		free(m);
	}
	m = malloc(sizeof(*m));
	assert_int_equal(read_as(OCI_IDX, "linux/s390x", index, m, &e), -ENOENT);
	assert_string_equal(e.text,
		"nothing for linux/s390x; there is linux/arm64, linux/arm/v6, linux/amd64/v3, linux/amd64, linux/arm/v5");
	free(m);
}

static void takes_an_entry_without_platform_last(void **state)
{
	struct manifest *m = accepted(DOCKER_IDX, "linux/amd64",
		MANIFEST("'mediaType':'" DOCKER_IDX "','manifests':[" ENTRY(DOCKER_TYPE, HEX_A,
			"") "," ENTRY(DOCKER_TYPE, HEX_B, ON("amd64", "")) "]"));

	(void)state;
	assert_string_equal(m->next.digest, "sha256:" HEX_B);
	free(m);
	m = accepted(
		OCI_IDX, "linux/amd64", MANIFEST("'manifests':[" ENTRY(OCI_TYPE, HEX_A, "") "]"));
	assert_string_equal(m->next.digest, "sha256:" HEX_A);
	free(m);
}

static void refuses_two_readings(void **state)
{
	(void)state;
	refused(OCI_TYPE,
		MANIFEST("'config':" CONFIG_DESC ",'layers':[" LAYER_B "],'manifests':[]"),
		"lists other");
	refused(OCI_IDX, MANIFEST("'manifests':[],'layers':[]"), "layers or a config of its own");
	refused(OCI_IDX, MANIFEST("'manifests':[],'config':{}"), "layers or a config of its own");
	refused(OCI_IDX, MANIFEST("'mediaType':'" OCI_TYPE "','manifests':[]"),
		"the registry calls it");
	refused(OCI_TYPE,
		MANIFEST("'mediaType':'" DOCKER_TYPE "','config':" CONFIG_DESC ",'layers':[" LAYER_B
			 "]"),
		"the registry calls it");
	refused(OCI_TYPE,
		MANIFEST("'config':" CONFIG_DESC ",'layers':[" LAYER_B "],'layers':[" LAYER_C "]"),
		"twice");
	refused(OCI_TYPE, MANIFEST("'mediaType':5,'config':" CONFIG_DESC ",'layers':[" LAYER_B "]"),
		"not a string");
	refused("text/html", "<html>", "sent text/html");
	refused(NULL, MANIFEST("'config':" CONFIG_DESC ",'layers':[" LAYER_B "]"),
		"without a type");
	refused("application/json", MANIFEST("'config':" CONFIG_DESC ",'layers':[" LAYER_B "]"),
		"application/json");
}

static void refuses_old_schemas(void **state)
{
	(void)state;
	refused(DOCKER "distribution.manifest.v1+prettyjws", "{'schemaVersion':1,'fsLayers':[]}",
		"schema 1");
	refused(OCI_TYPE, "{'schemaVersion':1}", "schema 1");
	refused(OCI_TYPE, MANIFEST("'fsLayers':[]"), "schema 1");
	refused(OCI_TYPE, "{'config':{}}", "schemaVersion is not 2");
	refused(OCI_TYPE, "{'schemaVersion':'2'}", "not a natural number");
}

#define WITH_LAYER(layer) MANIFEST("'config':" CONFIG_DESC ",'layers':[" layer "]")

static void refuses_bad_descriptors(void **state)
{
	(void)state;
	refused(OCI_TYPE, WITH_LAYER("{}"), "layer 1 has no digest");
	refused(OCI_TYPE, WITH_LAYER("7"), "layer 1 is not described");
	refused(OCI_TYPE,
		WITH_LAYER(LAYER_B ",{'mediaType':'" OCI_LAYER
				   "','digest':'sha256:../../etc','size':1}"),
		"layer 2 has no digest");
	refused(OCI_TYPE, WITH_LAYER("{'mediaType':'" OCI_LAYER "','digest':7,'size':1}"),
		"\"digest\" is not a string");
	refused(OCI_TYPE, WITH_LAYER("{'digest':'sha256:" HEX_B "','size':1}"), "no media type");
	refused(OCI_TYPE, WITH_LAYER(DESC(OCI_LAYER, HEX_B, "0")), "0 bytes");
	refused(OCI_TYPE, WITH_LAYER(DESC(OCI_LAYER, HEX_B, "-1")), "not a natural number");
	refused(OCI_TYPE, WITH_LAYER(DESC(OCI_LAYER, HEX_B, "1.5")), "not a natural number");
	refused(OCI_TYPE, WITH_LAYER(DESC(OCI_LAYER, HEX_B, "4611686018427387904")),
		"4611686018427387904 bytes");
	refused(OCI_TYPE, WITH_LAYER(DESC(OCI_LAYER, HEX_B, "99999999999999999999")), "not JSON");
	refused(OCI_TYPE, WITH_LAYER(DESC(OCI "layer.nondistributable.v1.tar+gzip", HEX_B, "1")),
		"may not be distributed");
	refused(OCI_TYPE, WITH_LAYER(DESC(DOCKER "image.rootfs.foreign.diff.tar.gzip", HEX_B, "1")),
		"kept elsewhere");
	refused(OCI_TYPE, WITH_LAYER(DESC(OCI "layer.v1.tar+gzip+encrypted", HEX_B, "1")),
		"encrypted");
	refused(OCI_TYPE, WITH_LAYER(DESC("application/x-evil", HEX_B, "1")),
		"unknown type application/x-evil");
	refused(OCI_TYPE, WITH_LAYER(""), "no layers");
	refused(OCI_TYPE, MANIFEST("'layers':[" LAYER_B "]"), "the config is not described");
	refused(OCI_TYPE,
		MANIFEST("'config':" DESC("application/vnd.cncf.helm.config.v1+json", HEX_A,
			"7") ",'layers':[" LAYER_B "]"),
		"not an image to run");
	refused(OCI_TYPE,
		MANIFEST("'config':" DESC(OCI_CONFIG, HEX_A, "5000000") ",'layers':[" LAYER_B "]"),
		"5000000 bytes");
	refused(OCI_IDX,
		MANIFEST("'manifests':[{'mediaType':'" OCI_TYPE "','digest':'x','size':1}]"),
		"no digest");
	refused(OCI_IDX, MANIFEST("'manifests':{}"), "not a list");
	refused(OCI_IDX, MANIFEST("'manifests':[" ENTRY(OCI_TYPE, HEX_A, ",'platform':7") "]"),
		"not an object");
	refused(OCI_IDX,
		MANIFEST("'manifests':[" ENTRY(OCI_TYPE, HEX_A, ",'platform':{'os':5}") "]"),
		"not a string");
	refused(OCI_IDX, MANIFEST("'x':1"), "no image in it at all");
}

/* ---- bombs ---- */

static void refuses_many_layers(void **state)
{
	struct manifest *m = malloc(sizeof(*m));
	struct platform want;
	struct err e;

	(void)state;
	platform_host(&want);
	for (int n = MANIFEST_LAYERS; n <= MANIFEST_LAYERS + 1; n++) {
		char *text = malloc((size_t)(n + 2) * 400), *p;

		p = text +
		    sprintf(text,
			    "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"%s\",\"digest\":\"sha256:%s\",\"size\":7},\"layers\":[",
			    OCI_CONFIG, HEX_A);
		for (int i = 0; i < n; i++)
			p += sprintf(p,
				"%s{\"mediaType\":\"%s\",\"digest\":\"sha256:%s\",\"size\":1}",
				i ? "," : "", OCI_LAYER, HEX_B);
		p += sprintf(p, "]}");
		assert_int_equal(manifest_read(text, (size_t)(p - text), OCI_TYPE, &want, m, &e),
			n > MANIFEST_LAYERS ? -E2BIG : 0);
		free(text);
	}
	free(m);
}

static void bomb(const char *start, const char *unit, size_t n, const char *words)
{
	struct manifest *m = malloc(sizeof(*m));
	size_t unit_len = strlen(unit);
	char *text = malloc(strlen(start) + n * unit_len + 1), *p = text;
	struct platform want;
	struct err e;

	platform_host(&want);
	p = stpcpy(p, start);
	for (size_t i = 0; i < n; i++, p += unit_len)
		memcpy(p, unit, unit_len);
	assert_true(manifest_read(text, (size_t)(p - text), OCI_TYPE, &want, m, &e) < 0);
	assert_non_null(strstr(e.text, words));
	free(text);
	free(m);
}

static void refuses_bombs(void **state)
{
	(void)state;
	bomb("{\"x\":", "[", 1000000, "too deep");
	bomb("{\"x\":", "{\"a\":", 1000, "too deep");
	bomb("{\"x\":[", "0,", 2000000, "too many values");
	bomb("{\"x\":\"", "[{,:", 1000000, "not JSON");
	bomb("{\"x\":\"", "x", MANIFEST_MAX, "larger than");
}

/* ---- configs ---- */

#define PLATFORM	"'os':'linux','architecture':'amd64'"
#define ROOTFS		"'rootfs':{'type':'layers','diff_ids':['sha256:" HEX_C "']}"
#define CONFIG(members) "{" PLATFORM "," ROOTFS ",'config':{" members "}}"

static int read_config(const char *text, struct arena *a, struct image *image, struct err *e)
{
	struct manifest *m = accepted(OCI_TYPE, "linux/amd64", WITH_LAYER(LAYER_B));
	struct platform want;
	char *json = quoted(text);
	int r;

	platform_parse("linux/amd64", &want, NULL);
	*e = (struct err){0};
	r = manifest_read_config(json, strlen(json), m, &want, a, image, e);
	free(json);
	free(m);
	return r;
}

static void config_refused(const char *text, const char *words)
{
	struct arena a = {0};
	struct image image;
	struct err e;

	if (read_config(text, &a, &image, &e) == 0)
		fail_msg("accepted %s", text);
	if (!strstr(e.text, words))
		fail_msg("\"%s\" does not say \"%s\"", e.text, words);
	arena_free(&a);
}

static void reads_a_config(void **state)
{
	struct arena a = {0};
	struct image image;
	struct err e;

	(void)state;
	assert_int_equal(
		read_config(
			"{" PLATFORM "," ROOTFS ",'created':'2023-11-14T22:13:20Z','config':{"
			"'Entrypoint':['/a','b c'],'Cmd':null,'Env':['A=1','B='],'User':'','WorkingDir':'/w',"
			"'Volumes':{'/v':{},'/u':null},'ExposedPorts':{'80/tcp':{}},'Labels':{'k':'v=w','e':''},"
			"'StopSignal':'SIGUSR1','Healthcheck':{'Test':['CMD','x'],'Interval':5,'Retries':2}},'history':[{'empty_layer':true}]}",
			&a, &image, &e),
		0);
	assert_string_equal(image.id, "sha256:" HEX_A);
	assert_int_equal(image.layers.n, 1);
	assert_string_equal(image.layers.v[0].digest, "sha256:" HEX_B);
	assert_string_equal(image.layers.v[0].diff_id, "sha256:" HEX_C);
	assert_int_equal(image.layers.v[0].size, 100);
	assert_int_equal(image.config->entrypoint.n, 2);
	assert_string_equal(image.config->entrypoint.v[1], "b c");
	assert_int_equal(image.config->cmd.n, 0);
	assert_int_equal(image.config->env.n, 2);
	assert_string_equal(image.config->env.v[1], "B=");
	assert_null(image.config->user);
	assert_string_equal(image.config->workdir, "/w");
	assert_int_equal(image.config->volumes.n, 2);
	assert_string_equal(image.config->volumes.v[1], "/u");
	assert_string_equal(image.config->exposed.v[0], "80/tcp");
	assert_string_equal(image.config->labels.v[0], "k=v=w");
	assert_string_equal(image.config->labels.v[1], "e=");
	assert_string_equal(image.config->stop_signal, "SIGUSR1");
	assert_string_equal(image.config->created, "2023-11-14T22:13:20Z");
	assert_int_equal(image.config->health->test.n, 2);
	assert_string_equal(image.config->health->test.v[1], "x");
	assert_true(image.config->health->interval == 5 && image.config->health->timeout == 0);
	assert_int_equal(image.config->health->retries, 2);
	arena_free(&a);
}

static void reads_a_config_without_settings(void **state)
{
	struct arena a = {0};
	struct image image;
	struct err e;

	(void)state;
	assert_int_equal(read_config("{" PLATFORM "," ROOTFS "}", &a, &image, &e), 0);
	assert_int_equal(image.config->env.n + image.config->cmd.n, 0);
	assert_int_equal(read_config("{" PLATFORM "," ROOTFS ",'config':null}", &a, &image, &e), 0);
	arena_free(&a);
}

static void refuses_wrong_types(void **state)
{
	(void)state;
	config_refused(CONFIG("'Entrypoint':'sh'"), "\"Entrypoint\" is not a list");
	config_refused(CONFIG("'Cmd':['a',5]"), "\"Cmd\" holds something that is not a string");
	config_refused(CONFIG("'Cmd':['a\\u0000b']"), "not JSON");
	config_refused(CONFIG("'Env':['NOVALUE']"), "NAME=value");
	config_refused(CONFIG("'Env':['=x']"), "NAME=value");
	config_refused(CONFIG("'User':0"), "\"User\" is not a string");
	config_refused(CONFIG("'WorkingDir':[]"), "\"WorkingDir\" is not a string");
	config_refused(CONFIG("'Volumes':['/v']"), "\"Volumes\" is not an object");
	config_refused(CONFIG("'Volumes':{'/v':'/host'}"), "\"Volumes\" is not a set");
	config_refused(CONFIG("'ExposedPorts':{'80':true}"), "\"ExposedPorts\" is not a set");
	config_refused(CONFIG("'Labels':{'a':1}"), "\"Labels\" holds");
	config_refused(CONFIG("'Healthcheck':[]"), "\"Healthcheck\" is not an object");
	config_refused(CONFIG("'Healthcheck':{'Test':'x'}"), "\"Test\" is not a list");
	config_refused(
		CONFIG("'Healthcheck':{'Timeout':-1}"), "\"Timeout\" is not a natural number");
	config_refused(CONFIG("'Healthcheck':{'Retries':2147483648}"), "\"Retries\" is too large");
	config_refused(CONFIG("'StopSignal':9"), "\"StopSignal\" is not a string");
	config_refused("{" PLATFORM "," ROOTFS ",'config':[]}", "\"config\" is not an object");
	config_refused("[]", "not a JSON object");
	config_refused(CONFIG("'User':'a','User':'root'"), "twice");
}

static void refuses_wrong_layers(void **state)
{
	(void)state;
	config_refused("{" PLATFORM "}", "0 diff_ids for 1 layers");
	config_refused("{" PLATFORM ",'rootfs':{'diff_ids':[]}}", "0 diff_ids for 1 layers");
	config_refused("{" PLATFORM ",'rootfs':{'diff_ids':['sha256:" HEX_A "','sha256:" HEX_B
		       "']}}",
		"2 diff_ids for 1");
	config_refused("{" PLATFORM ",'rootfs':{'diff_ids':['../x']}}", "diff_id 1");
	config_refused("{" PLATFORM ",'rootfs':{'diff_ids':[5]}}", "diff_id 1");
}

static void refuses_other_platforms(void **state)
{
	(void)state;
	config_refused("{'os':'linux','architecture':'arm64'," ROOTFS "}",
		"the image is for linux/arm64, not for linux/amd64");
	config_refused("{'os':'windows','architecture':'amd64'," ROOTFS "}", "windows/amd64");
	config_refused("{" ROOTFS "}", "what platform");
	config_refused("{'os':'linux','architecture':'../..'," ROOTFS "}", "what platform");
}

static void parses_platforms(void **state)
{
	static const char *const bad[] = {"", "linux", "linux/", "/amd64", "linux/amd64/v1/x",
		"linux//v1", "linux/..", "linux/amd 64", "LINUX/amd64", "linux/amd64\n",
		"linux/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
	char text[PLATFORM_TEXT_MAX];
	struct platform p;
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (platform_parse(bad[i], &p, &e) == 0)
			fail_msg("accepted \"%s\"", bad[i]);
	assert_int_equal(platform_parse("linux/armv6l", &p, NULL), 0);
	assert_string_equal(platform_text(&p, text), "linux/arm/v6");
	platform_host(&p);
	assert_string_equal(p.os, "linux");
	assert_true(platform_score(&p, &p) > 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_an_image),
		cmocka_unit_test(reads_dockers_image),
		cmocka_unit_test(chooses_the_platform),
		cmocka_unit_test(takes_an_entry_without_platform_last),
		cmocka_unit_test(refuses_two_readings),
		cmocka_unit_test(refuses_old_schemas),
		cmocka_unit_test(refuses_bad_descriptors),
		cmocka_unit_test(refuses_many_layers),
		cmocka_unit_test(refuses_bombs),
		cmocka_unit_test(reads_a_config),
		cmocka_unit_test(reads_a_config_without_settings),
		cmocka_unit_test(refuses_wrong_types),
		cmocka_unit_test(refuses_wrong_layers),
		cmocka_unit_test(refuses_other_platforms),
		cmocka_unit_test(parses_platforms),
	};

	return cmocka_run_group_tests_name("manifest", tests, NULL, NULL);
}
