/* SPDX-License-Identifier: MIT */
/*
 * What ps shows of this process: a container may see the command line of its init.
 */
#pragma once

/* Remembers where the command line lies; call once in main. */
void title_init(int argc, char **argv);

/* Overwrites it. */
void title_set(const char *text);

/* As it was at title_init. */
void title_restore(void);
