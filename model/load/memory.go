package load

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/mlxlens/mlxlens/mlx"
)

// ErrMemory is what Fits wraps when there is too little.
var ErrMemory = errors.New("too little memory")

// small is how many bytes of a buffer are not worth giving back.
const small = 16 << 20

// Fits fails when what the model asked for is not all there, and, with an error that wraps
// ErrMemory, when its weights would take more than MLX gives, or would bring the process beyond
// most bytes (0: no bound). Nothing has been read then.
func (l *Loader) Fits(most int64) error {
	l.bound = most
	if err := l.complete(); err != nil {
		return err
	}
	weights := int64(0)
	for _, r := range l.resolved {
		weights += int64(r.Bytes)
	}
	form := "as they are stored"
	if l.dense || l.wide {
		form = "unpacked to what is computed with"
	}
	if room := int64(mlx.MemoryLimit()) - int64(mlx.ActiveMemory()); weights > room {
		return fmt.Errorf("model: %s: %w: the weights take %d MB, %s, and MLX has %d MB of the machine's", l.ck.Path, ErrMemory, (weights+1<<20-1)>>20, form, max(0, room)>>20)
	}
	if most == 0 || weights <= small { // what is little beside the program is no reason to refuse it
		return nil
	}
	mlx.ReturnFreedMemory()
	debug.FreeOSMemory()
	beside := mlx.ProcessMemory()
	if need := beside + weights + small; need > most {
		return fmt.Errorf("model: %s: %w: the weights take %d MB, %s, and the program has %d MB beside; the bound leaves %d MB: allow more",
			l.ck.Path, ErrMemory, (weights+1<<20-1)>>20, form, (beside+small)>>20, most>>20)
	}
	return nil
}

// short reports whether memory is: a rank that holds some layers is there because of that.
func (l *Loader) short() bool { return l.bound > 0 || l.only != nil }

// workers is how many goroutines make arrays; each has buffers of its own.
func (l *Loader) workers() int {
	if l.bound > 0 || l.only != nil && (l.dense || l.wide) {
		return 1
	}
	return runtime.GOMAXPROCS(0)
}

// shrink gives buffers of large weights back, which come first, before the others are made.
func (b *buffers) shrink() {
	if 4*cap(b.floats)+4*cap(b.words) > small {
		*b = buffers{}
		debug.FreeOSMemory()
	}
}
