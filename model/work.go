package model

// Block estimates from above how many numbers a block computes at once, in a pass over so many
// positions of each of so many sequences, of which a query sees keys.
func (s Shape) Block(sequences, positions, keys int) int {
	most := 0
	for layer := range max(len(s.Own), 1) {
		l := s.In(layer)
		// the stream and what is added to it, heads, the branches of the MLP or of the experts
		each := 6*l.DModel + 3*l.DMLP + 2*l.Heads*(l.DHead+l.Size(DValue)) + 4*l.DRecurrent + l.TopK*(3*l.DExpert+2*l.DModel) + 3*l.Experts
		each += 6 * s.Layers * s.DPerLayer // of all layers, made once
		if s.own(layer).LooksBack {
			each += 2 * l.KVHeads * (l.DHead + l.Size(DValue)) // of an earlier layer of each type
		}
		if own := s.own(layer); own.State == 0 && !own.Memoryless {
			each += 3 * l.Heads * keys // scores, their softmax and the mask that was added
		}
		most = max(most, each)
	}
	return sequences * positions * most
}

// Remembered estimates from above how many numbers a cache of a sequence holds, and takes when it
// grows.
func (s Shape) Remembered(positions int) int {
	total, most := 0, 0
	for layer := range s.Layers {
		own := s.own(layer)
		if own.LooksBack || own.Memoryless {
			continue
		}
		l := s.In(layer)
		n := l.KVHeads * (l.DHead + l.Size(DValue)) * (positions + cacheStep)
		if own.State > 0 {
			n = own.State
		}
		total, most = total+n, max(most, n)
	}
	return total + max(most, total/4) // the layer that grows is there twice
}

// own returns the sizes that are a layer's own.
func (s Shape) own(layer int) LayerShape {
	if layer < len(s.Own) {
		return s.Own[layer]
	}
	return LayerShape{}
}
