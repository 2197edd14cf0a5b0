package capi

import (
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// The functions here pass or return a struct of more than 8 bytes by value.

// callVtable lays out (desc, vtable by value): the struct of 72 bytes goes on the
// stack on amd64, behind the six integer registers, and as the address of a copy
// on arm64.
//
//go:uintptrescapes
func callVtable(index int, desc, copyOf uintptr, vtable *IoVtable) uintptr {
	if runtime.GOARCH == "arm64" {
		r, _, _ := purego.SyscallN(address[index], desc, copyOf)
		return r
	}
	v := vtable
	r, _, _ := purego.SyscallN(address[index], desc, 0, 0, 0, 0, 0,
		v.IsOpen, v.Good, v.Tell, v.Seek, v.Read, v.ReadAtOffset, v.Write, v.Label, v.Free)
	return r
}

// IoReaderNew calls mlx_io_reader mlx_io_reader_new(void* desc, mlx_io_vtable vtable).
func IoReaderNew(desc uintptr, vtable *IoVtable) IoReader {
	return IoReader(callVtable(indexIoReaderNew, desc, uintptr(unsafe.Pointer(vtable)), vtable))
}

// IoWriterNew calls mlx_io_writer mlx_io_writer_new(void* desc, mlx_io_vtable vtable).
func IoWriterNew(desc uintptr, vtable *IoVtable) IoWriter {
	return IoWriter(callVtable(indexIoWriterNew, desc, uintptr(unsafe.Pointer(vtable)), vtable))
}

// A map iterator is two words: returned in two registers, passed in two.

// MapStringToArrayIteratorNew calls mlx_map_string_to_array_iterator_new. A map
// of 0 would end the process: the caller checks.
func MapStringToArrayIteratorNew(m MapStringToArray) MapStringToArrayIterator {
	ctx, mapCtx, _ := purego.SyscallN(address[indexMapStringToArrayIteratorNew], uintptr(m))
	return MapStringToArrayIterator{Ctx: ctx, MapCtx: mapCtx}
}

// MapStringToArrayIteratorFree calls mlx_map_string_to_array_iterator_free.
func MapStringToArrayIteratorFree(it MapStringToArrayIterator) int32 {
	r, _, _ := purego.SyscallN(address[indexMapStringToArrayIteratorFree], it.Ctx, it.MapCtx)
	return int32(r)
}

// MapStringToArrayIteratorNext calls mlx_map_string_to_array_iterator_next; 2 is the end.
func MapStringToArrayIteratorNext(key *CString, value *Array, it MapStringToArrayIterator) int32 {
	r, _, _ := purego.SyscallN(address[indexMapStringToArrayIteratorNext], uintptr(unsafe.Pointer(key)), uintptr(unsafe.Pointer(value)), it.Ctx, it.MapCtx)
	return int32(r)
}

// MapStringToStringIteratorNew calls mlx_map_string_to_string_iterator_new. A map
// of 0 would end the process: the caller checks.
func MapStringToStringIteratorNew(m MapStringToString) MapStringToStringIterator {
	ctx, mapCtx, _ := purego.SyscallN(address[indexMapStringToStringIteratorNew], uintptr(m))
	return MapStringToStringIterator{Ctx: ctx, MapCtx: mapCtx}
}

// MapStringToStringIteratorFree calls mlx_map_string_to_string_iterator_free.
func MapStringToStringIteratorFree(it MapStringToStringIterator) int32 {
	r, _, _ := purego.SyscallN(address[indexMapStringToStringIteratorFree], it.Ctx, it.MapCtx)
	return int32(r)
}

// MapStringToStringIteratorNext calls mlx_map_string_to_string_iterator_next; 2 is the end.
func MapStringToStringIteratorNext(key, value *CString, it MapStringToStringIterator) int32 {
	r, _, _ := purego.SyscallN(address[indexMapStringToStringIteratorNext], uintptr(unsafe.Pointer(key)), uintptr(unsafe.Pointer(value)), it.Ctx, it.MapCtx)
	return int32(r)
}
