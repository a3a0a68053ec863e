package record

import (
	"bytes"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/seal"
)

// Bounds of words.
const (
	// MaxWord is how much of a word counts, in bytes.
	MaxWord = 64
	// MaxWords bounds the list of a recording; one with more is searched itself.
	MaxWords = 1 << 17
	// MaxAsked is how many words may be asked for at once.
	MaxAsked = 16
	// shortestStart is the shortest beginning of a word that may be asked for.
	shortestStart = 2
)

// EachWord calls f with the words of a text, in lower case: runs of letters, digits
// and underscores. f returns false to end it.
func EachWord(text string, f func(word string) bool) {
	for text != "" {
		start := strings.IndexFunc(text, inWord)
		if start < 0 {
			return
		}
		text = text[start:]
		end := strings.IndexFunc(text, func(r rune) bool { return !inWord(r) })
		if end < 0 {
			end = len(text)
		}
		if !f(folded(text[:end])) {
			return
		}
		text = text[end:]
	}
}

func inWord(r rune) bool {
	return r == '_' || r < utf8.RuneSelf && (r >= '0' && r <= '9' || r|0x20 >= 'a' && r|0x20 <= 'z') ||
		r >= utf8.RuneSelf && r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r))
}

// folded is a word as it is compared: in lower case, cut to MaxWord.
func folded(word string) string {
	if len(word) > 4*MaxWord { // no rune's lower case is shorter than a fourth of it
		word = word[:4*MaxWord]
	}
	word = strings.ToLower(word)
	if len(word) <= MaxWord {
		return strings.ToValidUTF8(word, "")
	}
	n := MaxWord
	for n > 0 && !utf8.RuneStart(word[n]) {
		n--
	}
	return word[:n]
}

// texts calls f with everything of an item that can be searched.
func (it *Item) texts(f func(string) bool) {
	if !f(it.Text) || !f(it.Error) || !f(it.Tag) || !f(it.Code) {
		return
	}
	for _, c := range it.Columns {
		if !f(c) {
			return
		}
	}
	if !textsOf(it.Values, f) {
		return
	}
	for _, row := range it.Table {
		if !textsOf(row, f) {
			return
		}
	}
}

func textsOf(all []Value, f func(string) bool) bool {
	for i := range all {
		if !f(all[i].Text) {
			return false
		}
	}
	return true
}

// Query is what is searched for: words that must all be in one item.
type Query struct{ asked []asked }

type asked struct {
	word  string
	start bool // whatever begins with it
}

// ParseQuery reads words as people type them; refund* is whatever begins with refund.
func ParseQuery(text string) (Query, error) {
	var q Query
	for rest := text; ; {
		start := strings.IndexFunc(rest, inWord)
		if start < 0 {
			break
		}
		rest = rest[start:]
		end := strings.IndexFunc(rest, func(r rune) bool { return !inWord(r) })
		if end < 0 {
			end = len(rest)
		}
		a := asked{word: folded(rest[:end])}
		rest = rest[end:]
		a.start = strings.HasPrefix(rest, "*")
		if a.start && utf8.RuneCountInString(a.word) < shortestStart {
			return q, curfew.Errorf(curfew.Invalid, "%s* is too short: a beginning of a word has at least %d letters", a.word, shortestStart)
		}
		if !slices.Contains(q.asked, a) {
			q.asked = append(q.asked, a)
		}
	}
	switch {
	case len(q.asked) == 0:
		return q, curfew.Errorf(curfew.Invalid, "there is no word to search for: words are letters, digits and underscores").WithFix("for example: curfew sessions search refunds")
	case len(q.asked) > MaxAsked:
		return q, curfew.Errorf(curfew.Invalid, "%d words are too many, %d may be asked for at once", len(q.asked), MaxAsked)
	}
	return q, nil
}

// Words is how many words are asked for.
func (q Query) Words() int { return len(q.asked) }

// Matches reports whether all the words are in the item.
func (q Query) Matches(it *Item) bool {
	found, left := make([]bool, len(q.asked)), len(q.asked)
	it.texts(func(text string) bool {
		EachWord(text, func(word string) bool {
			for i, a := range q.asked {
				if !found[i] && (word == a.word || a.start && strings.HasPrefix(word, a.word)) {
					found[i] = true
					left--
				}
			}
			return left > 0
		})
		return left > 0
	})
	return left == 0
}

