// Package gate lets one goroutine at a time through everything in MLX that
// evaluates, reads, transforms or frees.
//
// MLX keeps streams, command encoders and compiled functions per thread, and two
// graphs evaluated at once crash it, while goroutines move between threads. So
// there is one mutex, and one stream per device of the kind that any thread may
// use, one at a time. Building operations needs no gate.
package gate

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

var (
	mu turn

	// owner is the goroutine that runs Go code of the user's inside the gate (a
	// callback, or the body of Hold), 0 for none. Only such code can enter twice.
	owner atomic.Uint64

	// until is the context of Hold, for the evaluations in its body.
	until context.Context

	// idle is whether that goroutine is in the body of Hold itself, with no call of MLX's on its
	// stack: then what is queued may be freed.
	idle bool

	// devices, used and the first two streams, one of each device, are made by Start;
	// further streams are added under mu, and read without it once numStreams counts them.
	devices    [2]capi.Device
	streams    [MaxStreams]capi.Stream
	kinds      [MaxStreams]capi.DeviceType
	numStreams atomic.Int64

	freeing struct {
		sync.Mutex
		queue []capi.Array
		spare []capi.Array
		later []func()
	}
	queued atomic.Int64
)

// MaxStreams bounds the streams of a process: MLX never ends one.
const MaxStreams = 256

// Run calls f inside the gate, on a locked OS thread whose default streams are the gate's: a
// thread without would make a stream of its own, and leave it behind. Queued frees are done on
// the way in and out. Inside a callback or the body of Hold, Run calls f at once.
//
// f is not called, and there is an error, when the goroutine inside seems to wait for this one
// (a Stuck), or when it is the body of Hold and its context has ended.
func Run(f func()) error {
	if !mu.try() {
		if inside() {
			if until != nil && until.Err() != nil {
				return context.Cause(until)
			}
			if idle {
				drain() // or a long Hold would free nothing
			}
			f()
			return nil
		}
		if err := mu.lock(context.Background(), stuck); err != nil {
			return err
		}
	}
	enter()
	defer leave()
	f()
	return nil
}

// TryRun is Run that does nothing, and returns false, when it would have to wait or Run would fail.
func TryRun(f func()) bool {
	if !mu.try() {
		if !inside() || until != nil && until.Err() != nil {
			return false
		}
		f()
		return true
	}
	enter()
	defer leave()
	f()
	return true
}

// Hold is Run for code that itself calls functions that enter the gate. It waits for its turn,
// and lets f evaluate, until the end of ctx. What it waits for then goes on by itself.
func Hold(ctx context.Context, f func()) error {
	if inside() {
		outer := until
		defer func() { until = outer }()
		var end func()
		until, end = sooner(ctx, outer)
		defer end()
		f()
		return nil
	}
	if err := mu.lock(ctx, stuck); err != nil {
		return err
	}
	enter()
	defer leaveHold()
	until = ctx
	defer func() { until = nil }()
	Callback(func() {
		idle = true
		f()
	})
	return nil
}

