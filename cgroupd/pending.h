/* SPDX-License-Identifier: MIT */
/*
 * Requests that wait for the kernel: tried at once, and again and again until they succeed or their
 * time is over.
 */
#pragma once

#include "cgroupd.h"
#include "group.h"

struct pending;

struct pending_kind {
	unsigned int deadline_ms;
	/* 0, -EBUSY to be asked again, or another failure with a sentence. */
	int (*attempt)(struct pending *p, struct err *e);
	/* Its time is over: writes the sentence, and undoes what was begun. */
	void (*give_up)(struct pending *p, struct err *e);
	void (*answer)(struct pending *p);
};

struct pending {
	struct pending *next;
	struct cgroupd *d;
	const struct pending_kind *kind;
	uint32_t request;
	char container[GROUP_ID_MAX + 1];
	uint64_t deadline, step_ms;
	struct watch *timer;
	struct cgroup_state last; /* of a removal */
	bool frozen;		  /* of a freeze: or thawed */
};

/* Answers the request, now or later; an id that can't be one is refused. */
void pending_begin(struct cgroupd *d, const struct pending_kind *kind, uint32_t request,
	const char *container, bool frozen);
/* What waits of this kind for this container fails: something else is wanted now. */
void pending_replace(struct cgroupd *d, const struct pending_kind *kind, const char *container);
/* Forgets what waits. */
void pending_free_all(struct cgroupd *d);
