package experiment

import (
	"fmt"

	"github.com/mlxlens/mlxlens/model"
)

// Refused is an error of what was asked for: places, tokens or options that the model and the prompts do
// not have, or that mean nothing together. Asked otherwise it can be had. What fails though it was asked
// rightly is none: too little memory, or numbers beyond float32.
type Refused struct{ Err error }

func (r *Refused) Error() string { return "experiment: " + r.Err.Error() }

// Unwrap returns what is wrong.
func (r *Refused) Unwrap() error { return r.Err }

func refuse(format string, args ...any) error { return &Refused{fmt.Errorf(format, args...)} }

// onOneProcess refuses a model of which this process holds some layers, for what needs all of them.
func onOneProcess(m model.Model, what string) error {
	if m == nil {
		return refuse("there is no model")
	}
	if err := model.Whole(m, what); err != nil {
		return refuse("%w", err)
	}
	return nil
}
