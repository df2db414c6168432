/* SPDX-License-Identifier: MIT */
/*
 * -v, --mount and --tmpfs; see parse.h. Sources are words here: cmd_run opens them as the caller.
 */
#include "parse.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/util.h"
#include "flags.h"

const char *path_clean(struct arena *a, const char *path)
{
	char *out = arena_alloc(a, strlen(path) + 2);
	size_t n = 0;

	if (!out)
		return NULL;
	while (*path) {
		size_t part = strcspn(path, "/");

		if (part == 2 && memcmp(path, "..", 2) == 0) {
			while (n > 0 && out[--n] != '/')
				;
		} else if (part > 0 && !(part == 1 && *path == '.')) {
			out[n++] = '/';
			memcpy(out + n, path, part);
			n += part;
		}
		path += part + (path[part] == '/');
	}
	if (n == 0)
		out[n++] = '/';
	out[n] = '\0';
	return out;
}

static int bad_mount(const char *s, const char *why, struct err *e)
{
	return err_set(e, EINVAL, "invalid mount \"%.120s\": %s", s, why);
}

int mount_set_target(
	struct mount *m, const char *target, const char *s, struct arena *a, struct err *e)
{
	if (target[0] != '/')
		return bad_mount(s, "the place in the container must be an absolute path", e);
	if (strlen(target) >= 4096)
		return bad_mount(s, "the path is too long", e);
	m->target = path_clean(a, target);
	if (!m->target)
		return err_set(e, ENOMEM, "out of memory");
	if (strcmp(m->target, "/") == 0)
		return bad_mount(s, "the place in the container can't be /", e);
	return 0;
}

/* An absolute source, or one that says by ./ or ../ that it is a path. */
static int set_source(struct mount *m, const char *source, const char *s, struct err *e)
{
	if (source[0] == '/' || strncmp(source, "./", 2) == 0 || strncmp(source, "../", 3) == 0 ||
		strcmp(source, ".") == 0 || strcmp(source, "..") == 0) {
		m->source = source;
		return strlen(source) < 4096 ? 0 : bad_mount(s, "the path is too long", e);
	}
	if (check_name(source, NULL) == 0)
		return bad_mount(
			s, "named volumes are not supported yet (a path starts with / or ./)", e);
	return bad_mount(s, "the place on the host must be a path that starts with / or ./", e);
}

int mount_add(struct mount_list *list, const struct mount *m, const char *s, struct arena *a,
	struct err *e)
{
	struct mount *slot;

	for (uint32_t i = 0; i < list->n; i++)
		if (strcmp(list->v[i].target, m->target) == 0)
			return err_set(e, EINVAL, "two mounts at the same place %.160s", m->target);
	if (list->n >= 64)
		return bad_mount(s, "at most 64 mounts are possible", e);
	slot = list_append(a, list, sizeof(*slot));
	if (!slot)
		return err_set(e, ENOMEM, "out of memory");
	*slot = *m;
	return 0;
}

static bool is_one_of(const char *word, const char *const *known, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(word, known[i]) == 0)
			return true;
	return false;
}

static int check_propagation(const char *word, const char *s, struct err *e)
{
	static const char *const known[] = {"private", "rprivate", "slave", "rslave"};

	if (strcmp(word, "shared") == 0 || strcmp(word, "rshared") == 0)
		return bad_mount(s, "a container's mounts never reach the host: not shared", e);
	if (!is_one_of(word, known, ARRAY_LEN(known)))
		return bad_mount(s, "the propagation is rprivate or rslave", e);
	return 0;
}

/* z and Z are for SELinux labels; without SELinux there is nothing to do, as in docker. */
static int check_bind_word(const char *word, const char *s, struct err *e)
{
	static const char *const known[] = {"nosuid", "nodev", "noexec", "bind", "rbind", "z", "Z"};

	if (is_one_of(word, known, ARRAY_LEN(known)) || check_propagation(word, s, NULL) == 0)
		return 0;
	if (strstr(word, "shared"))
		return check_propagation(word, s, e);
	return bad_mount(
		s, "unknown option (there are ro, rw, rprivate, rslave, noexec and kin)", e);
}

