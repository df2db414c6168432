/* SPDX-License-Identifier: MIT */
/*
 * What the files of pulls share: pull.c has the pull, pull_start.c its beginning, pull_layer.c one
 * layer of it, pull_partial.c what stays of those that fail, pull_dirs.c its directory image.
 */
#pragma once

#include "digest.h"
#include "pull.h"
#include "reference.h"

struct pull;

enum job_state {
	JOB_WAITING, /* the layer isn't here, and nobody of this pull is at it */
	JOB_RUNNING,
	JOB_DONE, /* was brought by this pull */
	JOB_EXISTS,
};

/* One layer of one pull. */
struct job {
	struct pull *pull;
	const struct layer *layer; /* of pull->image */
	enum job_state state;
	bool fetching, unpacking; /* a request is out */
	bool again;		  /* its bytes were wrong once */
	uint32_t fetch_id;
	struct worker *unpacker;
	char tmp[STORE_TMP_NAME];
	char diff_id[DIGEST_TEXT_MAX]; /* as unpacking found it */
	bool opaque;
	uint64_t implied, image_bytes;
	uint64_t bytes, counted; /* as the fetch worker says; when the stall was last put off */
	uint64_t paced;		 /* how many there were at the last look at its pace */
	uint64_t told_ns;	 /* when who waits was last told of them */
	struct err fetch_failure, unpack_failure; /* code 0: none */
	struct watch *stall;
};

enum pull_state {
	PULL_WANTS_FETCHER,
	PULL_RESOLVING,
	PULL_RESOLVED, /* image and jobs are there */
	PULL_FAILED,   /* ends when no job runs any more */
};

struct waiter {
	struct chan *chan;
	uint32_t id;
};

struct pull {
	struct pull *next;
	struct pulls *all;
	char ref[REFERENCE_TEXT_MAX];
	char *platform, *username, *password; /* NULL: not given */
	struct waiter *waiters;
	uint32_t n_waiters;
	enum pull_state state;
	struct err failure;
	struct watch *pace;  /* looks whether it is slow */
	bool slow;	     /* waits more for its registry than for us */
	struct watch *drain; /* bounds the wait for cancelled jobs */
	struct worker *fetcher;
	uint32_t session;
	bool has_session, resolving; /* resolving: fetch_image is out */
	uint8_t *buf;
	struct arena arena;
	struct image image;
	struct job *jobs;	    /* image.layers.n */
	struct worker *dirs_worker; /* unpack_dirs is out */
	struct watch *dirs_stall;
	char dirs_tmp[STORE_TMP_NAME]; /* the directory image; "": none */
	uint64_t dirs_bytes;
	bool dirs_settled; /* it is made, or not needed */
	bool fetched;
	bool bare; /* nothing of it is kept: the disk is full */
};

struct pulls {
	struct store *store;
	struct workers *workers;
	struct pull *first;
	struct loop *loop;
	struct watch *kick, *sweep;
	void (*want)(void *arg, const char *kind);
	void (*over)(void *arg, const char *kind, uint32_t name);
	void *want_arg;
};

/* Looks at every pull again, at the next turn of the loop. */
void pulls_kick(struct pulls *all);

/* The first failure counts; the rest of the pull is called off. `e` may be the pull's own. */
void pull_fail(struct pull *p, const struct err *e);

void pull_progress(struct pull *p, const struct job *j, uint64_t bytes);
/* How far a running job is, to all who wait for its layer. */
void pulls_progress(const struct job *running, uint64_t bytes);

/* Answers a request with image_pulled. */
void pull_tell(
	struct chan *c, uint32_t id, const struct image *image, const char *ref, bool fetched);
void pull_free(struct pull *p);

/* Is a job of any pull at this layer; does another pull than `but` need it? */
bool pulls_busy_with(const struct pulls *all, const char *digest);
bool pulls_need(const struct pulls *all, const struct pull *but, const char *digest);

/* Starts the layer if there is a worker for it; fails the pull if it can't be started. */
void job_start(struct job *j);
/* It has a fetch worker: how fast it is is looked at from now on. A slow pull holds up no other. */
void pull_watch_pace(struct pull *p);
/* Forgets what is out, for a worker that doesn't answer. */
void job_kill(struct job *j);
bool job_running(const struct job *j);
void job_on_progress(struct pulls *all, uint32_t fetch_id, uint64_t bytes);

/* What is kept of a layer, to be gone on with; -1: nothing can be. */
int pull_partial_open(const struct pull *p, const struct layer *l);
/* There is no space: what is kept is given up for it. True if there is a point in trying again. */
bool pull_partials_yield(struct pull *p);
/* The pull has ended: what was kept of its layers goes, or stays for the next. */
void pull_partials_end(struct pull *p);

/* Once all layers are here: true when the directory image is made or not needed. Fails the pull if
 * it can't be made. */
bool pull_dirs_step(struct pull *p);
/* Takes it into the store, right before the record; removes what is left of it. */
int pull_dirs_keep(struct pull *p, struct err *e);
void pull_dirs_drop(struct pull *p);
