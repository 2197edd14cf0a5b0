#!/bin/bash
# Prints all that we want to know of a Mac that mlxlens runs on for the first time, and keeps it in
# bin/mac-report.txt: the machine, the library, doctor and its self-check, the recorded cases, speed
# beside mlx-lm, memory and leaks. A part that fails does not end the others; the last lines say which
# did, and the exit code too. On Linux the parts that only a Mac can tell are named and left out.
#
#   report.sh [--dry] [PART…]    --dry prints the commands only; without PARTs all
#
# It keeps to bash 3.2 and the tools of BSD, which is what macOS has.
set -u
cd "$(dirname "$0")/../.." || exit 1

parts="machine build library doctor golden speed memory leaks"
dry=
chosen=
for arg; do
	case " $parts " in
	*" $arg "*) chosen="$chosen $arg" ;;
	*)
		if [ "$arg" != --dry ]; then
			echo "report.sh: there is no part $arg (have: $parts)" >&2
			exit 2
		fi
		dry=1
		;;
	esac
done
[ -n "$chosen" ] || chosen=$parts

system=$(uname -s)
prompt="The capital of France is"
failed=
left=
part=
mkdir -p bin

# shown WORD… prints the words as a shell takes them.
shown() {
	local word
	for word; do
		case $word in
		*\'*) printf ' %q' "$word" ;;
		'' | *[!A-Za-z0-9_./:=,@%+-]*) printf " '%s'" "$word" ;;
		*) printf ' %s' "$word" ;;
		esac
	done
}

# try COMMAND… runs a command and tells when it failed.
try() {
	local status
	echo
	echo "\$$(shown "$@")"
	[ -z "$dry" ] || return 0
	"$@" 2>&1
	status=$?
	if [ "$status" != 0 ]; then
		echo "(ended with $status)"
		case " $failed " in
		*" $part "*) ;;
		*) failed="$failed $part" ;;
		esac
	fi
}

# mac COMMAND… is try for what only a Mac has.
mac() {
	if [ "$system" = Darwin ]; then
		try "$@"
	else
		echo
		echo "only on a Mac:$(shown "$@")"
	fi
}

# serving COMMAND… runs a command, with the process' id behind it, on a program that has the model open and has traced
# with it: a server, for what generates ends when the model does.
serving() {
	local server address='' status waited=0
	bin/mlxlens serve --listen 127.0.0.1:0 >bin/serving.txt 2>&1 &
	server=$!
	while [ -z "$address" ] && [ $waited -lt 60 ] && kill -0 $server 2>/dev/null; do
		sleep 1
		waited=$((waited + 1))
		address=$(sed -n 's|.*\(http://127[^ /]*\).*|\1|p' bin/serving.txt | head -1)
	done
	if [ -z "$address" ]; then
		echo "the server did not begin:"
		cat bin/serving.txt
		status=1
	else
		curl -fsS -o /dev/null -H 'Content-Type: application/json' -d "{\"prompt\": \"$prompt\"}" "$address/api/v1/trace" && "$@" $server
		status=$?
	fi
	kill $server 2>/dev/null
	wait $server
	return $status
}

status_of() { grep -E 'Vm(HWM|RSS)|Rss' "/proc/$1/status"; }

library() {
	if [ "$system" = Darwin ]; then
		for folder in third_party/mlx-c/lib "${HOMEBREW_PREFIX:-/opt/homebrew}/opt/mlx-c/lib"; do
			if [ -e "$folder/libmlxc.dylib" ]; then
				echo "$folder/libmlxc.dylib"
				return
			fi
		done
	fi
	echo third_party/mlx-c/lib/libmlxc.so
}

part_machine() {
	try uname -a
	mac sw_vers
	mac sysctl -n machdep.cpu.brand_string hw.memsize hw.physicalcpu
	mac sh -c 'sysctl hw.perflevel0.physicalcpu hw.perflevel1.physicalcpu iogpu.wired_limit_mb || true' # which virtual machines lack
	mac xcode-select -p
	mac /usr/bin/c++ --version
	mac sh -c 'brew list --versions mlx mlx-c || echo "not of Homebrew"'
	try sh -c 'command -v python3 && python3 --version'
	try go version
	try tools/release/version.sh
}

part_build() {
	try make mlx-c model build
	try bin/mlxlens version
}

part_library() {
	local lib
	lib=$(library)
	mac otool -L "$lib"
	mac sh -c 'otool -l "$0" | grep -A2 LC_RPATH' "$lib"
	mac sh -c 'otool -l "$0" | grep -A4 LC_BUILD_VERSION' "$lib"
	mac codesign --verify --verbose=2 "$lib"
	mac codesign --verify --verbose=2 bin/mlxlens
	mac xattr -l bin/mlxlens "$lib"
	# which libraries the process really opens, and in which order
	mac env DYLD_PRINT_LIBRARIES=1 bin/mlxlens doctor
}

part_doctor() {
	try bin/mlxlens doctor --verbose
	try bin/mlxlens doctor --json
	try go test -count 1 -run 'Self[Cc]heck' -v ./mlx
}

part_golden() {
	try bin/mlxlens trace "$prompt" --check
	mac bin/mlxlens trace "$prompt" --check --device cpu
	try go test -count 1 -short ./mlx/... ./lens ./generate ./edit ./states ./model/auto
	try go test -count 1 -run Recorded ./mlx
	try go test -count 1 -v -run 'TinyModelsGive|SmolLM2Gives|EveryArchitectureGives' ./lens ./model/auto
}

part_speed() {
	"${MLXLENS_PYTHON:-python3}" -c 'import mlx_lm' 2>/dev/null ||
		left="mlx-lm is not there, and nothing was timed beside it: python3 -m pip install -r tools/golden/requirements.txt, or MLXLENS_PYTHON"
	try go test -run '^$' -bench . -benchtime 5x ./lens ./generate
	try tools/golden/peers.sh
	try tools/bench/beside.sh
}

part_memory() {
	# of a Mac -l has "peak memory footprint", what the process is held to (phys_footprint)
	mac /usr/bin/time -l bin/mlxlens trace "$prompt" --quiet --last
	mac serving footprint
	mac serving vmmap -summary
	if [ "$system" != Darwin ]; then
		try serving status_of
	fi
	try go test -count 1 -run Footprint -v ./mlx/internal/capi
}

part_leaks() {
	mac leaks --quiet --atExit -- bin/mlxlens trace "$prompt" --quiet --last
	try go test -count 1 -run 'TenThousandGraphs|LargeHeap|Collector' ./mlx
}

report() {
	for part in $chosen; do
		echo
		echo "## $part"
		case $part in
		machine) part_machine ;;
		build) part_build ;;
		library) part_library ;;
		doctor) part_doctor ;;
		golden) part_golden ;;
		speed) part_speed ;;
		memory) part_memory ;;
		leaks) part_leaks ;;
		esac
	done
	echo
	[ -z "$left" ] || echo "left out: $left"
	if [ -n "$failed" ]; then
		echo "failed:$failed"
		return 1
	fi
	echo "all parts ended well: ${chosen# }"
}

# the exit code is the report's, and not that of tee: bash has it in PIPESTATUS
report | tee bin/mac-report.txt
exit "${PIPESTATUS[0]}"
