package judge

// Rulebook is what a permission says about one target: all sessions of a grant share
// it, and it is safe for concurrent use. What it once said of a text it says again
// at the price of a look-up, so a new catalog or permission needs a new Rulebook.
type Rulebook struct {
	parser   *Parser
	allowed  Permission
	known    known
	verdicts memory[Verdict] // of texts that do not speak of a session's names
}

// A verdict takes up to thirty times as much as its text.
func verdictBounds() bounds { return bounds{texts: 1000, bytes: 256 << 10, one: 16 << 10} }

// NewRulebook makes the rules of a permission. Neither p nor c may be changed later.
func NewRulebook(parser *Parser, p Permission, c Catalog) *Rulebook {
	return &Rulebook{parser: parser, allowed: p, known: c.known()}
}

// Judge makes the judge of a session.
func (b *Rulebook) Judge() *Judge {
	return &Judge{book: b, names: names{map[string]bool{}, map[string]bool{}}}
}

// Follow makes a session follow a newer rulebook. What it prepared stays prepared.
func (j *Judge) Follow(b *Rulebook) { j.book = b }
