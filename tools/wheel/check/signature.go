package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// What a signature is made of, in big-endian numbers (xnu's osfmk/kern/cs_blobs.h).
const (
	embeddedSignature = 0xfade0cc0
	codeDirectory     = 0xfade0c02
	hashSHA256        = 2
)

// signed returns why a signature at that place is not of the file's bytes: it has the SHA-256 of each page before it, which the kernel
// compares as a page is first used.
func signed(data []byte, at, size uint32) error {
	if uint64(at)+uint64(size) > uint64(len(data)) || size < 12 {
		return errors.New("its signature is not in the file")
	}
	blob := data[at : at+size]
	if binary.BigEndian.Uint32(blob) != embeddedSignature {
		return errors.New("what stands at its signature's place is none")
	}
	found := false
	for i := range binary.BigEndian.Uint32(blob[8:]) {
		entry := 12 + 8*uint64(i)
		if entry+8 > uint64(len(blob)) {
			return errors.New("its signature is cut off")
		}
		start := binary.BigEndian.Uint32(blob[entry+4:])
		if uint64(start)+40 > uint64(len(blob)) {
			return errors.New("its signature is cut off")
		}
		directory := blob[start:]
		if binary.BigEndian.Uint32(directory) != codeDirectory || directory[37] != hashSHA256 {
			continue
		}
		if found = true; binary.BigEndian.Uint32(directory[32:]) != at {
			return fmt.Errorf("its signature is of %d bytes, and stands behind %d", binary.BigEndian.Uint32(directory[32:]), at)
		}
		if err := pages(data[:at], directory); err != nil {
			return err
		}
	}
	if !found {
		return errors.New("its signature has no SHA-256 of its pages")
	}
	return nil
}

// pages compares the code with the hashes of a directory.
func pages(code, directory []byte) error {
	hashes, slots := uint64(binary.BigEndian.Uint32(directory[16:])), uint64(binary.BigEndian.Uint32(directory[28:]))
	if directory[39] < 12 || directory[39] > 16 {
		return fmt.Errorf("its signature is of pages of 2^%d bytes", directory[39])
	}
	page := 1 << directory[39]
	if slots != uint64((len(code)+page-1)/page) || hashes+slots*sha256.Size > uint64(len(directory)) {
		return fmt.Errorf("its signature has %d pages of %d bytes, and the file %d bytes", slots, page, len(code))
	}
	for i := range int(slots) {
		sum := sha256.Sum256(code[i*page : min((i+1)*page, len(code))])
		if want := directory[int(hashes)+i*sha256.Size:][:sha256.Size]; !bytes.Equal(sum[:], want) {
			return fmt.Errorf("page %d is not what was signed", i)
		}
	}
	return nil
}
