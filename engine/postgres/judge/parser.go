package judge

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/wasilibs/go-pgquery/parser"
)

// Parser is PostgreSQL's grammar with a memory of the texts it parsed. Nothing is
// loaded before the first text or Warm: that takes 1.5 to 3 s of one core and 270 MB
// while it lasts, 30 MB afterwards. One serves all sessions and is safe for concurrent
// use; it parses one text at a time, because each parallel parse would load a grammar of
// its own. The zero value is ready.
type Parser struct {
	grammar sync.Mutex // held while the parser works
	broken  error      // guarded by grammar
	large   sync.Mutex // held while a large text is read: the trees of several would take too much

	texts memory[*parsed]
}

// Trees take up to sixty times as much as their texts.
func treeBounds() bounds { return bounds{texts: 2000, bytes: 512 << 10, one: 16 << 10} }

// large is a text of which one is read at a time.
const large = 16 << 10

// parsed is what is known of a text whoever sends it. It is never changed.
type parsed struct {
	statements []statement
	err        error
}

type statement struct {
	tree       node
	err        error // why there is no tree
	forms      Forms
	kind       string
	digest     string
	start, end int
}

// Warm loads the grammar now, so that the first statement need not wait.
func (p *Parser) Warm() error { return p.parse("SELECT 1").err }

// parse parses a text, or remembers it.
func (p *Parser) parse(text string) *parsed {
	if found, ok := p.texts.recall(text); ok {
		return found
	}
	if len(text) > large {
		p.large.Lock()
		defer p.large.Unlock()
	}
	out := p.read(text)
	if !errors.Is(out.err, errBroken) {
		p.texts.keep(text, out, treeBounds())
	}
	return out
}

func (p *Parser) read(text string) *parsed {
	out := &parsed{}
	if out.err = weigh(text); out.err != nil {
		return out
	}
	tree, err := p.call(text)
	if err != nil {
		out.err = err
		return out
	}
	raws, err := split(tree)
	if err != nil {
		out.err = err
		return out
	}
	for _, r := range raws {
		s := statement{digest: digest(r.Stmt), start: r.Location, end: r.Location + r.Len}
		if r.Len == 0 {
			s.end = len(text)
		}
		for name := range r.Stmt {
			s.kind = name
		}
		s.tree, s.err = build(r.Stmt)
		s.forms = formsOf(r.Stmt)
		out.statements = append(out.statements, s)
	}
	return out
}

// errBroken: the parser failed inside. What it would say now cannot be believed.
var errBroken = errors.New("the parser failed; the gateway must be restarted")

// patience is how long the parser may work on one text: the dearest seen take a
// hundredth of it, loading included.
const patience = 2 * time.Minute

// call asks the grammar. After a panic its memory may be corrupt, and no parser of
// this process is asked again by this Parser. Nor if it does not come back: that
// goroutine cannot be ended, but nobody waits for it.
func (p *Parser) call(text string) (tree string, err error) {
	p.grammar.Lock()
	defer p.grammar.Unlock()
	if p.broken != nil {
		return "", p.broken
	}
	type answer struct {
		tree string
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		defer func() {
			if r := recover(); r != nil {
				answers <- answer{err: fmt.Errorf("%w: %.80v", errBroken, r)}
			}
		}()
		tree, err := parser.ParseToJSON(text)
		answers <- answer{tree, err}
	}()
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case a := <-answers:
		if errors.Is(a.err, errBroken) {
			p.broken = errBroken
		}
		return a.tree, a.err
	case <-late.C:
		p.broken = errBroken
		return "", errBroken
	}
}
