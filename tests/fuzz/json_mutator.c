/* SPDX-License-Identifier: MIT */
/*
 * JSON by chance; see json_mutator.h.
 */
#include "json_mutator.h"

#include <jansson.h>
#include <string.h>

#include "base/util.h"
#include "message_lines.h"

#define NODES_MAX 256

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

/* Where a value stands: in an object under a key, or in an array. */
struct place {
	json_t *in;
	const char *key;
	size_t index;
};

struct places {
	struct place v[NODES_MAX];
	uint32_t n;
};

static void collect(json_t *in, struct places *ret)
{
	const char *key;
	json_t *v;
	size_t i;

	json_object_foreach(in, key, v)
	{
		if (ret->n < NODES_MAX)
			ret->v[ret->n++] = (struct place){in, key, 0};
		collect(v, ret);
	}
	json_array_foreach(in, i, v)
	{
		if (ret->n < NODES_MAX)
			ret->v[ret->n++] = (struct place){in, NULL, i};
		collect(v, ret);
	}
}

static json_t *get(const struct place *p)
{
	return p->key ? json_object_get(p->in, p->key) : json_array_get(p->in, p->index);
}

/* Takes v over. */
static void set(const struct place *p, json_t *v)
{
	if (p->key)
		json_object_set_new(p->in, p->key, v);
	else
		json_array_set_new(p->in, p->index, v);
}

static const char *word(struct dice *d, const char *const *words)
{
	uint32_t n = 0;

	while (words[n])
		n++;
	return words[dice_roll(d, n)];
}

static json_t *make(struct dice *d, const char *const *words)
{
	static const json_int_t edges[] = {0, 1, -1, 2, 127, 255, 4095, 65535, 65536, INT32_MAX,
		UINT32_MAX, INT64_MAX, INT64_MIN};
	json_t *v;

	switch (dice_roll(d, 10)) {
	case 0:
		return json_null();
	case 1:
		return json_boolean(dice_roll(d, 2));
	case 2:
	case 3:
		return json_integer(edges[dice_roll(d, ARRAY_LEN(edges))]);
	case 4:
		v = json_array();
		json_array_append_new(v, json_string(word(d, words)));
		return v;
	case 5:
		v = json_object();
		json_object_set_new(v, word(d, words), json_string(word(d, words)));
		return v;
	case 6:
		return json_real(1.5);
	default:
		return json_string(word(d, words));
	}
}

static void add(json_t *to, json_t *v, struct dice *d, const char *const *words)
{
	if (json_is_object(to))
		json_object_set_new(to, word(d, words), v);
	else if (json_is_array(to))
		json_array_insert_new(to, dice_roll(d, (uint32_t)json_array_size(to) + 1), v);
	else
		json_decref(v);
}

/* The same many times over, for bounds of lists. */
static void repeat(const struct place *p, uint32_t times)
{
	for (uint32_t i = 0; i < times && json_is_array(p->in); i++)
		json_array_append_new(p->in, json_deep_copy(get(p)));
}

static void change(json_t *root, struct dice *d, const char *const *words)
{
	struct places *all = calloc(1, sizeof(*all));
	const struct place *a, *b;

	if (!all)
		return;
	collect(root, all);
	a = &all->v[dice_roll(d, all->n)];
	b = &all->v[dice_roll(d, all->n)];
	if (all->n == 0) {
		add(root, make(d, words), d, words);
		free(all);
		return;
	}
	switch (dice_roll(d, 8)) {
	case 0:
		if (a->key)
			json_object_del(a->in, a->key);
		else
			json_array_remove(a->in, a->index);
		break;
	case 1: /* a value again, in the place of another or beside it */
		set(b, json_deep_copy(get(a)));
		break;
	case 2:
		add(b->in, json_deep_copy(get(a)), d, words);
		break;
	case 3:
		add(get(a), make(d, words), d, words);
		break;
	case 4:
		repeat(a, dice_roll(d, 10));
		break;
	case 5: /* under another name */
		if (a->key)
			json_object_set(a->in, word(d, words), get(a));
		break;
	default:
		set(a, make(d, words));
	}
	free(all);
}

size_t json_mutate(uint8_t *data, size_t size, size_t max, unsigned int seed, size_t head,
	const char *const *words)
{
	struct dice d = {seed};
	uint32_t turns = 1 + dice_roll(&d, 3);
	json_t *root = NULL;
	size_t n;

	if (size > head && dice_roll(&d, 8))
		root = json_loadb((const char *)data + head, size - head, JSON_DECODE_ANY, NULL);
	if (!root)
		return LLVMFuzzerMutate(data, size, max);
	while (turns-- > 0)
		change(root, &d, words);
	n = json_dumpb(root, (char *)data + head, max - head, JSON_COMPACT | JSON_ENCODE_ANY);
	json_decref(root);
	return n <= max - head ? head + n : size;
}
