// Package emulated tells tests that another processor than the machine's is emulated, by qemu-user under
// tools/arm64/test.sh. Arithmetic is then 2,000 times slower, the signal of a page that is gone has no address
// where Go looks for it, and limits on memory limit the emulator too.
package emulated

import "os"

// Env is the variable that says so, of any value but none.
const Env = "MLXLENS_EMULATED"

// Processor reports whether the processor is emulated.
func Processor() bool { return os.Getenv(Env) != "" }

// Fewer is what a test takes of cases that it computes one after the other: all of them, and where the processor is emulated
// the first of every n.
func Fewer[T any](cases []T, n int) []T {
	if !Processor() {
		return cases
	}
	var some []T
	for i := 0; i < len(cases); i += n {
		some = append(some, cases[i])
	}
	return some
}
