package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
)

// never and always say which bytes of a file are its structure.
func never(int) bool  { return false }
func always(int) bool { return true }

// flips changes some bits of a byte.
func flips(structure func(at int) bool) way {
	return way{"a byte", func(r *rand.Rand, data []byte) ([]byte, bool) {
		at := r.IntN(len(data))
		data[at] ^= byte(1 + r.IntN(255))
		return data, structure(at)
	}}
}

// flipsWithin is flips of the structure alone, which is a small part of a file of weights.
func flipsWithin(ranges [][2]int) way {
	return way{"a byte of the header", func(r *rand.Rand, data []byte) ([]byte, bool) {
		in := ranges[r.IntN(len(ranges))]
		data[in[0]+r.IntN(in[1]-in[0])] ^= byte(1 + r.IntN(255))
		return data, true
	}}
}

// truncations end a file too soon.
func truncations(structure bool) way {
	return way{"truncation", func(r *rand.Rand, data []byte) ([]byte, bool) {
		return data[:r.IntN(len(data))], structure
	}}
}

// lengths puts an edge of an integer type somewhere.
func lengths(ranges [][2]int) way {
	return way{"a length", func(r *rand.Rand, data []byte) ([]byte, bool) {
		edges := []uint64{0, 1, math.MaxInt32, 1 << 31, math.MaxUint32, 1 << 40, math.MaxInt64, 1 << 63, math.MaxUint64}
		in := ranges[r.IntN(len(ranges))]
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], edges[r.IntN(len(edges))])
		copy(data[in[0]:in[1]], b[:])
		return data, true
	}}
}

// repeated writes a part of the file over another.
func repeated(structure func(at int) bool) way {
	return way{"a part twice", func(r *rand.Rand, data []byte) ([]byte, bool) {
		n := 1 + r.IntN(min(64, len(data)/2))
		from, to := r.IntN(len(data)-n), r.IntN(len(data)-n)
		copy(data[to:to+n], bytes.Clone(data[from:from+n]))
		for at := to; at < to+n; at++ {
			if structure(at) {
				return data, true
			}
		}
		return data, false
	}}
}

// aKeyTwice is refused, whatever the answer would be: some programs take the first, others the last.
const aKeyTwice = "a key twice"

// jsonWays change a JSON text: one value's type, a number, a key that stands twice.
var jsonWays = []way{
	{"another type", func(r *rand.Rand, data []byte) ([]byte, bool) {
		v := pickValue(r, data, func(v span) bool { return v.kind != 'n' })
		other := map[byte]string{'s': `"x"`, 'd': `7`, 'b': `true`, 'l': `[]`, 'o': `{}`}
		delete(other, v.kind)
		kinds := []byte("sdblo")
		for {
			if text, ok := other[kinds[r.IntN(len(kinds))]]; ok {
				return slices.Concat(data[:v.from], []byte(text), data[v.to:]), true
			}
		}
	}},
	{"a huge number", func(r *rand.Rand, data []byte) ([]byte, bool) {
		v := pickValue(r, data, func(v span) bool { return v.kind == 'd' })
		numbers := []string{"1e400", "-1", "0", "9223372036854775807", "18446744073709551616", "1e300", "2147483648", "1e-300", "0.5"}
		n := numbers[r.IntN(len(numbers))]
		return slices.Concat(data[:v.from], []byte(n), data[v.to:]), n == "1e400"
	}},
	{"nested deep", func(r *rand.Rand, data []byte) ([]byte, bool) {
		v := pickValue(r, data, func(span) bool { return true })
		n := 1 << (4 + r.IntN(14))
		return slices.Concat(data[:v.from], []byte(strings.Repeat("[", n)+strings.Repeat("]", n)), data[v.to:]), true
	}},
	{aKeyTwice, func(r *rand.Rand, data []byte) ([]byte, bool) {
		v := pickValue(r, data, func(v span) bool { return v.key >= 0 })
		return slices.Concat(data[:v.key], data[v.key:v.from], []byte("5, "), data[v.key:]), true
	}},
}

// span is a value of a JSON text: its kind (s d b n l o), where it stands, and where the key
// before it begins, -1 in a list.
type span struct {
	kind          byte
	key, from, to int
}

// pickValue returns a value that ok takes.
func pickValue(r *rand.Rand, data []byte, ok func(span) bool) span {
	var all []span
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	for walkJSON(d, data, -1, &all) == nil && d.More() {
	}
	all = slices.DeleteFunc(all, func(s span) bool { return !ok(s) })
	return all[r.IntN(len(all))]
}

// walkJSON gathers the values below the next one, and itself.
func walkJSON(d *json.Decoder, data []byte, key int, all *[]span) error {
	from := int(d.InputOffset())
	token, err := d.Token()
	if err != nil {
		return err
	}
	for strings.ContainsRune(" \t\n\r,:", rune(data[from])) {
		from++
	}
	s := span{key: key, from: from}
	switch v := token.(type) {
	case string:
		s.kind = 's'
	case json.Number:
		s.kind = 'd'
	case bool:
		s.kind = 'b'
	case nil:
		s.kind = 'n'
	case json.Delim:
		s.kind = 'l'
		if v == '{' {
			s.kind = 'o'
		}
		for d.More() {
			key := -1
			if v == '{' {
				key = int(d.InputOffset())
				for data[key] != '"' {
					key++
				}
				if _, err := d.Token(); err != nil {
					return err
				}
			}
			if err := walkJSON(d, data, key, all); err != nil {
				return err
			}
		}
		if _, err := d.Token(); err != nil {
			return err
		}
	}
	s.to = int(d.InputOffset())
	*all = append(*all, s)
	return nil
}

// inHeader makes of ways for JSON those of the header of a safetensors file.
func inHeader(ways []way) []way {
	var out []way
	for _, w := range ways {
		out = append(out, way{w.name + " in the header", func(r *rand.Rand, data []byte) ([]byte, bool) {
			n := binary.LittleEndian.Uint64(data)
			header, _ := w.change(r, bytes.Clone(data[8:8+n]))
			file := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
			return slices.Concat(file, header, data[8+n:]), true
		}})
	}
	return out
}
