/* SPDX-License-Identifier: MIT */
/*
 * Chooses which of the three programs in this binary to be. Trusts its command line, which the
 * launcher writes.
 */
#include "imaged.h"

#include <string.h>

int main(int argc, char **argv)
{
	static const struct {
		const char *option;
		int (*main)(int argc, char **argv);
	} roles[] = {{"--fetch", fetch_main}, {"--unpack", unpack_main}};

	for (unsigned int i = 0; i < ARRAY_LEN(roles) && argc > 1; i++) {
		if (strcmp(argv[1], roles[i].option) != 0)
			continue;
		argv[1] = argv[0];
		return roles[i].main(argc - 1, argv + 1);
	}
	return mounter_main(argc, argv);
}
