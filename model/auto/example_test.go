package auto_test

import (
	"fmt"

	"github.com/mlxlens/mlxlens/model/auto"
)

func Example() {
	o, err := auto.Open("../../testdata/models/tiny-llama-b-4bit-mixed", auto.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer o.Close()
	s := o.Model.Shape()
	fmt.Println(o.Info.Type, o.Info.Format, o.Info.Quantization)
	fmt.Println(s.Layers, "layers of", s.DModel, "with", s.Heads, "heads,", s.DVocab, "tokens")
	fmt.Println(o.TokenizerErr)
	// Output:
	// llama safetensors affine 4-bit group 64, mixed
	// 3 layers of 128 with 8 heads, 512 tokens
	// the model has no tokenizer: ../../testdata/models/tiny-llama-b-4bit-mixed has no tokenizer.json
}
