package golden

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
)

// WriteGGUF makes the checkpoint as a GGUF file, as llama.cpp's converter would: meta
// is the metadata (string, bool, uint32, float32 or lists of uint32), layout names each tensor in the
// file ("" leaves it out) and says which row of the matrix each row of the file is, nil
// for the same. Tensors are float32, or random blocks of a quantized type.
func (a *Architecture) WriteGGUF(path string, meta map[string]any, layout func(name string) (file string, rows []int)) error {
	le := binary.LittleEndian
	text := appendGGUFText
	var infos, data []byte
	count := 0
	for _, t := range a.Tensors {
		name, rows := layout(t.Name)
		if name == "" {
			continue
		}
		block, quantized := ggufBlocks[t.Type]
		if t.Type != "float32" && !quantized {
			return fmt.Errorf("golden: tensor %q is %s, want float32 or a quantized GGUF type", t.Name, t.Type)
		}
		var raw []byte
		if quantized {
			raw = t.blocks(block)
		} else {
			var err error
			if raw, err = t.draw(nil); err != nil {
				return err
			}
		}
		infos = le.AppendUint32(text(infos, name), uint32(len(t.Shape)))
		for i := len(t.Shape) - 1; i >= 0; i-- { // innermost first
			infos = le.AppendUint64(infos, uint64(t.Shape[i]))
		}
		infos = le.AppendUint64(le.AppendUint32(infos, block.number), uint64(len(data))) // 0 is F32
		if rows != nil {
			raw = reordered(raw, rows)
		}
		data = append(data, raw...)
		data = append(data, make([]byte, -len(data)&31)...)
		count++
	}
	file := le.AppendUint64(le.AppendUint64(le.AppendUint32([]byte("GGUF"), 3), uint64(count)), uint64(len(meta)))
	for key, value := range meta {
		var err error
		if file, err = appendGGUFValue(text(file, key), value); err != nil {
			return err
		}
	}
	file = append(file, infos...)
	file = append(file, make([]byte, -len(file)&31)...)
	return os.WriteFile(path, append(file, data...), 0o644)
}

func appendGGUFText(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint64(b, uint64(len(s))), s...)
}

// appendGGUFValue adds the type of a value of the metadata, and the value.
func appendGGUFValue(file []byte, value any) ([]byte, error) {
	le := binary.LittleEndian
	switch v := value.(type) {
	case string:
		return appendGGUFText(le.AppendUint32(file, 8), v), nil
	case uint32:
		return le.AppendUint32(le.AppendUint32(file, 4), v), nil
	case bool:
		return append(le.AppendUint32(file, 7), map[bool]byte{true: 1}[v]), nil
	case []uint32:
		file = le.AppendUint64(le.AppendUint32(le.AppendUint32(file, 9), 4), uint64(len(v)))
		return binary.Append(file, le, v)
	case []string:
		file = le.AppendUint64(le.AppendUint32(le.AppendUint32(file, 9), 8), uint64(len(v)))
		for _, s := range v {
			file = appendGGUFText(file, s)
		}
		return file, nil
	}
	return binary.Append(le.AppendUint32(file, 6), le, value.(float32))
}

// ggufBlock describes a quantized type: its number, a block's size, and where its
// float16 factors stand.
type ggufBlock struct {
	number          uint32
	elements, bytes int
	factors         []int
}

var ggufBlocks = map[string]ggufBlock{
	"Q8_0": {8, 32, 34, []int{0}}, "Q4_0": {2, 32, 18, []int{0}}, "Q5_1": {7, 32, 24, []int{0, 2}},
	"Q3_K": {11, 256, 110, []int{108}}, "Q4_K": {12, 256, 144, []int{0, 2}}, "Q5_K": {13, 256, 176, []int{0, 2}},
	"Q6_K": {14, 256, 210, []int{208}}, "IQ4_XS": {23, 256, 136, []int{0}}, "MXFP4": {39, 32, 17, nil},
}

// blocks draws random blocks whose factors are Center·(1 + u/4).
func (d *Drawn) blocks(b ggufBlock) []byte {
	n := d.Shape[0] * d.Shape[1] / b.elements
	bytes := Drawn{Name: d.Name, Type: "uint8", Shape: []int{n * b.bytes}, Amplitude: 256}
	raw, _ := bytes.draw(nil)
	factors := Drawn{Name: d.Name + " factors", Type: "float16", Shape: []int{n * len(b.factors)}, Center: d.Center, Amplitude: d.Center / 4}
	values, _ := factors.draw(nil)
	for i := range n {
		if b.factors == nil { // the scale is a power of two: 2⁻⁷ to 2⁻⁴
			raw[i*b.bytes] = 120 + raw[i*b.bytes]%4
		}
		for j, at := range b.factors {
			copy(raw[i*b.bytes+at:], values[(i*len(b.factors)+j)*2:][:2])
		}
	}
	return raw
}

