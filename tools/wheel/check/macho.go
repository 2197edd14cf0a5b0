package main

import (
	"bytes"
	"debug/macho"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Load commands that debug/macho leaves as bytes (mach-o/loader.h).
const (
	loadDylib         = 0xc
	loadIDDylib       = 0xd
	loadCodeSignature = 0x1d
	loadBuildVersion  = 0x32
)

const platformMacOS = 1 // of loadBuildVersion

// macho says what is wrong with one of a Mac wheel's files.
func (p platform) macho(name string, data []byte, packages string) (wrong []string, err error) {
	file, err := macho.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if file.Cpu != macho.CpuArm64 {
		wrong = append(wrong, fmt.Sprintf("it is for %v, and the tag for %s", file.Cpu, p.machine))
	}
	kind := macho.TypeDylib
	if name == "mlxlens" {
		kind = macho.TypeExec
	}
	if file.Type != kind {
		wrong = append(wrong, fmt.Sprintf("it is of type %v, and ought to be %v", file.Type, kind))
	}
	wrong = append(wrong, p.commands(file, data)...)
	needed, err := file.ImportedLibraries()
	if err != nil {
		return nil, err
	}
	system := []string{"/usr/lib/libSystem.B.dylib", "/usr/lib/libc++.1.dylib", "/usr/lib/libresolv.9.dylib",
		"/System/Library/Frameworks/CoreFoundation.framework/Versions/A/CoreFoundation", "/System/Library/Frameworks/Security.framework/Versions/A/Security"}
	if name == "mlxlens" {
		return append(wrong, extra("needs", needed, system...)...), nil
	}
	wrong = append(wrong, extra("needs", needed, append(system, "@rpath/libmlx.dylib")...)...)
	if !slices.Contains(needed, "@rpath/libmlx.dylib") {
		wrong = append(wrong, "it does not need @rpath/libmlx.dylib")
	}
	if !slices.Contains(needed, "/usr/lib/libc++.1.dylib") { // as zig makes it
		wrong = append(wrong, "it does not need /usr/lib/libc++.1.dylib, as libmlx does: errors that libmlx throws may not be known to a C++ library of its own. Compile it by Apple's compiler, on a Mac")
	}
	var paths []string
	for _, load := range file.Loads {
		if r, ok := load.(*macho.Rpath); ok {
			paths = append(paths, r.Path)
		}
	}
	for _, folder := range []string{"@loader_path", "@loader_path/../../mlx/lib"} {
		if !slices.Contains(paths, folder) {
			wrong = append(wrong, fmt.Sprintf("its run paths are %q, and lack %s", paths, folder))
		}
	}
	if id := idOf(file); id != "@rpath/libmlxc.dylib" {
		wrong = append(wrong, fmt.Sprintf("its name is %q, and ought to be @rpath/libmlxc.dylib", id))
	}
	mlx, err := macho.Open(filepath.Join(packages, "mlx", "lib", "libmlx.dylib"))
	if err != nil {
		return nil, err
	}
	defer mlx.Close()
	for _, load := range file.Loads {
		raw := load.Raw()
		if l, ok := load.(*macho.Dylib); ok && l.Name == "@rpath/libmlx.dylib" && binary.LittleEndian.Uint32(raw) == loadDylib && l.CompatVersion > compatible(mlx) {
			wrong = append(wrong, fmt.Sprintf("it needs libmlx of the compatibility version %#x, and the package's is %#x", l.CompatVersion, compatible(mlx)))
		}
	}
	return append(wrong, missing(undefined(file, "mlx"), defined(mlx), defined(file))...), nil
}

// commands says what a Mac would refuse: a file whose signature, without which arm64 runs nothing, is not of its bytes, one of another
// system, and one for a later macOS.
func (p platform) commands(file *macho.File, data []byte) (wrong []string) {
	signature, system := "it has no signature, and a Mac would kill it: codesign -s -", "it does not say of which system it is"
	for _, load := range file.Loads {
		raw := load.Raw()
		if len(raw) < 16 {
			continue
		}
		switch binary.LittleEndian.Uint32(raw) {
		case loadCodeSignature:
			at, size := binary.LittleEndian.Uint32(raw[8:]), binary.LittleEndian.Uint32(raw[12:])
			signature = ""
			if err := signed(data, at, size); err != nil {
				signature = "a Mac would kill it: " + err.Error()
			}
		case loadBuildVersion:
			if system = ""; binary.LittleEndian.Uint32(raw[8:]) != platformMacOS {
				system = fmt.Sprintf("it is of the system %d, and macOS is %d", binary.LittleEndian.Uint32(raw[8:]), platformMacOS)
			}
			least := binary.LittleEndian.Uint32(raw[12:]) // xxxx.yy.zz
			if major, minor := int(least>>16), int(least>>8&0xff); major > p.major || major == p.major && minor > p.minor {
				wrong = append(wrong, fmt.Sprintf("it needs macOS %d.%d, and the tag promises %d.%d", major, minor, p.major, p.minor))
			}
		}
	}
	for _, what := range []string{signature, system} {
		if what != "" {
			wrong = append(wrong, what)
		}
	}
	return wrong
}

// idOf is the name by which others need a library, "" where it has none.
func idOf(file *macho.File) string {
	for _, load := range file.Loads {
		raw := load.Raw()
		if len(raw) < 24 || binary.LittleEndian.Uint32(raw) != loadIDDylib {
			continue
		}
		if at := binary.LittleEndian.Uint32(raw[8:]); int(at) < len(raw) {
			name, _, _ := strings.Cut(string(raw[at:]), "\x00")
			return name
		}
	}
	return ""
}

// compatible is the oldest version that a library can stand for.
func compatible(file *macho.File) uint32 {
	for _, load := range file.Loads {
		if raw := load.Raw(); len(raw) >= 24 && binary.LittleEndian.Uint32(raw) == loadIDDylib {
			return binary.LittleEndian.Uint32(raw[20:])
		}
	}
	return 0
}

// Of a symbol's type (mach-o/nlist.h).
const (
	stab     = 0xe0
	external = 0x01
	section  = 0x0e // the bits that say where it is; 0 is nowhere
)

func undefined(file *macho.File, part string) (names []string) {
	if file.Symtab == nil {
		return nil
	}
	for _, s := range file.Symtab.Syms {
		if s.Type&stab == 0 && s.Type&external != 0 && s.Type&section == 0 && strings.Contains(s.Name, part) {
			names = append(names, s.Name)
		}
	}
	return names
}

func defined(file *macho.File) map[string]bool {
	names := map[string]bool{}
	if file.Symtab == nil {
		return names
	}
	for _, s := range file.Symtab.Syms {
		if s.Type&stab == 0 && s.Type&external != 0 && s.Type&section != 0 {
			names[s.Name] = true
		}
	}
	return names
}
