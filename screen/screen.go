// Package screen is a terminal's screen without a terminal: it takes what a program
// printed, with its escape sequences, and says what one would have read. What it
// gives back holds no control character and acts on nothing. It is pure.
package screen

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of a screen, whatever its program says.
const (
	maxColumns = 500
	maxRows    = 300
	maxDone    = 10_000 // lines that nobody has taken yet
	maxRest    = 4 << 10
)

// Screen is a screen and what is on it.
type Screen struct {
	columns, rows int
	main, other   page // other is what programs have that take the whole screen
	full          bool
	rest          string // the beginning of a sequence whose end has not come
	live          bool   // only what is on it now matters
	pen           Pen    // what is written next is written with it
	done          []string
	left          []string // what a program with the whole screen showed when it gave it back
}

// page is one of the two sets of cells.
type page struct {
	cells       [][]rune // 0: blank
	pens        [][]Pen  // of the cells; nil until anything has been coloured
	x, y        int
	savedX      int
	savedY      int
	top, bottom int // the rows that scroll
	wrap        bool
}

// New makes a blank screen; sizes out of bounds are brought into them.
func New(columns, rows int) *Screen {
	s := &Screen{}
	s.columns, s.rows = bounded(columns, rows)
	s.main, s.other = s.blank(), s.blank()
	return s
}

// Live makes one of which only what it shows now is asked for: it keeps no line that has
// scrolled away.
func Live(columns, rows int) *Screen {
	s := New(columns, rows)
	s.live = true
	return s
}

func bounded(columns, rows int) (int, int) {
	if columns <= 0 {
		columns = 80
	}
	if rows <= 0 {
		rows = 24
	}
	return min(columns, maxColumns), min(rows, maxRows)
}

func (s *Screen) blank() page {
	p := page{cells: make([][]rune, s.rows), bottom: s.rows - 1}
	for i := range p.cells {
		p.cells[i] = make([]rune, s.columns)
	}
	return p
}

// Full reports whether a program has the whole screen.
func (s *Screen) Full() bool { return s.full }

// Size is how large it is.
func (s *Screen) Size() (columns, rows int) { return s.columns, s.rows }

func (s *Screen) page() *page {
	if s.full {
		return &s.other
	}
	return &s.main
}

// Resize gives it another size; what does not fit is lost, as at a terminal.
func (s *Screen) Resize(columns, rows int) {
	s.columns, s.rows = bounded(columns, rows)
	for _, p := range []*page{&s.main, &s.other} {
		old := *p
		drop := max(0, old.y-s.rows+1) // the cursor's row stays
		*p = s.blank()
		for i := range p.cells {
			if i+drop < len(old.cells) {
				copy(p.cells[i], old.cells[i+drop])
			}
		}
		if old.pens != nil {
			p.colour()
			for i := range p.pens {
				if i+drop < len(old.pens) {
					copy(p.pens[i], old.pens[i+drop])
				}
			}
		}
		p.x, p.y = min(old.x, s.columns-1), min(old.y-drop, s.rows-1)
	}
}

// Lines is what is to be read now, a row each, without blanks at the end.
func (s *Screen) Lines() []string {
	p := s.page()
	out := make([]string, len(p.cells))
	last := 0
	for i := range p.cells {
		if out[i] = p.line(i); out[i] != "" {
			last = i + 1
		}
	}
	return out[:last]
}

