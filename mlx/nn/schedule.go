package nn

import "math"

// Schedule returns the learning rate λ of a step, counted from 0.
type Schedule func(step int) float64

// Constant returns the same rate for all steps.
func Constant(rate float64) Schedule { return func(int) float64 { return rate } }

// ExponentialDecay returns start·decayᵗ at step t.
func ExponentialDecay(start, decay float64) Schedule {
	return func(t int) float64 { return start * math.Pow(decay, float64(t)) }
}

// StepDecay returns start·decay^⌊t/every⌋. every is 1 or more.
func StepDecay(start, decay float64, every int) Schedule {
	return func(t int) float64 { return start * math.Pow(decay, float64(t/max(every, 1))) }
}

// CosineDecay returns end + (start − end)·(1 + cos(π·t/steps))/2, and end from step steps on
// (Loshchilov and Hutter 2016, arXiv:1608.03983, without restarts).
func CosineDecay(start float64, steps int, end float64) Schedule {
	steps = max(steps, 1)
	return func(t int) float64 {
		return end + (start-end)*0.5*(1+math.Cos(math.Pi*float64(min(t, steps))/float64(steps)))
	}
}

// LinearSchedule goes from start to end in equal steps, and stays there: a warm-up, where end
// is the larger.
func LinearSchedule(start, end float64, steps int) Schedule {
	steps = max(steps, 1)
	return func(t int) float64 { return start + float64(min(t, steps))*(end-start)/float64(steps) }
}

// Until is a schedule and the step at which the next one begins.
type Until struct {
	Schedule Schedule
	Step     int
}

// JoinSchedules goes by each schedule until its step, and by last afterwards. A schedule
// counts from the step at which it began.
func JoinSchedules(last Schedule, before ...Until) Schedule {
	return func(t int) float64 {
		from := 0
		for _, u := range before {
			if t < u.Step {
				return u.Schedule(t - from)
			}
			from = u.Step
		}
		return last(t - from)
	}
}
