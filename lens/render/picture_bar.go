package render

import (
	"math"
	"slices"
)

// The colour bar, in points.
const (
	barThick  = 32 * pixel
	barLength = 420 * pixel // of many rows
	shortBar  = 168 * pixel // of few
	barTick   = 8 * pixel
	tickRoom  = textSize * 1.1 // between two
)

func (h *heatmap) barWidth() float64 {
	w := h.wide(h.numbersAre, textSize)
	for _, t := range h.ticks() {
		w = max(w, barThick+barTick+gap/2+h.wide(t.text, textSize))
	}
	return 2*margin + w
}

func (h *heatmap) barTop() float64 {
	return snap(h.painter.top() + max(h.edgeRows(h.above), 1.6*textSize))
}

func (h *heatmap) barLength() float64 {
	rows := float64(len(h.rows)) * h.cell.h
	return snap(min(barLength, max(rows, shortBar)))
}

// ticks of the colour bar.
func (h *heatmap) ticks() []tick {
	if h.scale.log {
		return logTicks(h.scale.lo, h.scale.hi)
	}
	return linearTicks(h.scale.lo, h.scale.hi, 6)
}

// colourBar draws the scale at the right, the light end on top: what is close to the
// answer, or sure.
func (h *heatmap) colourBar() {
	length := h.barLength()
	b := box{snap(h.columnX(0, h.per-1) + h.cell.w + margin), h.barTop(), barThick, length}
	h.write(h.numbersAre, b.x, b.y-textSize/2, textSize, softInk, left)
	if !(h.scale.hi > h.scale.lo) { // all numbers are the same, and so is the colour
		h.fill(b, ramp(h.scale.at(h.scale.lo)))
		h.tick(b, 0.5, h.says.number(h.scale.lo))
		return
	}
	steps := int(math.Round(length / pixel))
	for i := range steps {
		y := b.y + float64(i)*pixel // to the end: the next covers it, and no paper shines through between
		h.fill(box{b.x, y, b.w, b.bottom() - y}, ramp(1-float64(i)/float64(steps-1)))
	}
	last := math.Inf(-1)
	ticks := h.sortedTicks()
	end := 1 - h.scale.at(ticks[len(ticks)-1].at)
	for i, t := range ticks {
		where := 1 - h.scale.at(t.at)
		atEnd := i == len(ticks)-1
		if (where-last)*length >= tickRoom && (atEnd || (end-where)*length >= tickRoom) {
			h.tick(b, where, t.text)
			last = where
		}
	}
}

// sortedTicks are the ticks from top to bottom.
func (h *heatmap) sortedTicks() []tick {
	ts := h.ticks()
	slices.SortFunc(ts, func(a, b tick) int {
		if h.scale.at(a.at) > h.scale.at(b.at) {
			return -1
		}
		return 1
	})
	return ts
}

func (h *heatmap) tick(b box, where float64, text string) {
	y := snap(b.y + where*(b.h-pixel))
	h.fill(box{b.right(), y, barTick, pixel}, softInk)
	h.centred(text, b.right()+barTick+gap/2, y, textSize, softInk, left)
}
