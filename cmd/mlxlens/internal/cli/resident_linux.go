package cli

import (
	"fmt"
	"os"
)

// residentBytes returns the memory that the process has in RAM, 0 when it is not known.
func residentBytes() int64 {
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
