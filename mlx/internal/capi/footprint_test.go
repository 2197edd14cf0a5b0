package capi

import (
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// The offsets of <mach/task_info.h>, as clang lays the struct out for arm64-apple-macos.
func TestTheFootprintStandsWhereXNUWritesIt(t *testing.T) {
	var vm taskVMInfo
	require.EqualValues(t, 16, unsafe.Offsetof(vm.residentSize))
	require.EqualValues(t, 120, unsafe.Offsetof(vm.compressed))
	require.EqualValues(t, 144, unsafe.Offsetof(vm.physFootprint))
	require.EqualValues(t, 152, unsafe.Sizeof(vm))
	if runtime.GOOS != "darwin" {
		require.Zero(t, PhysicalFootprint())
		return
	}
	before := PhysicalFootprint()
	block := make([]byte, 64<<20)
	for i := range block {
		block[i] = 1
	}
	require.Greater(t, PhysicalFootprint(), before+(48<<20))
	runtime.KeepAlive(block)
}
