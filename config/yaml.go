package config

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Bounds on one file (THREATS 25). The library takes time with the square of
// the number of tokens of a mapping, and stack with the depth: so both are
// counted before it parses.
const (
	maxBytes  = 1 << 20
	maxDepth  = 50
	maxTokens = 50_000
	maxKeys   = 10_000
	maxColumn = 1_000 // of a key or dash outside brackets; an indentation no deeper than the stack
)

// kind says what a node is.
type kind int

const (
	empty kind = iota // nothing, or null
	scalar
	list
	table
)

// node is the part of YAML that configuration uses: plain trees with positions.
type node struct {
	kind    kind
	text    string // of a scalar
	plain   bool   // not quoted: may be a number or a boolean
	items   []*node
	entries []entry
	line    int
	column  int
}

// entry is one key of a table.
type entry struct {
	key          string
	line, column int
	value        *node
}

// get returns the value of a key; nil if it is not there.
func (n *node) get(key string) *node {
	if n == nil {
		return nil
	}
	for _, e := range n.entries {
		if e.key == key {
			return e.value
		}
	}
	return nil
}

// read makes a tree of a file. The problems are all that were found; with any,
// the tree may be partial or nil.
func read(name string, data []byte) (root *node, problems []Problem) {
	b := &book{file: name}
	defer func() {
		// The library is not ours, and input may be hostile: its bug is no end of ours.
		if r := recover(); r != nil {
			b.add(1, 1, "this YAML cannot be read", "simplify it")
			root, problems = nil, b.problems
		}
	}()
	if !b.text(data) {
		return nil, b.problems
	}
	tokens := lexer.Tokenize(string(data))
	if !b.tokens(tokens) {
		return nil, b.problems
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		b.syntax(err)
		return nil, b.problems
	}
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if root != nil {
			at := doc.Body.GetToken().Position
			b.add(at.Line, at.Column, "a second document in one file", "use one file for each, in curfew.d")
			break
		}
		root = b.tree(doc.Body, 0)
	}
	if root == nil {
		root = &node{kind: table, line: 1, column: 1}
	}
	return root, b.problems
}

// text refuses what is no text before anything reads it.
func (b *book) text(data []byte) bool {
	if len(data) > maxBytes {
		b.add(1, 1, fmt.Sprintf("the file is longer than %d bytes", maxBytes), "split it into curfew.d/*.yaml")
		return false
	}
	line, column := 1, 1
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b.add(line, column, "this is not UTF-8 text", "")
			return false
		case r == '\n':
			line, column = line+1, 0
		case r < ' ' && r != '\t' && r != '\r', r == 0x7f, r >= 0x80 && r < 0xa0, r == 0x2028, r == 0x2029, r == 0xfeff && i > 0, hidden(r):
			b.add(line, column, fmt.Sprintf("the invisible character %U", r), "remove it")
			return false
		}
		i, column = i+size, column+1
	}
	return true
}

// hidden characters change the direction of text or have no width: what a
// person reads would not be what is meant.
func hidden(r rune) bool {
	return r >= 0x200b && r <= 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x2060 && r <= 0x2069 || r == 0x61c || r == 0xad || r >= 0xe0000 && r <= 0xe007f
}

// tokens refuses what YAML can do and a policy does not need, and what would
// take the parser too long or too deep.
func (b *book) tokens(tokens token.Tokens) bool {
	depth, keys, headers := 0, 0, 0
	for i, t := range tokens {
		what := ""
		switch t.Type {
		case token.AnchorType:
			what = "anchors (&) are not used here"
		case token.AliasType:
			what = "aliases (*) are not used here"
		case token.TagType:
			what = "tags (!) are not used here"
		case token.MergeKeyType:
			what = "merge keys (<<) are not used here"
		case token.DirectiveType:
			what = "directives (%) are not used here"
		case token.MappingKeyType:
			what = "complex keys (?) are not used here"
		case token.DocumentHeaderType:
			if headers++; headers > 1 || i > 0 && tokens[i-1].Type != token.CommentType {
				what = "a second document in one file is not used here"
			}
		case token.MappingStartType, token.SequenceStartType:
			depth++
		case token.MappingEndType, token.SequenceEndType:
			depth--
		case token.MappingValueType:
			keys++
		}
		structure := t.Type == token.MappingValueType || t.Type == token.SequenceEntryType
		switch {
		case what != "":
		case depth > maxDepth || depth <= 0 && structure && t.Position.Column > maxColumn:
			what = fmt.Sprintf("this is nested deeper than %d", maxDepth)
		case keys > maxKeys:
			what = fmt.Sprintf("the file has more than %d keys", maxKeys)
		case i >= maxTokens:
			what = fmt.Sprintf("the file has more than %d words", maxTokens)
		}
		if what != "" {
			b.add(t.Position.Line, t.Position.Column, what, "")
			return false
		}
	}
	return true
}

// syntax reports the library's error at its place.
func (b *book) syntax(err error) {
	line, column, message := 1, 1, "this is no YAML"
	var e yaml.Error
	if errors.As(err, &e) {
		message = "this is no YAML: " + bounded(e.GetMessage())
		if t := e.GetToken(); t != nil && t.Position != nil {
			line, column = t.Position.Line, t.Position.Column
		}
	}
	b.add(line, column, message, "check indentation, colons and quotes")
}

// tree copies the library's tree into ours.
func (b *book) tree(from ast.Node, depth int) *node {
	t := from.GetToken()
	n := &node{line: t.Position.Line, column: t.Position.Column}
	if depth > maxDepth {
		b.add(n.line, n.column, fmt.Sprintf("this is nested deeper than %d", maxDepth), "")
		return n
	}
	switch from := from.(type) {
	case *ast.NullNode:
	case *ast.StringNode:
		n.kind, n.text, n.plain = scalar, from.Value, t.Type == token.StringType
	case *ast.LiteralNode:
		n.kind, n.text = scalar, from.Value.Value
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode:
		n.kind, n.text, n.plain = scalar, t.Value, true
	case *ast.SequenceNode:
		n.kind = list
		for _, item := range from.Values {
			n.items = append(n.items, b.tree(item, depth+1))
		}
	case *ast.MappingNode:
		n.kind = table
		for _, value := range from.Values {
			b.entry(n, value, depth)
		}
	case *ast.MappingValueNode:
		n.kind = table
		b.entry(n, from, depth)
	default:
		b.add(n.line, n.column, "this kind of YAML is not used here", "")
	}
	return n
}

func (b *book) entry(n *node, from *ast.MappingValueNode, depth int) {
	t := from.Key.GetToken()
	line, column := t.Position.Line, t.Position.Column
	if len(n.entries) == 0 {
		n.line, n.column = line, column
	}
	key := ""
	switch k := from.Key.(type) {
	case *ast.StringNode:
		key = k.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		key = t.Value
	default:
		b.add(line, column, "this is no key", "keys are text")
		return
	}
	for _, e := range n.entries {
		if e.key == key {
			b.add(line, column, fmt.Sprintf("%q is here a second time; the first is in line %d", bounded(key), e.line), "keep one")
			return
		}
	}
	value := b.tree(from.Value, depth+1)
	n.entries = append(n.entries, entry{key, line, column, value})
}
