package model_test

import (
	"fmt"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
)

func ExampleKeep() {
	o, err := auto.Open("../testdata/models/tiny-llama-b-4bit-mixed", auto.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer o.Close()
	s := mlx.NewScope(o.Model.Device())
	defer s.Close()
	places := []model.Place{{Site: model.Z, Layer: 1}, {Site: model.ResidPost, Layer: 1}}
	tap, kept := model.Keep(s, places)
	model.Reach(o.Model, model.Tokens(s, []int{402, 324, 282}), nil, tap, places) // layer 2 is not built
	for i, at := range places {
		fmt.Println(at, at.Site.ShapeText(), kept[i].Shape())
	}
	// Output:
	// layers.1.z [batch, pos, head, d_v] [1 3 8 16]
	// layers.1.resid_post [batch, pos, d_model] [1 3 128]
}

// An edit is a tap that returns something else than what it gets.
func ExampleTap() {
	o, err := auto.Open("../testdata/models/tiny-llama-b-4bit-mixed", auto.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer o.Close()
	s := mlx.NewScope(o.Model.Device())
	defer s.Close()
	without := &model.Tap{
		Wanted: func(at model.Place) bool { return at == model.Place{Site: model.MLPOut, Layer: 1} },
		Visit:  func(_ model.Place, x *mlx.Array) *mlx.Array { return mlx.Scale(x, 0) },
	}
	places := []model.Place{{Site: model.ResidMid, Layer: 1}, {Site: model.ResidPost, Layer: 1}}
	tap, kept := model.Keep(s, places)
	model.Reach(o.Model, model.Tokens(s, []int{402, 324, 282}), nil, without.Then(tap), places)
	added, err := mlx.Item[float32](mlx.AsType(mlx.Max(mlx.Abs(mlx.Subtract(kept[1], kept[0]))), mlx.Float32)) // a GPU computes in 16 bits
	fmt.Println("the MLP of layer 1 adds", added, err)
	// Output: the MLP of layer 1 adds 0 <nil>
}

// A place is written as TransformerLens or interp-engine write it, too.
func ExampleParsePlace() {
	for _, text := range []string{"layers.3.resid_post", "blocks.3.attn.hook_pattern", "attn_probs.3", "embeddings", "blocks.3.ln1.hook_normalized"} {
		fmt.Println(model.ParsePlace(text))
	}
	// Output:
	// layers.3.resid_post <nil>
	// layers.3.pattern <nil>
	// layers.3.pattern <nil>
	// embed <nil>
	//  model: site "blocks.3.ln1.hook_normalized" is before the norm's gain: attn_norm, mlp_norm and final_norm are after it
}
