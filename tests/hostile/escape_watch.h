/* SPDX-License-Identifier: MIT */
#pragma once

/* For so many seconds, or until there is /tmp/escape-stop: takes hold of every process that appears
 * in /proc, by every file of it and by ptrace, and prints a line for each that was not a program of
 * the container. 1 when there was one. */
int watch(int seconds);
