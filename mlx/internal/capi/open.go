package capi

import (
	"fmt"
	"runtime"
	"strings"
)

// address holds the entry point of every bound function, in the contract's order.
var address [numFuncs]uintptr

// witness is the symbol that tells an mlx-c of the contract's version from older
// ones, in which ten functions take other arguments under the same name.
const witness = "mlx_compile_cache_new"

// OpenGlobal opens a library whose symbols later ones bind to (a BLAS, libmlx).
func OpenGlobal(path string) error {
	_, err := open(path, global)
	return err
}

// open is dlopen. The loader keeps its error per thread, where the goroutine must
// still be when it asks for it.
func open(path string, mode int) (uintptr, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	lib, err := dlopen(path, mode)
	if err == nil && lib == 0 {
		err = fmt.Errorf("%s cannot be opened", path)
	}
	return lib, err
}

// symbol is dlsym; 0 when the library does not have it.
func symbol(lib uintptr, name string) uintptr {
	address, err := dlsym(lib, name)
	if err != nil {
		return 0
	}
	return address
}

// Open opens libmlxc at path, resolves every function of the contract and
// installs the error handler, whose default would end the process. It is called
// once that succeeds; the library is never closed.
func Open(path string) error {
	lib, err := open(path, local)
	if err != nil {
		return err
	}
	if symbol(lib, "mlx_array_new") == 0 {
		return fmt.Errorf("it is not mlx-c: it has no symbol mlx_array_new")
	}
	if symbol(lib, witness) == 0 {
		return fmt.Errorf("it is an mlx-c older than %s: it has no symbol %s", Release, witness)
	}
	var resolved [numFuncs]uintptr
	var missing []string
	for i, name := range symbols {
		if resolved[i] = symbol(lib, name); resolved[i] == 0 && !halfOnly[name] {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("it is not mlx-c %s: it lacks %d of its %d functions (%s)", Release, len(missing), numFuncs, strings.Join(missing[:min(3, len(missing))], ", "))
	}
	address = resolved
	registerFuncs()
	installErrorHandler()
	return nil
}

// Symbols returns the C name of every bound function.
func Symbols() []string { return symbols[:] }
