/* SPDX-License-Identifier: MIT */
/*
 * Slices: directories between the engine's own cgroup and those of containers, which hold several
 * of them under limits that somebody else sets there. Named as systemd has them: "NAME.slice".
 */
#pragma once

#include "tree.h"

/* The name behind the slices of an id; NULL when what lies before it are no slices. */
const char *slice_behind(const char *id);

/* Makes the slices of an id in a hierarchy, with its controllers handed on. Those that are there
 * already, somebody's with limits, are used as they are. */
int slice_make(const struct branch *b, const char *id, struct err *e);

/* Removes those of them that slice_make has made and that are empty by now. */
void slice_drop(const struct branch *b, const char *id);

/* Whether the n bytes are the name of a slice; whether they could be a container's, or a slice's
 * without its suffix. */
bool slice_is(const char *name, size_t n);
bool slice_is_word(const char *word, size_t n);
