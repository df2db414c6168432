/* SPDX-License-Identifier: MIT */
/*
 * Every case of tests/hostile/layer_cases.json, facts that other engines learned the hard way: what
 * must be refused is, and whatever is accepted is a sound image, for an image has no outside. The
 * layers of the last kind of case are stacked as overlayfs would.
 */
#include <fcntl.h>
#include <jansson.h>

#include "unpacked.h"

#define CASES "tests/hostile/layer_cases.json"

static char tar_type(const char *type)
{
	static const struct {
		const char *name;
		char type;
	} types[] = {{"reg", '0'}, {"link", '1'}, {"symlink", '2'}, {"dir", '5'}, {"xglobal", 'g'}};

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (strcmp(types[i].name, type) == 0)
			return types[i].type;
	}
	fail_msg("unknown type %s", type);
	return 0;
}

static void add_entries(struct tar *t, json_t *entries)
{
	json_t *entry;
	size_t i;

	json_array_foreach(entries, i, entry)
	{
		const char *data = json_string_value(json_object_get(entry, "data"));
		struct tar_head head = {
			.type = tar_type(json_string_value(json_object_get(entry, "type"))),
			.name = json_string_value(json_object_get(entry, "name")),
			.link = json_string_value(json_object_get(entry, "link")),
			.mode = (unsigned int)json_integer_value(json_object_get(entry, "mode")),
			.data = data,
			.size = data ? strlen(data) : 0,
		};

		if (head.type == 'g') {
			head.data = "19 comment=nothing\n";
			head.size = 19;
		}
		tar_add(t, head);
	}
}

static void run_case(json_t *c, json_t *base, const char *verdict)
{
	const char *name = json_string_value(json_object_get(c, "name"));
	bool refused = json_is_true(json_object_get(c, verdict));
	bool must = json_is_true(json_object_get(c, "must_be_refused"));
	struct tar t = {0};
	struct unpacked u;
	int r;

	assert_non_null(json_object_get(c, verdict));
	add_entries(&t, base);
	add_entries(&t, json_object_get(c, "entries"));
	tar_end(&t);
	r = unpack(&u, t.p, t.n);
	if (must && !r)
		fail_msg("%s (%s) must be refused", name, verdict);
	if (refused != (r != 0))
		fail_msg("%s (%s): %s", name, verdict, r ? u.e.text : "was accepted");
	unpacked_free(&u);
	tar_free(&t);
}

static json_t *load_cases(void)
{
	json_error_t error;
	json_t *cases = json_load_file(CASES, 0, &error);

	if (!cases)
		fail_msg("%s: %s", CASES, error.text);
	return cases;
}

static void test_cases(_unused_ void **state)
{
	json_t *cases = load_cases(), *c;
	size_t i, run = 0;

	json_array_foreach(cases, i, c)
	{
		if (!json_object_get(c, "entries"))
			continue;
		run_case(c, NULL, "refused");
		if (json_object_get(c, "base"))
			run_case(c, json_object_get(c, "base"), "refused_on_base");
		run++;
	}
	assert_true(run >= 70);
	json_decref(cases);
}

/* What one sees through a stack of layers. */
struct view {
	char paths[64][64];
	size_t n;
	const struct unpacked *layer;
};

static void view_drop_below(struct view *v, const char *path, bool itself)
{
	size_t len = strlen(path), kept = 0;

	for (size_t i = 0; i < v->n; i++) {
		bool below = strncmp(v->paths[i], path, len) == 0 &&
			     (len == 0 || v->paths[i][len] == '/');
		bool same = strcmp(v->paths[i], path) == 0;

		if (!below && !(same && itself))
			memmove(v->paths[kept++], v->paths[i], sizeof(v->paths[i]));
	}
	v->n = kept;
}

static bool is_opaque(const struct unpacked *u, const struct reader_inode *i)
{
	size_t size;

	return reader_xattr(&u->r, i, EROFS_XATTR_USER, "overlay.opaque", &size) != NULL;
}

static void view_mark(const struct reader_visit *visit, void *ctx)
{
	struct view *v = ctx;

	if (S_ISCHR(visit->inode->mode))
		view_drop_below(v, visit->path, true);
	else if (!S_ISDIR(visit->inode->mode) || is_opaque(v->layer, visit->inode))
		view_drop_below(v, visit->path, false);
}

static void view_add(const struct reader_visit *visit, void *ctx)
{
	struct view *v = ctx;

	if (S_ISCHR(visit->inode->mode))
		return;
	for (size_t i = 0; i < v->n; i++) {
		if (strcmp(v->paths[i], visit->path) == 0)
			return;
	}
	assert_true(v->n < ARRAY_LEN(v->paths));
	snprintf(v->paths[v->n++], sizeof(v->paths[0]), "%s", visit->path);
}

static void assert_view(const struct view *v, json_t *want)
{
	json_t *path;
	size_t i, k;

	json_array_foreach(want, i, path)
	{
		const char *text = json_string_value(path);
		size_t len = strlen(text);

		len -= text[len - 1] == '/';
		for (k = 0; k < v->n; k++) {
			if (strncmp(v->paths[k], text, len) == 0 && !v->paths[k][len])
				break;
		}
		if (k == v->n)
			fail_msg("%s is missing", text);
	}
	assert_int_equal(v->n, json_array_size(want));
}

static void apply_layer(struct view *v, json_t *names)
{
	struct tar t = {0};
	struct unpacked u;
	json_t *name;
	size_t i;

	json_array_foreach(names, i, name)
	{
		const char *text = json_string_value(name);

		if (text[strlen(text) - 1] == '/')
			tar_dir(&t, text);
		else
			tar_file(&t, text, "");
	}
	tar_end(&t);
	assert_int_equal(unpack(&u, t.p, t.n), 0);
	v->layer = &u;
	if (u.result.root_opaque)
		view_drop_below(v, "", false);
	reader_walk(&u.r, u.root, view_mark, v);
	reader_walk(&u.r, u.root, view_add, v);
	v->layer = NULL;
	unpacked_free(&u);
	tar_free(&t);
}

static void test_layers(_unused_ void **state)
{
	json_t *cases = load_cases(), *c, *layers;
	size_t i, k, run = 0;

	json_array_foreach(cases, i, c)
	{
		struct view v = {0};

		layers = json_object_get(c, "layers");
		for (k = 0; k < json_array_size(layers); k++, run++) {
			apply_layer(&v, json_array_get(layers, k));
			assert_view(&v, json_array_get(json_object_get(c, "after"), k));
		}
	}
	assert_true(run > 0);
	json_decref(cases);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_layers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
