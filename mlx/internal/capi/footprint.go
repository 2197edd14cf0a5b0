package capi

import (
	"unsafe"

	"github.com/ebitengine/purego"
)

// taskVMInfo is the beginning of struct task_vm_info of XNU, up to its revision 1
// (osfmk/mach/task_info.h; it is packed to four bytes, which moves nothing here).
type taskVMInfo struct {
	virtualSize                       uint64
	regionCount, pageSize             int32
	residentSize, residentPeak        uint64
	device, devicePeak                uint64
	internal, internalPeak            uint64
	external, externalPeak            uint64
	reusable, reusablePeak            uint64
	purgeablePmap, purgeableResident  uint64
	purgeableVirtual                  uint64
	compressed, compressedPeak        uint64
	compressedLifetime, physFootprint uint64
}

// flavourVMInfo is TASK_VM_INFO.
const flavourVMInfo = 22

// PhysicalFootprint returns what a Mac counts as the process's memory: what is resident and
// dirty, or compressed. The peak of the resident size, which getrusage has, only ever grows, and
// counts mapped files too. It is 0 where the system has no such call.
func PhysicalFootprint() int64 {
	lib, err := open("/usr/lib/libSystem.B.dylib", local)
	if err != nil {
		return 0
	}
	self, info := symbol(lib, "mach_task_self_"), symbol(lib, "task_info")
	if self == 0 || info == 0 {
		return 0
	}
	task := *(*uint32)(Pointer(self).unsafe())
	var vm taskVMInfo
	count := uint32(unsafe.Sizeof(vm) / 4) // in words
	status, _, _ := purego.SyscallN(info, uintptr(task), flavourVMInfo, uintptr(unsafe.Pointer(&vm)), uintptr(unsafe.Pointer(&count)))
	if status != 0 {
		return 0
	}
	return int64(vm.physFootprint)
}
