package mlx

import (
	"fmt"
	"os"
)

// ProcessMemory returns the bytes of RAM that the process takes now, 0 when the system does not
// say: on Linux what is resident, on a Mac the physical footprint, which is what it is held to.
func ProcessMemory() int64 {
	f, err := os.Open("/proc/self/statm")
	if err != nil {
		return 0
	}
	defer f.Close()
	var size, resident int64
	if _, err := fmt.Fscan(f, &size, &resident); err != nil {
		return 0
	}
	return resident * int64(os.Getpagesize())
}
