package experiment

import (
	"fmt"
	"slices"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/model"
)

// beforeMLP returns where the parts of a layer's MLP are summed, and the gradients by that sum.
func (d *direct) beforeMLP(layer int, values ofLayer) (model.Site, [][]float64, error) {
	end := model.MLPOut
	if _, ok := values[model.MLPRaw]; ok {
		end = model.MLPRaw
	}
	by, err := d.before(layer, &d.wires.mlp[layer], values[end], values[model.MLPOut], end)
	return end, by, err
}

// neurons adds the parts of the hidden dimensions of a layer's MLP, and of those of the experts that
// the positions chose; false: there are none.
func (d *direct) neurons(layer int, values ofLayer) (bool, error) {
	var wrt []model.Site
	for _, site := range []model.Site{model.MLPPost, model.ExpertPost} {
		if _, ok := values[site]; ok {
			wrt = append(wrt, site)
		}
	}
	if wrt == nil {
		return false, nil
	}
	end, by, err := d.beforeMLP(layer, values)
	if err != nil {
		return false, err
	}
	gradients, err := d.replay(layer, values, end, by, wrt)
	if err != nil {
		return false, err
	}
	check := newBalance(len(by))
	for k, site := range wrt {
		if site == model.ExpertPost {
			d.expertNeurons(layer, values, gradients[k], check)
		} else {
			d.denseNeurons(layer, values[site], gradients[k], check)
		}
	}
	if err := d.constant(layer, "mlp", values, end, by, check); err != nil {
		return false, err
	}
	return true, check.whole(d.dots(layer, values[end], by), d.norm, fmt.Sprintf("the neurons of layer %d", layer))
}

func (d *direct) denseNeurons(layer int, post edit.Value, gradient []float64, check *balance) {
	n, width := post.Shape[0], post.Shape[1]
	for j := range width {
		each := make([]float64, n)
		for i := range each {
			each[i] = gradient[i*width+j] * float64(post.Data[i*width+j])
		}
		check.add(each)
		d.add(Contribution{Name: fmt.Sprintf("%s#%d", model.Place{Site: model.MLPPost, Layer: layer}, j), Site: model.MLPPost, Layer: &layer, Neuron: &j}, each)
	}
}

// expertNeurons adds the hidden dimensions of the experts.
func (d *direct) expertNeurons(layer int, values ofLayer, gradient []float64, check *balance) {
	post, ids := values[model.ExpertPost], values[model.ExpertIDs]
	n, chosen, width := post.Shape[0], post.Shape[1], post.Shape[2]
	for _, e := range distinct(ids) {
		for j := range width {
			each := make([]float64, n)
			for i := range n {
				for k := range chosen {
					if int(ids.Data[i*chosen+k]) == e {
						at := (i*chosen+k)*width + j
						each[i] += gradient[at] * float64(post.Data[at])
					}
				}
			}
			check.add(each)
			d.add(Contribution{Name: fmt.Sprintf("%s#%d.%d", model.Place{Site: model.ExpertPost, Layer: layer}, e, j), Site: model.ExpertPost, Layer: &layer, Expert: &e, Neuron: &j}, each)
		}
	}
}

// distinct returns the numbers of experts that some position chose, ascending.
func distinct(ids edit.Value) []int {
	var out []int
	for _, id := range ids.Data {
		out = append(out, int(id))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// experts adds the parts of the experts that the positions chose, and of the shared one; false: the
// layer is no mixture.
func (d *direct) experts(layer int, values ofLayer) (bool, error) {
	out, ok := values[model.ExpertOut]
	if !ok {
		return false, nil
	}
	end, by, err := d.beforeMLP(layer, values)
	if err != nil {
		return false, err
	}
	each, err := d.beforeExperts(layer, values, end, by)
	if err != nil {
		return false, err
	}
	n, chosen, width := out.Shape[0], out.Shape[1], out.Shape[2]
	check := newBalance(n)
	ids := values[model.ExpertIDs]
	for _, e := range distinct(ids) {
		values := make([]float64, n)
		for i := range n {
			for k := range chosen {
				if from := (i*chosen + k) * width; int(ids.Data[i*chosen+k]) == e {
					values[i] += dot32(each[i], out.Data[from:from+width])
				}
			}
		}
		check.add(values)
		d.add(Contribution{Name: fmt.Sprintf("%s#%d", model.Place{Site: model.ExpertOut, Layer: layer}, e), Site: model.ExpertOut, Layer: &layer, Expert: &e}, values)
	}
	if shared, ok := values[model.SharedOut]; ok {
		values := d.dots(layer, shared, by)
		check.add(values)
		d.add(Contribution{Name: model.Place{Site: model.SharedOut, Layer: layer}.String(), Site: model.SharedOut, Layer: &layer}, values)
	}
	if err := d.constant(layer, "mlp", values, end, by, check); err != nil {
		return false, err
	}
	return true, check.whole(d.dots(layer, values[end], by), d.norm, fmt.Sprintf("the experts of layer %d", layer))
}

// beforeExperts returns the gradients by what the experts give together, at each position, what follows
// them held.
func (d *direct) beforeExperts(layer int, values ofLayer, end model.Site, by [][]float64) ([][]float64, error) {
	out, follow := values[model.ExpertOut], &d.wires.experts[layer]
	if follow.other {
		return nil, refuse("what follows the experts of layer %d is neither a norm nor a factor, and cannot be held: take them by component", layer)
	}
	each := make([][]float64, len(by))
	shared, hasShared := values[model.SharedOut]
	for i := range each {
		mixed, added := make([]float32, out.Shape[2]), at(values[end], i)
		for j, x := range at(out, i) {
			mixed[j%len(mixed)] += x
		}
		if hasShared {
			added = subtract32(added, at(shared, i))
		}
		var err error
		if each[i], err = follow.back(by[i], mixed, added, fmt.Sprintf("what follows the experts of layer %d", layer)); err != nil {
			return nil, err
		}
	}
	return each, nil
}