// sooner returns a context that ends when either does; outer may be nil. end lets it go.
func sooner(inner, outer context.Context) (ctx context.Context, end func()) {
	if outer == nil {
		return inner, func() {}
	}
	ctx, cancel := context.WithCancelCause(inner)
	stop := context.AfterFunc(outer, func() { cancel(context.Cause(outer)) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// Hurried reports whether others wait for the gate, or the one inside has a context that may end. The
// caller is inside.
func Hurried() bool {
	return mu.waiting.Load() > 0 || until != nil && until.Done() != nil
}

// Callback marks the code of f, which already runs inside the gate, as the user's.
func Callback(f func()) {
	outer, was := owner.Swap(capi.GoroutineID()), idle
	idle = false
	defer func() {
		owner.Store(outer)
		idle = was
	}()
	f()
}

func inside() bool {
	id := owner.Load()
	return id != 0 && id == capi.GoroutineID()
}

func enter() {
	takeThread()
	drain()
}

// takeThread makes the thread one that may evaluate.
func takeThread() {
	runtime.LockOSThread()
	capi.EnterGate()
	for _, s := range streams[:len(devices)] {
		if s != 0 {
			capi.SetDefaultStream(s)
		}
	}
}

func leave() {
	if devices[capi.DeviceTypeGpu] != 0 {
		capi.KeepSignalStacks()
	}
	for {
		drain()
		capi.LeaveGate()
		runtime.UnlockOSThread()
		mu.unlock()
		// a free queued after the drain, by a goroutine that found the gate taken
		if queued.Load() == 0 || !mu.try() {
			return
		}
		runtime.LockOSThread()
		capi.EnterGate()
	}
}

// Start makes the stream of each device that exists, and makes kind the default.
// It is called once, after the library is open.
func Start(kind capi.DeviceType) error {
	// What MLX takes for the main thread is the one that starts the first task. Evaluations
	// there meet the error of an earlier task in the middle of their own, and lose count of the
	// tasks: after ten such errors they wait for ever. So that thread is one that never
	// evaluates, kept until the process ends because its name would be given to another.
	made := make(chan error)
	go func() {
		runtime.LockOSThread()
		made <- start(kind)
		select {}
	}()
	return <-made
}

func start(kind capi.DeviceType) error {
	var err error
	failed := Run(func() {
		for _, k := range []capi.DeviceType{capi.DeviceTypeCpu, capi.DeviceTypeGpu} {
			if k == capi.DeviceTypeGpu && kind != capi.DeviceTypeGpu {
				continue
			}
			if devices[k] = capi.DeviceNewType(k, 0); devices[k] == 0 {
				err = errors.New(capi.TakeError())
				return
			}
			if streams[k] = capi.StreamNewThreadUnsafe(devices[k]); streams[k] == 0 {
				err = errors.New(capi.TakeError())
				return
			}
			capi.Synchronize(streams[k]) // the first task makes this the main thread
			if kind == capi.DeviceTypeGpu {
				capi.NoteStream(streams[k], devices[k])
			}
		}
		capi.SetUsualDevice(devices[kind])
		kinds[capi.DeviceTypeGpu] = capi.DeviceTypeGpu
		numStreams.Store(int64(len(devices)))
	})
	return errors.Join(failed, err)
}

// NewStream makes one more stream on a device that Start knows, and returns its number.
func NewStream(kind capi.DeviceType) (int, error) {
	n, err := 0, error(nil)
	failed := Run(func() {
		n = int(numStreams.Load())
		switch {
		case devices[kind] == 0:
			err = errors.New("the library cannot use this device")
		case n == MaxStreams:
			err = fmt.Errorf("there are %d streams, and MLX ends none: use one of them", n)
		default:
			if streams[n] = capi.StreamNewThreadUnsafe(devices[kind]); streams[n] == 0 {
				err = errors.New(capi.TakeError())
				return
			}
			if devices[capi.DeviceTypeGpu] != 0 {
				capi.NoteStream(streams[n], devices[kind])
			}
			kinds[n] = kind
			numStreams.Add(1)
		}
	})
	return n, errors.Join(failed, err)
}

// NumStreams returns how many streams there are; 0 and 1 are the devices' own.
func NumStreams() int { return int(numStreams.Load()) }

// Shared reports whether stream number i is a device's own, which everybody uses.
func Shared(i int) bool { return i < len(devices) }

// Further returns how many streams there are beside the devices' own.
func Further() int { return NumStreams() - len(devices) }

// Stream returns stream number i, 0 when there is none: on the GPU's place without a GPU.
func Stream(i int) capi.Stream { return streams[i] }

// Kind returns the device of stream number i.
func Kind(i int) capi.DeviceType { return kinds[i] }

// Device returns the library's object for a device, 0 when it cannot be used.
func Device(kind capi.DeviceType) capi.Device { return devices[kind] }

// Free queues an array's end and, when nobody is inside the gate, does it.
func Free(hs ...capi.Array) {
	if len(hs) == 0 {
		return
	}
	freeing.Lock()
	freeing.queue = append(freeing.queue, hs...)
	queued.Add(int64(len(hs)))
	freeing.Unlock()
	pass()
}

// Later queues the end of something that is no array: f is called inside the gate, at once
// when nobody is there.
func Later(f func()) {
	freeing.Lock()
	freeing.later = append(freeing.later, f)
	queued.Add(1)
	freeing.Unlock()
	pass()
}

// pass goes through the gate when it is free, and so does what is queued.
func pass() {
	if mu.try() {
		runtime.LockOSThread()
		capi.EnterGate()
		leave()
	}
}

// drain frees what is queued; the caller is inside the gate.
func drain() {
	for queued.Load() > 0 {
		freeing.Lock()
		batch, later := freeing.queue, freeing.later
		freeing.queue, freeing.later = freeing.spare[:0], nil
		queued.Store(0)
		freeing.Unlock()
		for _, f := range later {
			f()
		}
		capi.FreeArrays(batch)
		freeing.Lock()
		freeing.spare = batch[:0]
		freeing.Unlock()
	}
}
