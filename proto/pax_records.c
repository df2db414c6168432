/* SPDX-License-Identifier: MIT */
/*
 * Numbers and records of pax, pax(1p) "pax Extended Header"; see pax_records.h. Bytes that nobody
 * vouches for.
 */
#include <stdlib.h>
#include <string.h>

#include "pax_records.h"

#define NSEC_DIGITS 9

/* ---- numbers ---- */

/* Digits of a base up to the end; false for anything else, and beyond max. */
static bool number(const char *p, size_t n, unsigned int base, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;

	if (n == 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		unsigned int digit = (unsigned int)(unsigned char)p[i] - '0';

		if (digit >= base || digit > max || v > (max - digit) / base)
			return false;
		v = v * base + digit;
	}
	*ret = v;
	return true;
}

bool pax_octal(const char *field, size_t width, uint64_t *ret)
{
	size_t n = 0;

	while (width > 0 && *field == ' ') {
		field++;
		width--;
	}
	while (n < width && field[n] != ' ' && field[n] != '\0')
		n++;
	*ret = 0;
	return n == 0 || number(field, n, 8, INT64_MAX, ret);
}

bool pax_decimal(const char *p, size_t n, uint64_t max, uint64_t *ret)
{
	return number(p, n, 10, max, ret);
}

/* [-]seconds[.fraction] */
static bool time_of(const char *p, size_t n, struct timespec *ret)
{
	bool negative = n > 0 && *p == '-';
	const char *dot;
	uint64_t sec;
	long nsec = 0;
	size_t whole;

	p += negative;
	n -= negative;
	dot = memchr(p, '.', n);
	whole = dot ? (size_t)(dot - p) : n;
	if (!pax_decimal(p, whole, INT64_MAX - 1, &sec))
		return false;
	for (size_t i = 1; i <= NSEC_DIGITS; i++) {
		char c = whole + i < n ? p[whole + i] : '0';

		if (c < '0' || c > '9')
			return false;
		nsec = 10 * nsec + (c - '0');
	}
	*ret = (struct timespec){(time_t)sec, nsec};
	if (negative)
		*ret = nsec ? (struct timespec){-(time_t)sec - 1, 1000000000L - nsec}
			    : (struct timespec){-(time_t)sec, 0};
	return true;
}

/* ---- records ---- */

static bool set_text(char to[PAX_PATH_MAX], const char *value, size_t n)
{
	if (n == 0 || n >= PAX_PATH_MAX || memchr(value, '\0', n))
		return false;
	memcpy(to, value, n);
	to[n] = '\0';
	return true;
}

static bool on_path(struct pax_reader *r, const char *value, size_t n)
{
	return set_text(r->name, value, n);
}

static bool on_linkpath(struct pax_reader *r, const char *value, size_t n)
{
	return set_text(r->link, value, n);
}

static bool on_size(struct pax_reader *r, const char *value, size_t n)
{
	return pax_decimal(value, n, INT64_MAX, &r->left);
}

static bool on_realsize(struct pax_reader *r, const char *value, size_t n)
{
	return pax_decimal(value, n, INT64_MAX, &r->entry.size);
}

static bool on_owner(const char *value, size_t n, uint32_t *ret)
{
	uint64_t v;
	bool ok = pax_decimal(value, n, UINT32_MAX - 1, &v); /* -1 means "unchanged" to chown(2) */

	*ret = ok ? (uint32_t)v : 0;
	return ok;
}

static bool on_uid(struct pax_reader *r, const char *value, size_t n)
{
	return on_owner(value, n, &r->entry.uid);
}

static bool on_gid(struct pax_reader *r, const char *value, size_t n)
{
	return on_owner(value, n, &r->entry.gid);
}

static bool on_mtime(struct pax_reader *r, const char *value, size_t n)
{
	return time_of(value, n, &r->entry.mtime);
}

static bool on_sparse(struct pax_reader *r, const char *value, size_t n)
{
	r->sparse = true;
	return n == 1 && *value == '1';
}

static const struct {
	const char *key;
	bool (*fn)(struct pax_reader *r, const char *value, size_t n);
} keys[] = {{"path", on_path}, {"linkpath", on_linkpath}, {"size", on_size}, {"uid", on_uid},
	{"gid", on_gid}, {"mtime", on_mtime}, {"GNU.sparse.major", on_sparse},
	{"GNU.sparse.name", on_path}, {"GNU.sparse.realsize", on_realsize}};

/* The name stays where it is, its '=' becomes the NUL behind it. */
static bool add_xattr(struct pax_reader *r, const char *name, const char *value, size_t n)
{
	struct pax_xattr *x = &r->entry.xattrs[r->entry.n_xattrs];

	if (r->entry.n_xattrs == PAX_XATTRS_MAX || !*name)
		return false;
	*x = (struct pax_xattr){name, value, n};
	r->entry.n_xattrs++;
	return true;
}

/* Unknown ones are passed over, pax(1p). */
static bool apply_record(struct pax_reader *r, char *key, size_t n)
{
	static const char xattr[] = "SCHILY.xattr.";
	char *equals = memchr(key, '=', n);
	size_t n_value;

	if (!equals || memchr(key, '\0', (size_t)(equals - key)))
		return false;
	*equals = '\0';
	n_value = n - (size_t)(equals + 1 - key);
	for (unsigned int i = 0; i < ARRAY_LEN(keys); i++)
		if (strcmp(keys[i].key, key) == 0)
			return keys[i].fn(r, equals + 1, n_value);
	if (strncmp(key, xattr, strlen(xattr)) == 0)
		return add_xattr(r, key + strlen(xattr), equals + 1, n_value);
	return true;
}

bool pax_apply_records(struct pax_reader *r)
{
	char *p = r->records, *end = p + r->n_records;

	while (p < end) {
		char *space = memchr(p, ' ', (size_t)(end - p));
		uint64_t n;

		if (!space || !pax_decimal(p, (size_t)(space - p), (uint64_t)(end - p), &n) ||
			n < (uint64_t)(space - p) + 3 || p[n - 1] != '\n')
			return false;
		if (!apply_record(r, space + 1, (size_t)(p + n - 1 - (space + 1))))
			return false;
		p += n;
	}
	return true;
}