func (p *page) line(i int) string {
	var b strings.Builder
	for _, c := range p.cells[i] {
		switch c {
		case 0:
			b.WriteByte(' ')
		case wide: // the second half of the one before
		default:
			b.WriteRune(c)
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// wide stands in the cell behind a character of two cells.
const wide rune = -1

// Done takes the lines that have been finished since it was last asked: rows that
// the cursor has left downwards, outside of programs that have the whole screen.
func (s *Screen) Done() []string {
	out := s.done
	s.done = nil
	return out
}

// Left takes what the last program with the whole screen showed when it gave it back.
func (s *Screen) Left() []string {
	out := s.left
	s.left = nil
	return out
}

// Finish takes what is left: the row that the cursor is on.
func (s *Screen) Finish() []string {
	s.full = false
	if text := s.main.line(s.main.y); text != "" {
		s.finish(text)
		clear(s.main.cells[s.main.y])
	}
	return s.Done()
}

func (s *Screen) finish(text string) {
	if s.live {
		return
	}
	if s.done = append(s.done, text); len(s.done) > maxDone {
		s.done = s.done[1:]
	}
}

// Write shows text.
func (s *Screen) Write(text string) {
	text = s.rest + text
	s.rest = ""
	for len(text) > 0 {
		if text[0] == 0x1b {
			n, whole := s.sequence(text)
			if !whole && len(text) < maxRest {
				s.rest = text
				return
			}
			text = text[max(n, 1):]
			continue
		}
		if n := s.letters(text); n > 0 {
			text = text[n:]
			continue
		}
		n := strings.IndexByte(text, 0x1b)
		if n < 0 {
			n = len(text)
		}
		r, size := utf8.DecodeRuneInString(text[:n])
		s.put(r)
		text = text[size:]
	}
}

// letters shows what there is of plain letters at the beginning of text, as far as the row
// goes: most of what is printed. It returns how many there were.
func (s *Screen) letters(text string) (n int) {
	p := s.page()
	if p.wrap {
		return 0
	}
	row, room := p.cells[p.y], min(len(text), s.columns-1-p.x) // the last column wraps
	for n < room && text[n] >= ' ' && text[n] < 0x7f {
		row[p.x+n] = rune(text[n])
		n++
	}
	if n > 0 {
		p.paint(p.x, p.x+n, s.pen)
		p.x += n
	}
	return n
}

// put shows one character, or does what a control character says.
func (s *Screen) put(r rune) {
	p := s.page()
	switch r {
	case '\r':
		p.x, p.wrap = 0, false
	case '\n', '\v', '\f':
		s.feed()
	case '\b':
		p.x, p.wrap = max(0, p.x-1), false
	case '\t':
		p.x = min((p.x/8+1)*8, s.columns-1)
	default:
		s.show(r)
	}
}

func (s *Screen) show(r rune) {
	if !unicode.IsPrint(r) || unicode.In(r, unicode.Mn, unicode.Me) {
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Mn, unicode.Me) {
			return // it would be seen nowhere, or act
		}
		r = unicode.ReplacementChar
	}
	p := s.page()
	n := width(r)
	if p.wrap || p.x+n > s.columns {
		s.feed()
		p.x, p.wrap = 0, false
	}
	p.cells[p.y][p.x] = r
	if n == 2 && p.x+1 < s.columns {
		p.cells[p.y][p.x+1] = wide
	}
	p.paint(p.x, min(p.x+n, s.columns), s.pen)
	if p.x += n; p.x >= s.columns {
		p.x, p.wrap = s.columns-1, true
	}
}

// width is how many cells a character takes: two of the East Asian wide ones.
func width(r rune) int {
	switch {
	case r >= 0x1100 && r <= 0x115f, r >= 0x2e80 && r <= 0xa4cf, r >= 0xac00 && r <= 0xd7a3, r >= 0xf900 && r <= 0xfaff,
		r >= 0xfe30 && r <= 0xfe6f, r >= 0xff00 && r <= 0xff60, r >= 0xffe0 && r <= 0xffe6, r >= 0x1f300 && r <= 0x1faff, r >= 0x20000 && r <= 0x3fffd:
		return 2
	}
	return 1
}

// feed moves the cursor down a row, and what is there up if there is none.
func (s *Screen) feed() {
	p := s.page()
	if !s.full && !s.live {
		s.finish(p.line(p.y))
	}
	p.wrap = false
	if p.y == p.bottom {
		p.scroll(p.top, p.bottom, 1, s.pen)
	} else {
		p.y = min(p.y+1, s.rows-1)
	}
}

// scroll moves the rows from top to bottom up by n, down if it is negative. What comes in is
// blank, in the colour that is behind what is written next.
func (p *page) scroll(top, bottom, n int, pen Pen) {
	for range min(abs(n), bottom-top+1) {
		rotate(p.cells[top:bottom+1], n > 0)
		if p.pens != nil {
			rotate(p.pens[top:bottom+1], n > 0)
		}
		in := bottom
		if n < 0 {
			in = top
		}
		p.clear(in, 0, len(p.cells[in]), pen)
	}
}

// rotate moves rows by one, in the memory that they have.
func rotate[T any](rows [][]T, up bool) {
	if up {
		first := rows[0]
		copy(rows, rows[1:])
		rows[len(rows)-1] = first
		return
	}
	last := rows[len(rows)-1]
	copy(rows[1:], rows)
	rows[0] = last
}

// clear makes cells of a row blank.
func (p *page) clear(row, from, to int, pen Pen) {
	clear(p.cells[row][from:to])
	if pen = pen.behind(); pen != 0 {
		p.colour()
	}
	if p.pens != nil {
		for x := from; x < to; x++ {
			p.pens[row][x] = pen
		}
	}
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}

// Cursor is where the next character would be put.
func (s *Screen) Cursor() (column, row int) { return s.page().x, s.page().y }