func reordered(data []byte, rows []int) []byte {
	size := len(data) / len(rows)
	var out []byte
	for _, r := range rows {
		out = append(out, data[r*size:(r+1)*size]...)
	}
	return out
}

// GGUFName is llama.cpp's name of a tensor of a model with Llama's modules.
func GGUFName(name string) string {
	name = strings.TrimPrefix(name, "model.")
	for _, n := range [][2]string{
		{"embed_tokens.", "token_embd."}, {"lm_head.", "output."}, {"layers.", "blk."}, {"input_layernorm.", "attn_norm."},
		{"post_attention_layernorm.", "ffn_norm."}, {"self_attn.qkv_proj.", "attn_qkv."}, {"mlp.gate_up_proj.", "ffn_up."},
		{"self_attn.q_norm.", "attn_q_norm."}, {"self_attn.k_norm.", "attn_k_norm."}, {"self_attn.q_proj.", "attn_q."}, {"self_attn.k_proj.", "attn_k."},
		{"self_attn.v_proj.", "attn_v."}, {"self_attn.o_proj.", "attn_output."}, {"mlp.gate_proj.", "ffn_gate."},
		{"mlp.switch_mlp.gate_proj.", "ffn_gate_exps."}, {"mlp.switch_mlp.up_proj.", "ffn_up_exps."}, {"mlp.switch_mlp.down_proj.", "ffn_down_exps."},
		{"mlp.experts.gate_proj.", "ffn_gate_exps."}, {"mlp.experts.up_proj.", "ffn_up_exps."}, {"mlp.experts.down_proj.", "ffn_down_exps."},
		{"block_sparse_moe.switch_mlp.gate_proj.", "ffn_gate_exps."}, {"block_sparse_moe.switch_mlp.up_proj.", "ffn_up_exps."},
		{"block_sparse_moe.switch_mlp.down_proj.", "ffn_down_exps."}, {"block_sparse_moe.gate.", "ffn_gate_inp."},
		{"mlp.router.", "ffn_gate_inp."}, {"mlp.gate.", "ffn_gate_inp."}, {"self_attn.sinks", "attn_sinks.weight"},
		{"mlp.up_proj.", "ffn_up."}, {"mlp.down_proj.", "ffn_down."},
		{"wte.", "token_embd."}, {"wpe.", "position_embd."}, {"h.", "blk."}, {"ln_1.", "attn_norm."}, {"ln_2.", "ffn_norm."},
		{"ln_f.", "output_norm."}, {"attn.c_attn.", "attn_qkv."}, {"attn.c_proj.", "attn_output."}, {"mlp.c_fc.", "ffn_up."},
		{"mlp.c_proj.", "ffn_down."},
	} {
		if strings.HasPrefix(name, n[0]) || strings.Contains(name, "."+n[0]) {
			name = strings.Replace(name, n[0], n[1], 1)
		}
	}
	if strings.HasPrefix(name, "norm.") {
		name = "output_" + name
	}
	return name
}

// PostNormGGUFName is llama.cpp's name of a tensor of gpt-oss, which it calls the second norm of
// otherwise.
func PostNormGGUFName(name string) string {
	return GGUFName(strings.Replace(name, ".post_attention_layernorm.", ".post_attention_norm.", 1))
}

// GemmaGGUFName is llama.cpp's name of a tensor of a Gemma 2 or 3, which has four norms in a
// block.
func GemmaGGUFName(name string) string {
	for _, n := range [][2]string{
		{".post_attention_layernorm.", ".post_attention_norm."}, {".pre_feedforward_layernorm.", ".ffn_norm."},
		{".post_feedforward_layernorm.", ".post_ffw_norm."},
	} {
		name = strings.Replace(name, n[0], n[1], 1)
	}
	return GGUFName(name)
}

// Interleaved returns the row order that llama.cpp gives Llama's queries and keys: the
// two halves of a head's dimensions, pair by pair.
func Interleaved(heads, headDim int) []int {
	var order []int
	for h := range heads {
		for i := range headDim / 2 {
			order = append(order, h*headDim+i, h*headDim+headDim/2+i)
		}
	}
	return slices.Clip(order)
}
