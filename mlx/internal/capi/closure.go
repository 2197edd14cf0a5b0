package capi

import (
	"sync"

	"github.com/ebitengine/purego"
)

// Go functions that the library calls. Each C signature has one trampoline, made at its
// first use and never freed, since a process may have 2,000 at most; which Go function it is
// to call comes as the payload, a number that is never used again. The library may keep
// copies of a function in graphs and caches: it tells when the last one is gone.

var functions = struct {
	sync.RWMutex
	of   map[uintptr]any
	next uintptr
}{of: map[uintptr]any{}}

// keep returns the payload of a function.
func keep(f any) uintptr {
	functions.Lock()
	defer functions.Unlock()
	functions.next++
	functions.of[functions.next] = f
	return functions.next
}

func function[F any](payload uintptr) F {
	functions.RLock()
	defer functions.RUnlock()
	return functions.of[payload].(F)
}

// NumFunctions returns how many Go functions the library holds.
func NumFunctions() int {
	functions.RLock()
	defer functions.RUnlock()
	return len(functions.of)
}

var dropped = sync.OnceValue(func() Callback {
	return Callback(purego.NewCallback(func(payload uintptr) {
		functions.Lock()
		delete(functions.of, payload)
		functions.Unlock()
	}))
})

// put stores a handle where the library expects a result.
func put[H ~uintptr](at uintptr, h H) { *(*H)(Pointer(at).unsafe()) = h }

// status is what a callback returns.
func status(ok bool) uintptr {
	if ok {
		return 0
	}
	return 1
}

// The Go functions must not panic: nothing may unwind through the library. They return a
// result that the library frees, and whether there is one.
type (
	plainFunc  = func(in VectorArray) (VectorArray, bool)
	kwargsFunc = func(in VectorArray, kwargs MapStringToArray) (VectorArray, bool)
	customFunc = func(primals, cotangents, outputs VectorArray) (VectorArray, bool)
	jvpFunc    = func(primals, tangents VectorArray, argnums []int32) (VectorArray, bool)
	vmapFunc   = func(in VectorArray, axes []int32) (VectorArray, VectorInt, bool)
)

var plainTrampoline = sync.OnceValue(func() Callback {
	return Callback(purego.NewCallback(func(res, in, payload uintptr) uintptr {
		out, ok := function[plainFunc](payload)(VectorArray(in))
		put(res, out)
		return status(ok)
	}))
})

var kwargsTrampoline = sync.OnceValue(func() Callback {
	return Callback(purego.NewCallback(func(res, in, kwargs, payload uintptr) uintptr {
		out, ok := function[kwargsFunc](payload)(VectorArray(in), MapStringToArray(kwargs))
		put(res, out)
		return status(ok)
	}))
})

var customTrampoline = sync.OnceValue(func() Callback {
	return Callback(purego.NewCallback(func(res, primals, cotangents, outputs, payload uintptr) uintptr {
		out, ok := function[customFunc](payload)(VectorArray(primals), VectorArray(cotangents), VectorArray(outputs))
		put(res, out)
		return status(ok)
	}))
})

var jvpTrampoline = sync.OnceValue(func() Callback {
	return Callback(purego.NewCallback(func(res, primals, tangents, argnums, n, payload uintptr) uintptr {
		nums := SliceAt[int32](Pointer(argnums), int(n))
		out, ok := function[jvpFunc](payload)(VectorArray(primals), VectorArray(tangents), nums)
		put(res, out)
		return status(ok)
	}))
})

var vmapTrampoline = sync.OnceValue(func() Callback {
	return Callback(purego.NewCallback(func(res, resAxes, in, axes, n, payload uintptr) uintptr {
		out, outAxes, ok := function[vmapFunc](payload)(VectorArray(in), SliceAt[int32](Pointer(axes), int(n)))
		put(res, out)
		put(resAxes, outAxes)
		return status(ok)
	}))
})

// NewClosure makes a closure of f; ClosureFree ends the caller's hold on it.
func NewClosure(f plainFunc) Closure {
	return ClosureNewFuncPayload(plainTrampoline(), keep(f), dropped())
}

// NewClosureKwargs makes a closure of f, which takes named arrays too.
func NewClosureKwargs(f kwargsFunc) ClosureKwargs {
	return ClosureKwargsNewFuncPayload(kwargsTrampoline(), keep(f), dropped())
}

// NewClosureCustom makes the rule of a vector-Jacobian product.
func NewClosureCustom(f customFunc) ClosureCustom {
	return ClosureCustomNewFuncPayload(customTrampoline(), keep(f), dropped())
}

// NewClosureCustomJvp makes the rule of a Jacobian-vector product.
func NewClosureCustomJvp(f jvpFunc) ClosureCustomJvp {
	return ClosureCustomJvpNewFuncPayload(jvpTrampoline(), keep(f), dropped())
}

// NewClosureCustomVmap makes the rule of a vectorised call.
func NewClosureCustomVmap(f vmapFunc) ClosureCustomVmap {
	return ClosureCustomVmapNewFuncPayload(vmapTrampoline(), keep(f), dropped())
}
