package npz_test

import (
	"bytes"
	"fmt"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/checkpoint/npz"
)

func Example() {
	var file bytes.Buffer
	err := npz.Write(&file, []checkpoint.Array{
		checkpoint.Float32Array("bias", []float32{0.5, -1}, 2),
		checkpoint.Int32Array("ids", []int{7, 8, 9}),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	f, err := npz.NewFile("a.npz", bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	fmt.Println(f.Names())
	bias, err := f.Array("bias", []int{2})
	if err != nil {
		fmt.Println(err)
		return
	}
	x, err := bias.Float32()
	fmt.Println(bias.Type, bias.Shape, x, err)
	// Output:
	// [bias ids]
	// F32 [2] [0.5 -1] <nil>
}
