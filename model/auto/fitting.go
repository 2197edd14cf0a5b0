package auto

import (
	"errors"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/load"
)

// fitting makes a model whose weights have not been read and fit in memory: unpacked if they may
// be and fit so, else as they are stored.
func fitting(ck *checkpoint.Checkpoint, quant *load.Quantization, device mlx.Device, o Options, only *model.Span) (*model.Transformer, string, *load.Loader, error) {
	if o.AsStored && o.Float32 {
		return nil, "", nil, errors.New("auto: AsStored and Float32 were both asked for, and exclude each other")
	}
	forms := []load.Form{o.Weights}
	if o.Weights == "" || o.Weights == load.Auto {
		forms = append(forms, load.PackedExperts, load.Packed)
	}
	var err error
	for _, form := range forms {
		var loader *load.Loader
		if loader, err = load.NewLoader(ck, quant, device, form, o.Modules, o.Float32 || device == mlx.CPU && !o.AsStored, only); err != nil {
			return nil, "", nil, err
		}
		m, kind, wrong := construct(ck, loader)
		if wrong == nil {
			wrong = loader.Fits(o.MaxMemory)
		}
		if wrong == nil {
			return m, kind, loader, nil
		}
		loader.Weights().Free()
		if err = wrong; !errors.Is(err, load.ErrMemory) {
			break
		}
	}
	return nil, "", nil, err
}
