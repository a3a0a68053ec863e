package curfew_test

import (
	"bytes"
	"flag"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var updateFrozen = flag.Bool("frozen", false, "write down what engines rest on as it is now")

// TestWhatEnginesRestOn keeps the interface that protocols plug into: whoever changes it
// sees here that every engine, also those that are not in this tree, changes with it
// (docs/decisions/0018-the-engine-interface.md). After a wanted change: go test . -args -frozen.
func TestWhatEnginesRestOn(t *testing.T) {
	for _, folder := range []string{"engine", "session", "lease"} {
		got := exported(t, folder)
		file := filepath.Join("testdata", "frozen", folder+".txt")
		if *updateFrozen {
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, got, 0o644); err != nil { //nolint:gosec // it is public
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("package %s offers something else than it did:\n%s", folder, difference(string(want), string(got)))
		}
	}
}

// difference are the lines that only one of two texts has.
func difference(old, now string) string {
	var out []string
	before, after := strings.Split(old, "\n"), strings.Split(now, "\n")
	for _, l := range before {
		if !slices.Contains(after, l) {
			out = append(out, "- "+l)
		}
	}
	for _, l := range after {
		if !slices.Contains(before, l) {
			out = append(out, "+ "+l)
		}
	}
	return strings.Join(out, "\n")
}

// exported prints what a package offers, without comments and bodies.
func exported(t *testing.T, folder string) []byte {
	t.Helper()
	set := token.NewFileSet()
	names, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var parts []string
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.FileExports(f)
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok {
				fn.Body = nil
			}
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.IMPORT {
				continue
			}
			var b bytes.Buffer
			if err := printer.Fprint(&b, set, d); err != nil {
				t.Fatal(err)
			}
			parts = append(parts, b.String())
		}
	}
	slices.Sort(parts)
	return []byte(strings.Join(parts, "\n\n") + "\n")
}
