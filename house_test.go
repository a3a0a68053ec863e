package curfew_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/curfewhq/curfew"

// floors is the house, as data. A package imports only packages on lower floors;
// packages on one floor do not know each other. A folder below one that is
// listed (an adapter) stands one step above it.
var floors = map[string]float64{
	".":        0,
	"schedule": 1.1, "passkey": 1.1, "quorum": 1.1, "seal": 1.1, "screen": 1.1,
	"policy": 1.3, "say": 1.3,
	"ledger": 2.1, "shelf": 2.1, "deadline": 2.1,
	"vault": 2.3, "config": 2.3,
	"access": 3.1, "record": 3.1,
	"reach": 3.3, "history": 3.3, "evidence": 3.3,
	"lease": 3.5, "retention": 3.5,
	"session": 3.7,
	"engine":  4, "identity": 4.1,
	"engine/postgres/judge": 4.9, "engine/mysql/judge": 4.9, "engine/postgres": 5, "engine/ssh": 5, "engine/mysql": 5, "engine/http": 5, "engine/toyline": 5, "engine/toycall": 5, "engine/tcp": 5,
	"client":  6.1,
	"gateway": 6.3, "api": 6.3, "metrics": 6.3,
	"console": 6.4,
	"cli":     6.5,
	"servers": 7.1,
	"demo":    7.3,
	"serve":   7.3, "cmd/curfew": 7.5,
	"bench": 8, "crash": 8, "clients": 8, "browse": 8,
}

// helpers are packages that only tests, other helpers and demo import.
func helper(pkg string) bool {
	return strings.HasSuffix(path.Base(pkg), "test") || pkg == "servers" || pkg == "bench" || pkg == "crash" || pkg == "clients" || pkg == "browse"
}

const step = 0.01

func floorOf(pkg string) (float64, bool) {
	if f, ok := floors[pkg]; ok {
		return f, true
	}
	if parent := path.Dir(pkg); parent != "." {
		if f, ok := floors[parent]; ok {
			return f + step, true
		}
	}
	return 0, false
}

type source struct {
	pkg  string
	file string
	ast  *ast.File
	test bool
}

func sources(t *testing.T) []source {
	t.Helper()
	var out []source
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if base := d.Name(); p != "." && (strings.HasPrefix(base, ".") || base == "testdata" || base == "node_modules") {
				return fs.SkipDir
			}
			if _, err := os.Stat(filepath.Join(p, "go.mod")); err == nil && p != "." {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		out = append(out, source{filepath.ToSlash(filepath.Dir(p)), p, f, strings.HasSuffix(p, "_test.go")})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestHouseFloors(t *testing.T) {
	for _, s := range sources(t) {
		floor, ok := floorOf(s.pkg)
		if !ok {
			t.Errorf("%s: the package %s has no floor in the house", s.file, s.pkg)
			continue
		}
		for _, imp := range s.ast.Imports {
			target, ours := strings.CutPrefix(imp.Path.Value, strconv.Quote(module)[:len(module)+1])
			if !ours {
				continue
			}
			target = strings.Trim(strings.TrimSuffix(target, `"`), "/")
			if target == "" {
				target = "."
			}
			below, ok := floorOf(target)
			switch {
			case s.test || helper(s.pkg):
			case helper(target) && s.pkg != "demo" && s.pkg != "cmd/curfew":
				t.Errorf("%s imports the helper %s", s.file, target)
			case !ok || below >= floor:
				t.Errorf("%s (floor %.2f) imports %s (floor %.2f)", s.file, floor, target, below)
			}
		}
	}
}

func TestHousePackageComments(t *testing.T) {
	comments, packages := map[string]int{}, map[string]bool{}
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		packages[s.pkg] = true
		if s.ast.Doc != nil {
			comments[s.pkg]++
		}
	}
	for pkg := range packages {
		if comments[pkg] != 1 {
			t.Errorf("the package %s has %d package comments, want one", pkg, comments[pkg])
		}
	}
}

func TestHouseNoInit(t *testing.T) {
	for _, s := range sources(t) {
		for _, d := range s.ast.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s has an init", s.file)
			}
		}
	}
}

// dialers may make connections: reach to resources, client to our own API.
func TestHouseOnlyReachDials(t *testing.T) {
	allowed := map[string]bool{"reach": true, "client": true}
	for _, s := range sources(t) {
		if s.test || helper(s.pkg) || allowed[s.pkg] || s.pkg == "demo" {
			continue
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := sel.X.(*ast.Ident)
			if ok && (x.Name == "net" || x.Name == "tls") && strings.HasPrefix(sel.Sel.Name, "Dial") {
				t.Errorf("%s dials: %s.%s", s.file, x.Name, sel.Sel.Name)
			}
			return true
		})
	}
}

// A passphrase is hashed slowly, but for tests.
func TestHouseOnlyTestsHashQuickly(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || helper(s.pkg) {
			continue
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "HashQuickly" {
				t.Errorf("%s hashes passphrases quickly", s.file)
			}
			return true
		})
	}
}