/* What is neither ro nor rw goes on as it is. */
static int volume_options(
	struct mount *m, char *words, const char *s, struct arena *a, struct err *e)
{
	char *save = NULL, *out = arena_alloc(a, strlen(words) + 1), *p = out;

	if (!out)
		return err_set(e, ENOMEM, "out of memory");
	for (char *w = strtok_r(words, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
		if (strcmp(w, "ro") == 0 || strcmp(w, "rw") == 0) {
			m->readonly = w[1] == 'o';
			continue;
		}
		if (check_bind_word(w, s, e) < 0)
			return -EINVAL;
		p = stpcpy(stpcpy(p, p > out ? "," : ""), w);
	}
	m->options = *out ? out : NULL;
	return 0;
}

int parse_volume(const char *s, struct arena *a, struct mount_list *list, struct err *e)
{
	char *copy = arena_strdup(a, s), *target, *options;
	struct mount m = {.kind = "bind"};
	int r;

	if (!copy)
		return err_set(e, ENOMEM, "out of memory");
	target = strchr(copy, ':');
	if (!target)
		return bad_mount(s,
			"volumes without a name are not supported yet: /host/path:/container/path",
			e);
	*target++ = '\0';
	options = strchr(target, ':');
	if (options)
		*options++ = '\0';
	r = set_source(&m, copy, s, e);
	if (r == 0)
		r = mount_set_target(&m, target, s, a, e);
	if (r == 0 && options)
		r = volume_options(&m, options, s, a, e);
	return r < 0 ? r : mount_add(list, &m, s, a, e);
}

/* Options of a tmpfs that change nothing but itself. */
static int check_tmpfs_option(const char *w, const char *s, struct err *e)
{
	static const char *const flags[] = {
		"ro", "rw", "exec", "noexec", "suid", "nosuid", "dev", "nodev", "noatime"};
	static const char *const numbers[] = {"uid=", "gid=", "nr_inodes="};
	uint64_t v;
	uint32_t mode;

	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (strcmp(w, flags[i]) == 0)
			return 0;
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (strncmp(w, numbers[i], strlen(numbers[i])) == 0 &&
			num_parse_u64(strchr(w, '=') + 1, 0, UINT32_MAX, &v) == 0)
			return 0;
	if (strncmp(w, "size=", 5) == 0 && num_parse_size(w + 5, &v) == 0)
		return 0;
	if (strncmp(w, "mode=", 5) == 0 && parse_octal(w + 5, 07777, &mode) == 0)
		return 0;
	return bad_mount(s,
		"unknown option or bad value (there are size=, mode=, uid=, gid=, ro, exec, …)", e);
}

static int check_tmpfs_options(const char *options, const char *s, struct err *e)
{
	char copy[256], *save = NULL;

	if (strlen(options) >= sizeof(copy))
		return bad_mount(s, "the options are too long", e);
	strcpy(copy, options);
	for (char *w = strtok_r(copy, ",", &save); w; w = strtok_r(NULL, ",", &save))
		if (check_tmpfs_option(w, s, e) < 0)
			return -EINVAL;
	return 0;
}

static bool has_word(const char *words, const char *word)
{
	size_t n = strlen(word);

	for (; words; words = strchr(words, ',')) {
		words += *words == ',';
		if (strncmp(words, word, n) == 0 && (words[n] == ',' || !words[n]))
			return true;
	}
	return false;
}

int parse_tmpfs(const char *s, struct arena *a, struct mount_list *list, struct err *e)
{
	char *copy = arena_strdup(a, s), *options;
	struct mount m = {.kind = "tmpfs"};

	if (!copy)
		return err_set(e, ENOMEM, "out of memory");
	options = strchr(copy, ':');
	if (options)
		*options++ = '\0';
	if (mount_set_target(&m, copy, s, a, e) < 0)
		return -EINVAL;
	if (options && *options) {
		if (check_tmpfs_options(options, s, e) < 0)
			return -EINVAL;
		m.options = options;
		m.readonly = has_word(options, "ro");
	}
	return mount_add(list, &m, s, a, e);
}

struct mount_words { /* of one --mount */
	const char *type, *source, *target, *propagation, *size, *mode;
	bool readonly;
};

static int mount_word(struct mount_words *w, char *word, const char *s, struct err *e)
{
	char *value = strchr(word, '=');
	const struct {
		const char *key;
		const char **field;
	} keys[] = {{"type", &w->type}, {"source", &w->source}, {"src", &w->source},
		{"target", &w->target}, {"destination", &w->target}, {"dst", &w->target},
		{"bind-propagation", &w->propagation}, {"tmpfs-size", &w->size},
		{"tmpfs-mode", &w->mode}};

	if (value)
		*value++ = '\0';
	if (strcmp(word, "readonly") == 0 || strcmp(word, "ro") == 0) {
		if (value && flags_parse_bool(value, &w->readonly) < 0)
			return bad_mount(s, "readonly is true or false", e);
		if (!value)
			w->readonly = true;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		if (strcmp(word, keys[i].key) != 0)
			continue;
		if (!value || !*value)
			return bad_mount(s, "a key has no value", e);
		*keys[i].field = value;
		return 0;
	}
	return bad_mount(s,
		"unknown key (there are type, source, target, readonly, bind-propagation, tmpfs-size, tmpfs-mode)",
		e);
}

/* Fields of a CSV line: a field may stand in quotes, and then hold commas. Returns the next one,
 * cut out. */
static char *csv_next(char **rest)
{
	char *field = *rest, *out, *in;

	if (!field)
		return NULL;
	if (*field != '"') {
		*rest = strchr(field, ',');
		if (*rest)
			*(*rest)++ = '\0';
		return field;
	}
	for (in = out = ++field; *in && !(*in == '"' && in[1] != '"'); in++) {
		if (*in == '"')
			in++;
		*out++ = *in;
	}
	*rest = *in && in[1] == ',' ? in + 2 : NULL;
	*out = '\0';
	return field;
}

static int mount_tmpfs_words(
	const struct mount_words *w, const char *s, struct arena *a, struct mount *m, struct err *e)
{
	char *options = arena_alloc(a, 128);

	if (!options)
		return err_set(e, ENOMEM, "out of memory");
	if (w->source || w->propagation)
		return bad_mount(s, "a tmpfs has no source and no propagation", e);
	snprintf(options, 128, "%s%.40s%s%s%.40s", w->size ? "size=" : "", w->size ? w->size : "",
		w->size && w->mode ? "," : "", w->mode ? "mode=" : "", w->mode ? w->mode : "");
	m->options = *options ? options : NULL;
	return check_tmpfs_options(options, s, e);
}

static int mount_bind_words(
	const struct mount_words *w, const char *s, struct mount *m, struct err *e)
{
	if (!w->source)
		return bad_mount(s, "a bind mount needs source=", e);
	if (w->size || w->mode)
		return bad_mount(s, "tmpfs-size and tmpfs-mode are for type=tmpfs", e);
	if (set_source(m, w->source, s, e) < 0)
		return -EINVAL;
	m->options = w->propagation;
	return w->propagation ? check_propagation(w->propagation, s, e) : 0;
}

int parse_mount(const char *s, struct arena *a, struct mount_list *list, struct err *e)
{
	char *rest = arena_strdup(a, s), *word;
	struct mount_words w = {0};
	struct mount m = {0};
	int r = 0;

	if (!rest)
		return err_set(e, ENOMEM, "out of memory");
	while (r == 0 && (word = csv_next(&rest)))
		r = mount_word(&w, word, s, e);
	if (r < 0)
		return r;
	m.kind = w.type ? w.type : "volume";
	m.readonly = w.readonly;
	if (strcmp(m.kind, "volume") == 0)
		return bad_mount(
			s, "type=volume is not supported yet (there are bind and tmpfs)", e);
	if (strcmp(m.kind, "bind") != 0 && strcmp(m.kind, "tmpfs") != 0)
		return bad_mount(s, "the type is bind or tmpfs", e);
	if (!w.target)
		return bad_mount(s, "target= is missing", e);
	r = mount_set_target(&m, w.target, s, a, e);
	if (r == 0)
		r = m.kind[0] == 't' ? mount_tmpfs_words(&w, s, a, &m, e)
				     : mount_bind_words(&w, s, &m, e);
	return r < 0 ? r : mount_add(list, &m, s, a, e);
}
