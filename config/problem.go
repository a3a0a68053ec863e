package config

import (
	"fmt"
	"strings"

	"github.com/curfewhq/curfew/say"
)

// maxProblems bounds what is reported of one file.
const maxProblems = 20

// Place is where something stands in a file.
type Place struct {
	File         string
	Line, Column int // from 1
}

// String is the place as compilers and editors write it.
func (p Place) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Problem is one fault of a file, where it is and what to do.
type Problem struct {
	Place
	Message string
	Fix     string
	Warning bool // the file can be used
}

func (p Problem) String() string {
	s := p.Place.String() + ": "
	if p.Warning {
		s += "warning: "
	}
	s += p.Message
	if p.Fix != "" {
		s += " → " + p.Fix
	}
	return s
}

// Failed reports whether one of the problems is more than a warning.
func Failed(problems []Problem) bool {
	for _, p := range problems {
		if !p.Warning {
			return true
		}
	}
	return false
}

// book collects the problems of one file.
type book struct {
	file     string
	problems []Problem
}

func (b *book) add(line, column int, message, fix string) {
	if len(b.problems) >= maxProblems {
		return
	}
	b.problems = append(b.problems, Problem{Place: Place{b.file, line, column}, Message: message, Fix: fix})
}

// at adds a problem at a node.
func (b *book) at(n *node, message, fix string) { b.add(n.line, n.column, message, fix) }

// bounded is a stranger's text inside a message.
func bounded(s string) string { return say.Clean(strings.TrimSpace(s), 80) }
