package checkpoint_test

import (
	"encoding/binary"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/mlxlens/mlxlens/checkpoint"
)

func Example() {
	dir := tiny() // a directory with config.json and model.safetensors
	defer os.RemoveAll(dir)

	c, err := checkpoint.Open(dir)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	for _, name := range c.Names() {
		w := c.Tensor(name)
		row := make([]float32, w.RowLen())
		if err := w.Float32(row, 1, 2); err != nil {
			log.Fatal(err)
		}
		fmt.Println(name, w.Type, w.Shape, "row 1:", row)
	}
	// Output: w BF16 [2 3] row 1: [4 5 6]
}

// tiny writes a checkpoint with one bfloat16 matrix, 1 to 6.
func tiny() string {
	header := `{"w":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]}}`
	file := append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...)
	for _, bits := range []uint16{0x3f80, 0x4000, 0x4040, 0x4080, 0x40a0, 0x40c0} {
		file = binary.LittleEndian.AppendUint16(file, bits)
	}
	dir, err := os.MkdirTemp("", "checkpoint")
	if err != nil {
		log.Fatal(err)
	}
	for name, text := range map[string][]byte{"config.json": []byte(`{"model_type":"llama"}`), "model.safetensors": file} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			log.Fatal(err)
		}
	}
	return dir
}
