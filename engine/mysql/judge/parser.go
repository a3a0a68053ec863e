package judge

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/pingcap/tidb/pkg/parser"
	"github.com/pingcap/tidb/pkg/parser/ast"
	_ "github.com/pingcap/tidb/pkg/parser/test_driver" // constants: the grammar's own, which knows no server
)

// parsers are kept: one is half a megabyte of tables, and not safe for concurrent use.
//
//nolint:gochecknoglobals // a pool
var parsers = sync.Pool{New: func() any { return parser.New() }}

// parse reads a text into statements.
func parse(text string) (out []ast.StmtNode, err error) {
	plain, err := read(text)
	if err != nil {
		return nil, err
	}
	defer func() {
		if p := recover(); p != nil { // a fault in the grammar refuses one text, and its parser is not kept
			out, err = nil, errors.New("the grammar broke on it")
		}
	}()
	p, _ := parsers.Get().(*parser.Parser)
	out, warnings, err := p.Parse(plain, "utf8mb4", "utf8mb4_bin")
	if err != nil {
		err = unreadable(err)
	} else if len(warnings) > 0 {
		err = fmt.Errorf("the grammar is in doubt: %w", warnings[0])
	}
	out = slices.Clone(out) // the parser's own list is written again by whoever has it next
	parsers.Put(p)
	return out, err
}

// unreadable says where a text stopped making sense. The grammar quotes all of the rest.
func unreadable(err error) error {
	where, _, _ := strings.Cut(err.Error(), " near ")
	if !strings.HasPrefix(where, "line ") {
		return errors.New("it is no statement that the grammar knows")
	}
	return errors.New("it is no statement that the grammar knows, from " + where + " on")
}
