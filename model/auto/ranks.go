package auto

import (
	"fmt"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/load"
)

// checkpoint opens the files that this process needs.
func (o *Options) checkpoint(ref string) (*checkpoint.Checkpoint, error) {
	if o.Ranks.Size() > 1 {
		return checkpoint.OpenPart(ref)
	}
	return checkpoint.Open(ref)
}

// part deals the layers to the ranks, which know together what each takes; nil without ranks.
func (o *Options) part(ck *checkpoint.Checkpoint, quant *load.Quantization, device mlx.Device) (*model.Part, error) {
	if o.Ranks.Size() == 1 {
		return nil, nil
	}
	s, err := survey(ck, quant, device, *o)
	var known []int64
	if err == nil {
		known = append(s.sizes.Layers, s.sizes.Embedding)
	}
	if known, err = o.Ranks.Greatest(known, err); err != nil {
		return nil, err
	}
	layers := len(known) - 1
	s.sizes.Layers, s.sizes.Embedding = known[:layers], known[layers]
	spans, err := s.deal(o.Ranks.Size(), o.PerRank)
	if err != nil {
		return nil, err
	}
	return &model.Part{Span: spans[o.Ranks.Rank()], Ranks: o.Ranks, Spans: spans}, nil
}

// held are the layers of a part, nil of none.
func held(p *model.Part) *model.Span {
	if p == nil {
		return nil
	}
	return &p.Span
}

// surveyed is what a checkpoint has, unread.
type surveyed struct {
	shape model.Shape
	sizes load.Sizes
}

// survey makes a model of a checkpoint, of whose weights nothing is read, and which may lack some.
func survey(ck *checkpoint.Checkpoint, quant *load.Quantization, device mlx.Device, o Options) (*surveyed, error) {
	loader, err := load.NewLoader(ck, quant, device, o.Weights, o.Modules, o.Float32 || device == mlx.CPU && !o.AsStored, nil)
	if err != nil {
		return nil, err
	}
	m, _, err := construct(ck, loader)
	if err != nil {
		return nil, err
	}
	loader.Weights().Free()
	return &surveyed{m.Sizes, loader.Sizes(m.Sizes.Layers, m.Head == nil)}, nil
}

// deal says which rank holds which layers.
func (s *surveyed) deal(ranks int, perRank []int) (spans []model.Span, err error) {
	if perRank != nil {
		spans, err = model.Deal(perRank, s.shape.Layers, ranks)
	} else {
		spans, err = model.Split(s.sizes.Layers, s.sizes.Embedding, ranks)
	}
	if err == nil {
		err = s.shape.Divisible(spans)
	}
	return spans, err
}

// Share is what a rank would hold.
type Share struct {
	Rank   int        `json:"rank"`
	Layers model.Span `json:"layers"`
	Bytes  int64      `json:"bytes"` // of the weights in memory, the head's among them

	OfLayers int64 `json:"bytes_of_layers"`
}

// Shares says what each of so many ranks would hold of a model, of which nothing is read.
func Shares(ref string, o Options, ranks int) ([]Share, error) {
	if err := mlx.Load(); err != nil {
		return nil, err
	}
	ck, err := checkpoint.Open(ref)
	if err != nil {
		return nil, err
	}
	defer ck.Close()
	quant, err := load.ParseQuantization(configOf(ck))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ck.Path, err)
	}
	device := mlx.DefaultDevice()
	if o.Device != nil {
		device = *o.Device
	}
	s, err := survey(ck, quant, device, o)
	if err != nil {
		return nil, err
	}
	spans, err := s.deal(ranks, o.PerRank)
	if err != nil {
		return nil, err
	}
	var shares []Share
	for rank, span := range spans {
		share := Share{Rank: rank, Layers: span, Bytes: s.sizes.Head}
		if rank == 0 {
			share.Bytes += s.sizes.Embedding
		}
		for _, bytes := range s.sizes.Layers[span.From:span.To] {
			share.OfLayers += bytes
		}
		share.Bytes += share.OfLayers
		shares = append(shares, share)
	}
	return shares, nil
}
