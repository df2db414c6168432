/* SPDX-License-Identifier: MIT */
/*
 * Reads a registry's certificates directory; see certs.h. The files are the operator's and trusted;
 * only their size is bounded.
 */
#include "certs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

static void dir_closep(DIR **d)
{
	if (*d)
		closedir(*d);
}

static bool has_suffix(const char *name, const char *suffix)
{
	size_t n = strlen(name), m = strlen(suffix);

	return n > m && strcmp(name + n - m, suffix) == 0;
}

/* Appends the file to *pem, a line break between. */
static int append(int dirfd, const char *name, char **pem, struct err *e)
{
	size_t have = *pem ? strlen(*pem) : 0, n;
	_cleanup_free_ char *text = NULL;
	char *more;
	int r = fd_read_file_at(dirfd, name, CERTS_BYTES_MAX - have, &text, &n);

	if (r < 0)
		return err_errno(e, r, "certificate file %s", name);
	more = realloc(*pem, have + n + 2);
	if (!more)
		return err_set(e, ENOMEM, "out of memory");
	*pem = more;
	memcpy(more + have, text, n);
	strcpy(more + have + n, "\n");
	explicit_bzero(text, n);
	return 0;
}

/* NAME.cert brings NAME.key; the first pair counts. */
static int append_pair(int dirfd, const char *cert, struct http_tls *ret, struct err *e)
{
	char key[NAME_MAX + 1];
	int r;

	if (ret->cert)
		return 0;
	snprintf(key, sizeof(key), "%.*s.key", (int)(strlen(cert) - strlen(".cert")), cert);
	r = append(dirfd, cert, &ret->cert, e);
	return r < 0 ? r : append(dirfd, key, &ret->key, e);
}

static int load_all(DIR *dir, struct http_tls *ret, struct err *e)
{
	const struct dirent *d;
	int r = 0;

	while (r == 0 && (d = readdir(dir))) {
		if (has_suffix(d->d_name, ".crt"))
			r = append(dirfd(dir), d->d_name, &ret->ca, e);
		else if (has_suffix(d->d_name, ".cert"))
			r = append_pair(dirfd(dir), d->d_name, ret, e);
	}
	return r;
}

int certs_load(const char *certs_dir, const char *domain, struct http_tls *ret, struct err *e)
{
	_cleanup_(dir_closep) DIR *dir = NULL;
	_cleanup_free_ char *path = NULL;
	int r;

	*ret = (struct http_tls){0};
	if (asprintf(&path, "%s/%s", certs_dir, domain) < 0)
		return err_set(e, ENOMEM, "out of memory");
	dir = opendir(path);
	if (!dir && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (!dir)
		return err_errno(e, errno, "certificates directory %s", path);
	r = load_all(dir, ret, e);
	if (r < 0)
		http_tls_clear(ret);
	return r;
}
