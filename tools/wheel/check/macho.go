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
	loadIDDylib       = 0xd
	loadCodeSignature = 0x1d
	loadBuildVersion  = 0x32
)

// macho says what is wrong with one of a Mac wheel's files.
func (p platform) macho(name string, data []byte, packages string) (wrong []string, err error) {
	file, err := macho.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if file.Cpu != macho.CpuArm64 {
		wrong = append(wrong, fmt.Sprintf("it is for %v, and the tag for %s", file.Cpu, p.machine))
	}
	wrong = append(wrong, p.commands(file)...)
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
	return append(wrong, missing(undefined(file, "mlx"), defined(mlx), defined(file))...), nil
}

// commands says what a Mac would refuse: a file without a signature, which arm64 does not run, and one for a later macOS.
func (p platform) commands(file *macho.File) (wrong []string) {
	signed := false
	for _, load := range file.Loads {
		raw := load.Raw()
		if len(raw) < 16 {
			continue
		}
		switch binary.LittleEndian.Uint32(raw) {
		case loadCodeSignature:
			signed = true
		case loadBuildVersion:
			least := binary.LittleEndian.Uint32(raw[12:]) // xxxx.yy.zz
			if major, minor := int(least>>16), int(least>>8&0xff); major > p.major || major == p.major && minor > p.minor {
				wrong = append(wrong, fmt.Sprintf("it needs macOS %d.%d, and the tag promises %d.%d", major, minor, p.major, p.minor))
			}
		}
	}
	if !signed {
		wrong = append(wrong, "it has no signature, and a Mac would kill it: codesign -s -")
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
