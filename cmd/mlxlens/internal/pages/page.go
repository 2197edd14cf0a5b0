package main

import (
	"cmp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mlxlens/mlxlens/cmd/mlxlens/internal/cli"
)

// page is what the program says of one command, or of a help topic, which has neither usage nor
// flags.
type page struct {
	name     string // as it is called: "mlxlens trace"
	short    string
	long     string
	usage    string
	examples []string
	below    []option // the commands of a group
	flags    []option
	common   []option // flags that every command below it takes too
	codes    []cli.ExitCode
}

// option is a flag of a command, or a command of a group.
type option struct{ name, usage string }

// pagesOf are the pages of a command and of all commands and topics below it, in the order of its help.
func pagesOf(c *cobra.Command) []page {
	all := []page{pageOf(c)}
	for _, below := range c.Commands() {
		if below.Name() != "help" && !below.Hidden {
			all = append(all, pagesOf(below)...)
		}
	}
	return all
}

func pageOf(c *cobra.Command) page {
	p := page{name: c.CommandPath(), short: c.Short, long: strings.Trim(cmp.Or(c.Long, c.Short+"."), "\n")}
	if c.Parent() != nil && !c.Runnable() && !c.HasSubCommands() {
		p.name = "mlxlens help " + c.Name()
		return p
	}
	p.usage, p.codes = c.UseLine(), cli.ExitCodes()
	for line := range strings.Lines(c.Example) {
		if line = strings.TrimSpace(line); line != "" {
			p.examples = append(p.examples, line)
		}
	}
	if c.HasParent() {
		for _, below := range c.Commands() {
			p.below = append(p.below, option{below.CommandPath(), below.Short})
		}
	}
	c.InitDefaultHelpFlag()
	c.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			p.flags = append(p.flags, optionOf(f))
		}
	})
	c.PersistentFlags().VisitAll(func(f *pflag.Flag) { p.common = append(p.common, optionOf(f)) })
	return p
}

func optionOf(f *pflag.Flag) option {
	name := "--" + f.Name
	if f.Shorthand != "" {
		name = "-" + f.Shorthand + ", " + name
	}
	if value := cli.ValueName(f); value != "" {
		name += " " + value
	}
	return option{name, cli.FlagUsage(f)}
}

// file is the page's name without an ending.
func (p *page) file() string {
	return strings.ReplaceAll(strings.Replace(p.name, "mlxlens help ", "mlxlens ", 1), " ", "-")
}

// block is a part of a help text: lines that flow, or that stand as they are.
type block struct {
	verbatim bool
	lines    []string
}

// blocks cuts a help text: what is indented there stands as it is.
func blocks(text string) []block {
	var all []block
	for _, part := range strings.Split(text, "\n\n") {
		for _, line := range strings.Split(part, "\n") {
			if line == "" {
				continue
			}
			verbatim := line[0] == ' ' || line[0] == '\t'
			last := len(all) - 1
			if last < 0 || all[last].verbatim != verbatim || len(all[last].lines) == 0 {
				all = append(all, block{verbatim: verbatim})
				last++
			}
			all[last].lines = append(all[last].lines, strings.TrimRight(line, " "))
		}
		if last := len(all) - 1; last >= 0 {
			if all[last].verbatim {
				all[last].lines = append(all[last].lines, "")
			} else {
				all = append(all, block{}) // the next paragraph is another
			}
		}
	}
	var out []block
	for _, b := range all {
		for len(b.lines) > 0 && b.lines[len(b.lines)-1] == "" {
			b.lines = b.lines[:len(b.lines)-1]
		}
		if len(b.lines) > 0 {
			out = append(out, b)
		}
	}
	return out
}