// Words is the list of the words of one recording, and of what it looks like
// without values.
type Words struct {
	more  bool // there were more than are listed
	words map[string]bool
	list  []string // sorted; nil until it is asked or written
}

// NewWords is an empty list.
func NewWords() *Words { return &Words{words: map[string]bool{}} }

// Add adds an item's words. shaped is the item as those see it who may not see
// values; nil: they see nothing of it.
func (w *Words) Add(it, shaped *Item) {
	w.list = nil
	w.add(it, false)
	if shaped != nil {
		w.add(shaped, true)
	}
}

func (w *Words) add(it *Item, shaped bool) {
	it.texts(func(text string) bool {
		EachWord(text, func(word string) bool {
			if had, ok := w.words[word]; ok && (had || !shaped) {
				return true
			} else if !ok && len(w.words) >= MaxWords {
				w.more = true
				return false
			}
			w.words[word] = shaped
			return true
		})
		return !w.more
	})
}

// AddShown adds the words of what was to be read on a terminal. Those who may not see
// values do not see them.
func (w *Words) AddShown(text string) { w.Add(&Item{Text: text}, nil) }

// May reports whether the recording may hold what is asked for: false is certain.
// shapes asks only for what those see who may not see values; whether it is in the
// rest makes no difference to the answer.
func (w *Words) May(q Query, shapes bool) bool {
	if w.more {
		return true
	}
	for _, a := range q.asked {
		if !w.has(a, shapes) {
			return false
		}
	}
	return true
}

func (w *Words) has(a asked, shapes bool) bool {
	if !a.start {
		shaped, ok := w.words[a.word]
		return ok && (shaped || !shapes)
	}
	list := w.sorted()
	for i, _ := slices.BinarySearch(list, a.word); i < len(list) && strings.HasPrefix(list[i], a.word); i++ {
		if w.words[list[i]] || !shapes {
			return true
		}
	}
	return false
}

func (w *Words) sorted() []string {
	if w.list == nil {
		w.list = make([]string, 0, len(w.words))
		for word := range w.words {
			w.list = append(w.list, word)
		}
		slices.Sort(w.list)
	}
	return w.list
}

// A sealed list is lines: what it is, then the words in order, behind + those that
// are also in the shape, behind - the others; compressed, sealed under the session's
// key, with the session and the head of the whole recording as associated data.
const (
	wordsHead = "words 2\n" // 1 had no words of screens: such a list is made again
	wordsMore = "words 2 and more\n"
)

func wordsAD(id curfew.SessionID, head [32]byte) []byte {
	return seal.Join([]byte("recording words"), []byte(id), head[:])
}

// Seal closes the list for the recording of the session that has the head.
func (w *Words) Seal(id curfew.SessionID, head [32]byte, key seal.Key, p *Packer) []byte {
	var b bytes.Buffer
	if b.WriteString(wordsHead); w.more {
		b.Reset()
		b.WriteString(wordsMore)
	}
	for _, word := range w.sorted() {
		mark := byte('-')
		if w.words[word] {
			mark = '+'
		}
		b.WriteByte(mark)
		b.WriteString(word)
		b.WriteByte('\n')
	}
	return seal.NewRing(key).Seal(wordsAD(id, head), p.enc.EncodeAll(b.Bytes(), nil))
}

// OpenWords opens what Seal closed, for the same session, head and key.
func OpenWords(box []byte, id curfew.SessionID, head [32]byte, key seal.Key, p *Packer) (*Words, error) {
	packed, err := seal.NewRing(key).Open(wordsAD(id, head), box)
	if err != nil {
		return nil, err
	}
	bad := curfew.Errorf(curfew.Corrupt, "the list of words of %s cannot be read", id)
	plain, err := p.dec.DecodeAll(packed, nil)
	if err != nil {
		return nil, bad
	}
	w := NewWords()
	text := string(plain)
	rest, ok := strings.CutPrefix(text, wordsHead)
	if !ok {
		if rest, w.more = strings.CutPrefix(text, wordsMore); !w.more {
			return nil, bad
		}
	}
	for line := range strings.Lines(rest) {
		line, ok := strings.CutSuffix(line, "\n")
		if !ok || len(line) < 2 || line[0] != '+' && line[0] != '-' || len(w.words) >= MaxWords {
			return nil, bad
		}
		w.words[line[1:]] = line[0] == '+'
	}
	return w, nil
}
