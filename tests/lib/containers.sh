# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# For bats files about containers that need nothing special: an engine of the file's own, with IMAGES in its registry,
# which after every test is as it was before the first. A file that wants more defines a function of these anew.

. "$(dirname "${BASH_SOURCE[0]}")/engine.sh"

setup_file()
{
	# shellcheck disable=SC2086 # several
	engine_start && engine_images ${IMAGES:-busybox} && engine_picture
}

teardown_file()
{
	engine_stop
}

setup()
{
	bb=$REGISTRY/busybox
}

teardown()
{
	engine_unchanged
}
