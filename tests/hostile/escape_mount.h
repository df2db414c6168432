/* SPDX-License-Identifier: MIT */
#pragma once

/* For each path, which is a mount, a NULL behind the last: tries to clear every flag that it has
 * and to take it away. Prints what succeeded; 1 when something did. */
int unlock(char **paths);
