/* SPDX-License-Identifier: MIT */
/*
 * Entering the bounds; see confine.h. Builds under sanitizers go without, as the daemons do.
 */
#include "confine.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "filter.h"
#include "profile.h"

#ifdef BULKHEAD_SANITIZED

int confine_calls(bool debug, struct err *e)
{
	(void)e;
	log_line(debug ? LOG_DEBUG : LOG_WARN,
		"a sanitizer build: neither Landlock nor a system call filter");
	return 0;
}

#else

#include "filter_rows.h" /* made by mkfilter: filter_plain, filter_debug, filter_names */

static int install(const struct sock_filter *v, size_t n, struct err *e)
{
	const struct sock_fprog p = {(unsigned short)n, (struct sock_filter *)(uintptr_t)v};
	int r = violation_catch(profile_running.program, &filter_names, e);

	if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = err_errno(e, errno, "setting no_new_privs");
	if (r == 0)
		r = filter_install(&p, e);
	return r == 0 ? violation_prove(e) : r;
}

int confine_calls(bool debug, struct err *e)
{
	int r = debug ? install(filter_debug, ARRAY_LEN(filter_debug), e)
		      : install(filter_plain, ARRAY_LEN(filter_plain), e);

	if (r < 0)
		return err_prefix(e, "the shim's own filter");
	log_debug("system calls are filtered, proved");
	return 0;
}

#endif

/* With the flags that the filter lets through; nothing is made where something is. */
static int prove(struct err *e)
{
	_cleanup_fd_ int fd = open("/dev/null", LOG_OPEN_FLAGS, 0644);

	return fd >= 0 || errno != EACCES
		       ? err_set(e, EPERM, "Landlock: a file outside of the log's directory opens")
		       : 0;
}

int confine_files(int log_dir, struct err *e)
{
	const struct sandbox_place places[] = {{"log", log_dir}, {0}};
	char missing[SANDBOX_MISSING];
	bool files;
	int r = sandbox_landlock(&profile_running, places, missing, &files, e);

	if (r == 0 && files)
		r = prove(e);
	if (r == 0)
		log_debug(
			"Landlock bounds files%s%s", *missing ? ", but not " : ", proved", missing);
	return r;
}
