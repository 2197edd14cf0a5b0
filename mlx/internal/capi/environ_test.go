package capi

import (
	"testing"
	"unsafe"

	"github.com/ebitengine/purego"
	"github.com/stretchr/testify/require"
)

func TestOnlyAnUnsetVariableTakesItsDefault(t *testing.T) {
	const name = "MLX_TEST_OF_DEFAULTS"
	require.Empty(t, environ(name))
	SetDefault(name, "first")
	require.Equal(t, "first", environ(name))
	SetDefault(name, "second")
	require.Equal(t, "first", environ(name))
}

// environ is a variable of the C library's environment, "" where it has none.
func environ(name string) string {
	value, _, _ := purego.SyscallN(symbol(everywhere, "getenv"), uintptr(unsafe.Pointer(Bytes(name))))
	return CString(value).String()
}
