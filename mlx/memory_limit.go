package mlx

import (
	"math"
	"os"
	"path"
	"strconv"
	"strings"
)

// roomOf is how many bytes the system will give the process at most, math.MaxInt64 where it does
// not say: the machine's memory, and what a limit on the address space or a cgroup leaves of it.
// MLX asks the machine only, and crashes where it gets nothing.
func roomOf() int64 {
	return min(physical(), addressSpace(), cgroups("/proc/self/cgroup", "/sys/fs/cgroup"))
}

// physical is the machine's memory with its swap, as Linux tells it.
func physical() int64 {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return math.MaxInt64
	}
	if total := kilobytes(text, "MemTotal:"); total > 0 {
		return total + kilobytes(text, "SwapTotal:")
	}
	return math.MaxInt64
}

// kilobytes reads a line of /proc: "MemTotal:  16316412 kB".
func kilobytes(text []byte, name string) int64 {
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return n << 10
		}
	}
	return 0
}

// addressSpace is what the limit on it leaves: an eighth of that is for stacks and Go's heap.
func addressSpace() int64 {
	most, ok := rlimit(limitAddressSpace)
	if !ok || most > math.MaxInt64/2 {
		return math.MaxInt64
	}
	left := int64(most)
	if text, err := os.ReadFile("/proc/self/status"); err == nil {
		left -= kilobytes(text, "VmSize:")
	}
	return max(left-left/8, 0)
}

// cgroups is the least limit of the groups that the process is in, and of those around them. A
// line of the list is "0::/user.slice" of version 2, which is mounted at root, and
// "9:memory:/docker/1234" of version 1, at root/memory.
func cgroups(list, root string) int64 {
	least := int64(math.MaxInt64)
	text, err := os.ReadFile(list)
	if err != nil {
		return least
	}
	for line := range strings.Lines(string(text)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) < 3 {
			continue
		}
		mount, file := root, "memory.max"
		if parts[1] != "" {
			mount, file = path.Join(root, "memory"), "memory.limit_in_bytes"
			if !strings.Contains(","+parts[1]+",", ",memory,") {
				continue
			}
		}
		for dir := path.Clean("/" + parts[2]); ; dir = path.Dir(dir) {
			// "max" is no number, and none
			if number, err := os.ReadFile(path.Join(mount, dir, file)); err == nil {
				if n, err := strconv.ParseInt(strings.TrimSpace(string(number)), 10, 64); err == nil {
					least = min(least, n)
				}
			}
			if dir == "/" {
				break
			}
		}
	}
	return least
}

// allow sets the limit of this package, which is at most what the system gives.
func allow(bytes int) { loaded.memoryLimit.Store(min(int64(bytes), loaded.room)) }
