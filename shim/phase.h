/* SPDX-License-Identifier: MIT */
/*
 * What the phases of the first process share. Each phase is a function that does one thing to the
 * process or to its mount namespace; the first that fails ends the process, and its sentence is the
 * reply.
 */
#pragma once

#include <stdbool.h>

#include "messages.h"

/* Descriptors of mounts stay valid when the mounts are moved. */
struct child {
	int sock; /* to the shim */
	bool host_net;
	bool no_console;
	int work;   /* a tmpfs of our own on /mnt; it leaves with the old root */
	int proc;   /* roots of our procfs, … */
	int sysctl; /* (its sys/, from before anything was mounted over it) */
	int sys;
	int dev;
	int pts;
	int null; /* the engine's, whatever is mounted on the name later */
	int root; /* the container's root mount; -1 until phase_rootfs */
};

struct order {
	struct shim_start msg;
	struct spec spec;
};

/* What masks are clones of, in `work`. */
#define MASK_FILE "masked"
#define MASK_DIR  "empty"

/* standby.c: before the order. Proc and sys are masked unless `bare`. */
int standby_prepare(struct child *c, struct err *e);
int standby_proc(struct child *c, bool bare, struct err *e);
int standby_sys(struct child *c, bool bare, struct err *e);

/* In the order in which they run. */
int phase_cgroup(struct child *c, struct order *o, struct err *e);
int phase_sysctl(struct child *c, struct order *o, struct err *e);
int phase_rootfs(struct child *c, struct order *o, struct err *e);
int phase_system(struct child *c, struct order *o, struct err *e);
int phase_cgroupfs(struct child *c, struct order *o, struct err *e);
int phase_mounts(struct child *c, struct order *o, struct err *e);
int phase_etc(struct child *c, struct order *o, struct err *e);
int phase_workdir(struct child *c, struct order *o, struct err *e);
int phase_readonly(struct child *c, struct order *o, struct err *e);
int phase_lock(struct child *c, struct order *o, struct err *e);
int phase_pivot(struct child *c, struct order *o, struct err *e);
int phase_names(struct child *c, struct order *o, struct err *e);
int phase_process(struct child *c, struct order *o, struct err *e);
